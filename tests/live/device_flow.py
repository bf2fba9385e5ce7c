"""A person's half of the device flow (RFC 8628) against a real Keycloak: a program asks for a code,
a person opens a page, signs in and agrees.

The browser keeps cookies without looking at `Secure`: Keycloak sets it on plain http too, where
real browsers make an exception for the loopback address.
"""

from __future__ import annotations

import html
import http.client
import json
import re
import time
from typing import Any
from urllib.parse import urlencode, urljoin, urlsplit

REDIRECTS_MAX = 10
ANSWER_SECONDS_MAX = 30.0
POLL_SECONDS = 1.0
POLLS_MAX = 30


class Browser:
    """Follows redirects, keeps cookies, submits forms."""

    def __init__(self) -> None:
        self._cookies: dict[str, str] = {}
        self.url = ""
        self.page = ""

    def open(self, url: str, form: dict[str, str] | None = None) -> None:
        """Load a page; `form` is posted."""
        for _ in range(REDIRECTS_MAX):
            status, location = self._load(url, form)
            self.url = url
            if status not in (301, 302, 303, 307):
                return
            url, form = urljoin(url, location), None
        raise RuntimeError("redirected without end")

    def submit(self, **fields: str) -> None:
        """Fill in and send the page's form, hidden fields included."""
        action = re.search(r'<form[^>]*\baction="([^"]+)"', self.page)
        if action is None:
            raise RuntimeError(f"no form on {self.url}")
        hidden = {}
        for tag in re.findall(r'<input[^>]*type="hidden"[^>]*>', self.page):
            found = {key: html.unescape(text) for key, text in re.findall(r'(\w+)="([^"]*)"', tag)}
            if "name" in found:
                hidden[found["name"]] = found.get("value", "")
        self.open(urljoin(self.url, html.unescape(action[1])), {**hidden, **fields})

    def _load(self, url: str, form: dict[str, str] | None) -> tuple[int, str]:
        parts = urlsplit(url)
        connection = http.client.HTTPConnection(parts.netloc, timeout=ANSWER_SECONDS_MAX)
        headers = {"Cookie": "; ".join(f"{name}={text}" for name, text in self._cookies.items())}
        path = f"{parts.path}?{parts.query}" if parts.query else parts.path
        try:
            if form is None:
                connection.request("GET", path, headers=headers)
            else:
                headers["Content-Type"] = "application/x-www-form-urlencoded"
                connection.request("POST", path, urlencode(form), headers)
            answer = connection.getresponse()
            self.page = answer.read().decode(errors="replace")
            for cookie in answer.headers.get_all("Set-Cookie") or ():
                name, _, text = cookie.partition(";")[0].partition("=")
                self._cookies[name] = text
            return answer.status, answer.headers.get("Location", "")
        finally:
            connection.close()


def token(discovery: str, scope: str, *, client: str, user: str, password: str) -> str:
    """The access token that a person gives a program. Raises RuntimeError when it fails."""
    endpoints = _json(discovery)
    request = {"client_id": client, "scope": scope}
    asked = _json(endpoints["device_authorization_endpoint"], request)
    agree(asked["verification_uri_complete"], user=user, password=password)
    for _ in range(POLLS_MAX):
        grant = "urn:ietf:params:oauth:grant-type:device_code"
        form = {"grant_type": grant, "device_code": asked["device_code"], "client_id": client}
        answer = _json(endpoints["token_endpoint"], form)
        if "access_token" in answer:
            return str(answer["access_token"])
        if answer.get("error") not in ("authorization_pending", "slow_down"):
            raise RuntimeError(f"the device flow failed: {answer.get('error')}")
        time.sleep(POLL_SECONDS)
    raise RuntimeError("nobody agreed in time")


def agree(page: str, *, user: str, password: str) -> None:
    """Open the page that a program named, with its code in it, sign in and say yes."""
    browser = Browser()
    browser.open(page)
    browser.submit(username=user, password=password)
    browser.submit(accept="Yes")


def _json(url: str, form: dict[str, str] | None = None) -> Any:
    browser = Browser()
    browser.open(url, form)
    return json.loads(browser.page)
