"""A small client: run a program on the service, as whoever the token proves.

    with PythonRunner("http://127.0.0.1:8532", token) as runner:
        answer = runner.run("query('select count(*) from sales.orders')")
        answer.result, answer.stdout, answer.file("report.pdf")

This file must not know the service's inside: it is an example of its HTTP interface, with nothing
but the standard library.
"""

from __future__ import annotations

import base64
import json
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from policies.secret import Secret

ANSWER_SECONDS_MAX = 3_700.0
"""Longer than any run may take."""


class RunnerError(Exception):
    """The service refused; `code` tells which kind, the message what to do."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code


@dataclass(frozen=True)
class Answer:
    """How a run ended. `error` has `type` and `traceback`, None for success."""

    runner: PythonRunner
    content: Mapping[str, Any]

    @property
    def error(self) -> Mapping[str, str] | None:
        """What went wrong in the program."""
        found: Mapping[str, str] | None = self.content["error"]
        return found

    @property
    def result(self) -> Any:
        """How the value of the last expression is shown: None, or an object with `kind`."""
        return self.content["result"]

    @property
    def stdout(self) -> str:
        """What was printed."""
        return str(self.content["stdout"])

    @property
    def files(self) -> list[str]:
        """Names of the files that the program wrote."""
        return [one["name"] for one in self.content["files"]]

    def file(self, name: str) -> bytes:
        """The content of one of them. Raises RunnerError."""
        return self.runner.ask("GET", f"/runs/{self.content['id']}/files/{quote(name)}")


class PythonRunner:
    """One service, as one person."""

    def __init__(self, url: str, token: str) -> None:
        """`url` begins with `https://`, or with `http://` on this machine."""
        if not url.startswith(("https://", "http://127.0.0.1", "http://localhost", "http://[::1]")):
            raise ValueError("a token is sent over https only, or on this machine")
        self._url, self._token = url.rstrip("/"), Secret(token)
        self._session: str | None = None

    def __enter__(self) -> PythonRunner:
        """Open a session: names live on from run to run."""
        self._session = json.loads(self.ask("POST", "/sessions", {}))["id"]
        return self

    def __exit__(self, *_: object) -> None:
        session, self._session = self._session, None
        try:
            self.ask("DELETE", f"/sessions/{session}")
        except RunnerError as error:
            if error.code != "not_found":  # it ended by itself
                raise

    def run(
        self,
        code: str,
        *,
        arguments: Mapping[str, Any] | None = None,
        files: Mapping[str, bytes] | None = None,
        limits: Mapping[str, float] | None = None,
    ) -> Answer:
        """Run a program to its end. Raises RunnerError when it could not be run."""
        sent = {name: base64.b64encode(content).decode() for name, content in (files or {}).items()}
        body = {
            "code": code,
            "arguments": dict(arguments or {}),
            "files": sent,
            "limits": dict(limits or {}),
            **({} if self._session is None else {"session": self._session}),
        }
        return Answer(self, json.loads(self.ask("POST", "/runs", body)))

    def environment(self) -> dict[str, Any]:
        """What is in the sandbox."""
        content: dict[str, Any] = json.loads(self.ask("GET", "/environment"))
        return content

    def events(self, run_id: str) -> Iterator[dict[str, Any]]:
        """The events of a run, to its end."""
        for line in self.ask("GET", f"/runs/{run_id}/events").decode().splitlines():
            if line.startswith("data: "):
                yield json.loads(line.removeprefix("data: "))

    def ask(self, method: str, path: str, body: object = None) -> bytes:
        """The body of an answer. Raises RunnerError, OSError."""
        request = urllib.request.Request(  # noqa: S310  https, or this machine
            self._url + path,
            None if body is None else json.dumps(body).encode(),
            {"Authorization": f"Bearer {self._token.reveal()}", "Content-Type": "application/json"},
            method=method,
        )
        try:
            with urllib.request.urlopen(request, timeout=ANSWER_SECONDS_MAX) as answer:  # noqa: S310
                content: bytes = answer.read()
                return content
        except urllib.error.HTTPError as error:
            with error:
                told = json.loads(error.read())["error"]
            raise RunnerError(told["code"], told["message"]) from None
