"""A throwaway Keycloak on 127.0.0.1: the realm of `keycloak-realm.json`, one user, two clients.

    with running() as keycloak:
        token = keycloak.password_token("alice")

Knows how to install, start and stop it; the distribution comes from Maven Central through `mvn`,
and needs Java 17 or newer. Not part of `python -m tests.servers install`: it takes a minute or two,
so a run that needs it begins to prepare it beside the first tests (`Background`).

Theory of operation. Slow are the build and the database's schema: both are made once and kept in
the cache, under a name that holds the realm's digest. Each server is a copy of hard links with a
database of its own. `kc.sh` stays as the parent of Java, so the whole process group is ended; it
ends too when the thread that started it does.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from tests.servers import install
from tests.servers.install import ServerUnavailable
from tests.servers.postgres import free_port

VERSION = "26.7.3"
REALM_FILE = Path(__file__).with_name("keycloak-realm.json")
REALM = "sallyport"
ADMINISTRATOR = "admin"
START_TIMEOUT_SECONDS = 300.0  # the first one makes the schema: two minutes on two busy cores
STOP_TIMEOUT_SECONDS = 20.0
ANSWER_SECONDS_MAX = 30.0


@dataclass(frozen=True)
class Keycloak:
    """A running server."""

    port: int

    @property
    def issuer(self) -> str:
        """The `iss` of its tokens."""
        return f"http://127.0.0.1:{self.port}/realms/{REALM}"

    @property
    def jwks_url(self) -> str:
        return f"{self.issuer}/protocol/openid-connect/certs"

    def post(self, path: str, **form: str) -> dict[str, Any]:
        """A form to the realm's OpenID endpoints, and the JSON that answers, whatever its status."""
        return self.call("POST", f"/realms/{REALM}/protocol/openid-connect/{path}", form=form)

    def password_token(self, user: str, client: str = "sallyport-cli") -> str:
        """An access token of a user, whose password is `NAME-secret`."""
        answer = self.post(
            "token",
            grant_type="password",
            client_id=client,
            username=user,
            password=f"{user}-secret",
        )
        return str(answer["access_token"])

    def administrator_token(self) -> str:
        """For the administration interface."""
        answer = self.call(
            "POST",
            "/realms/master/protocol/openid-connect/token",
            form={
                "grant_type": "password",
                "client_id": "admin-cli",
                "username": ADMINISTRATOR,
                "password": ADMINISTRATOR,
            },
        )
        return str(answer["access_token"])

    def rotate_keys(self) -> None:
        """A new signing key that comes before those of before."""
        provider = {
            "name": f"rsa-{time.monotonic_ns()}",
            "providerId": "rsa-generated",
            "providerType": "org.keycloak.keys.KeyProvider",
            "config": {"priority": ["500"], "keySize": ["2048"], "algorithm": ["RS256"]},
        }
        path = f"/admin/realms/{REALM}/components"
        self.call("POST", path, body=provider, token=self.administrator_token())

    def call(
        self,
        method: str,
        path: str,
        *,
        form: dict[str, str] | None = None,
        body: object = None,
        token: str | None = None,
    ) -> Any:
        """One request; the JSON of the answer, or None when it has no body."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        content = json.dumps(body) if body is not None else urlencode(form or {})
        kind = "application/json" if body is not None else "application/x-www-form-urlencoded"
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=ANSWER_SECONDS_MAX)
        try:
            connection.request(method, path, content, {**headers, "Content-Type": kind})
            answer = connection.getresponse().read()
        finally:
            connection.close()
        return json.loads(answer) if answer else None


def home() -> Path:
    """The built distribution with a filled database, made now if absent (about two minutes)."""
    digest = hashlib.sha256(REALM_FILE.read_bytes()).hexdigest()[:12]
    found = install.cache_directory() / f"keycloak-{VERSION}-{digest}"
    if found.exists():
        return found
    with install.exclusive("keycloak"):
        if not found.exists():
            _make(found)
    return found


def _make(target: Path) -> None:
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        folder = Path(scratch) / f"keycloak-{VERSION}"
        _unpack(Path(scratch))
        build = [str(folder / "bin" / "kc.sh"), "build", "--db=dev-file"]
        install.run(build, what="building Keycloak")
        (folder / "data" / "import").mkdir(parents=True)
        shutil.copy(REALM_FILE, folder / "data" / "import" / "sallyport-realm.json")
        with _served(folder, "--import-realm"):
            pass  # the first start makes the schema and reads the realm
        folder.rename(target)


def _unpack(folder: Path) -> None:
    install.program("java", "default-jre-headless")
    command = [install.program("mvn", "maven"), "--quiet", "--batch-mode", "dependency:copy"]
    command += [f"-Dartifact=org.keycloak:keycloak-quarkus-dist:{VERSION}:tar.gz"]
    command += [f"-DoutputDirectory={folder}"]
    install.run(command, what="fetching Keycloak by Maven")
    archive = folder / f"keycloak-quarkus-dist-{VERSION}.tar.gz"
    install.run(["tar", "-xzf", str(archive), "-C", str(folder)], what="unpacking Keycloak")
    archive.unlink()


@contextmanager
def running() -> Iterator[Keycloak]:
    """A server for the length of the block. Raises `ServerUnavailable`."""
    source = home()
    directory = Path(tempfile.mkdtemp(prefix="keycloak-run-", dir=source.parent))
    try:
        # Programs are linked; the database is written to, so it is copied.
        linked = {"copy_function": os.link, "symlinks": True}
        shutil.copytree(source, directory / "home", ignore=_database, **linked)  # type: ignore[arg-type]
        shutil.copytree(source / "data", directory / "home" / "data")
        with _served(directory / "home") as keycloak:
            yield keycloak
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _database(folder: str, names: list[str]) -> list[str]:
    return [name for name in names if name == "data" and (Path(folder) / "bin" / "kc.sh").exists()]


@contextmanager
def _served(folder: Path, *options: str) -> Iterator[Keycloak]:
    keycloak = Keycloak(free_port())
    setpriv = install.program("setpriv", "util-linux")
    command = [setpriv, "--pdeathsig", "TERM", str(folder / "bin" / "kc.sh"), "start"]
    command += ["--optimized", "--http-enabled=true", "--http-host=127.0.0.1", "--cache=local"]
    command += [f"--http-port={keycloak.port}", f"--hostname=http://127.0.0.1:{keycloak.port}"]
    environment = {
        **os.environ,
        "KC_BOOTSTRAP_ADMIN_USERNAME": ADMINISTRATOR,
        "KC_BOOTSTRAP_ADMIN_PASSWORD": ADMINISTRATOR,
        "JAVA_OPTS_KC_HEAP": "-Xms64m -Xmx384m",
        "JAVA_OPTS_APPEND": "-XX:TieredStopAtLevel=1",
    }
    log = folder / "server.log"
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [*command, *options],
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
            env=environment,
            start_new_session=True,
        )
    try:
        _wait(process, keycloak, log)
        yield keycloak
    finally:
        _end(process)


def _wait(process: subprocess.Popen[bytes], keycloak: Keycloak, log: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            found = keycloak.call("GET", f"/realms/{REALM}/.well-known/openid-configuration")
            if found and found.get("issuer") == keycloak.issuer:
                return
        except (OSError, http.client.HTTPException, ValueError):
            pass
        time.sleep(0.3)
    tail = "\n".join(log.read_text(errors="replace").splitlines()[-20:])
    raise ServerUnavailable(f"Keycloak did not start:\n{tail}")


def _end(process: subprocess.Popen[bytes]) -> None:
    for how in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, how)
            process.wait(STOP_TIMEOUT_SECONDS)
        except ProcessLookupError:
            break
        except subprocess.TimeoutExpired:
            continue
        if how is signal.SIGTERM:
            _wait_for_group(process.pid)
    process.wait()


def _wait_for_group(group: int) -> None:
    """Java outlives the shell that started it by a moment, and holds the database."""
    deadline = time.monotonic() + STOP_TIMEOUT_SECONDS
    while time.monotonic() < deadline:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return
        time.sleep(0.1)


class Background:
    """Prepares and runs one server beside the tests.

    Its address, or why there is none, is written to the file `answer`, because those who wait for
    it by `awaited` may be other processes.
    """

    def __init__(self, answer: Path) -> None:
        self._answer = answer
        self._is_over = threading.Event()
        # The server ends with the thread that started it, so the thread stays until the end.
        self._thread = threading.Thread(target=self._run, name="keycloak", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            with running() as keycloak:
                self._tell({"port": keycloak.port})
                self._is_over.wait()
        except Exception as error:
            self._tell({"failure": str(error)})

    def _tell(self, told: dict[str, object]) -> None:
        written = self._answer.with_suffix(".written")
        written.write_text(json.dumps(told))
        written.rename(self._answer)

    def close(self) -> None:
        """Stop it."""
        self._is_over.set()
        self._thread.join(3 * STOP_TIMEOUT_SECONDS)


def awaited(answer: Path) -> Keycloak:
    """The server whose `Background` writes to `answer`, once it is there.

    Raises `ServerUnavailable` with the reason.
    """
    deadline = time.monotonic() + 2 * START_TIMEOUT_SECONDS
    while not answer.exists():
        if time.monotonic() > deadline:
            raise ServerUnavailable("Keycloak is not ready")
        time.sleep(0.2)
    told = json.loads(answer.read_text())
    if "failure" in told:
        raise ServerUnavailable(told["failure"])
    return Keycloak(told["port"])
