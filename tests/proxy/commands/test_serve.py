"""`up` and `gate` as processes: a real gate on a real port, told to reload and to end."""

from __future__ import annotations

import contextlib
import json
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import jwt
import psycopg
import pytest
import yaml
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.proxy.commands.conftest import DATABASE, GATE_PASSWORD, POLICY, Run, Workplace
from tests.proxy.commands.test_looking import write_demonstration

ROOT = Path(__file__).resolve().parents[3]
END_SECONDS_MAX = 30


@contextmanager
def serving(workplace: Workplace, command: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """The process and its port; killed if the test does not end it."""
    process = subprocess.Popen(
        [sys.executable, "-m", "proxy.cli", command, "-c", str(workplace.configuration)],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    try:
        told = []
        for line in process.stderr:
            told.append(line)
            found = re.match(r"serving on 127\.0\.0\.1:(\d+)$", line)
            if found:
                yield process, int(found.group(1))
                return
        pytest.fail("it ended early:\n" + "".join(told))
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


def trust(workplace: Workplace) -> str:
    """Make the configured issuer's key; returns a token of zoe's."""
    key = Ed25519PrivateKey.generate()
    public = jwt.algorithms.OKPAlgorithm.to_jwk(key.public_key(), as_dict=True)
    keys = {"keys": [{**public, "kid": "k", "alg": "EdDSA", "use": "sig"}]}
    (workplace.directory / "jwks.json").write_text(json.dumps(keys))
    now = int(time.time())
    payload = {"iss": "https://issuer.test", "aud": "sallyport", "sub": "zoe", "iat": now}
    claims = {"exp": now + 300, "roles": ["analyst"], "region": "emea"}
    return jwt.encode({**payload, **claims}, key, algorithm="EdDSA", headers={"kid": "k"})


def connect(port: int, token: str) -> psycopg.Connection[tuple[object, ...]]:
    return psycopg.connect(
        host="127.0.0.1", port=port, user="zoe", password=token, dbname=DATABASE, autocommit=True
    )


@pytest.mark.parametrize("command", ["up", "gate"])
def test_it_serves_reloads_and_ends(command: str, workplace: Workplace) -> None:
    token = trust(workplace)
    with serving(workplace, command) as (process, port):
        with connect(port, token) as client:
            assert client.execute("select id, note_of_nobody from (values (1, 2)) v (id, "
                                  "note_of_nobody)").fetchall() == [(1, 2)]  # fmt: skip
            assert client.execute("select id from shop.orders").fetchall() == [(1,)]
        process.send_signal(signal.SIGHUP)
        with connect(port, token) as client:
            assert client.execute("select count(*) from shop.orders").fetchone() == (1,)
        process.send_signal(signal.SIGTERM)
        assert process.wait(END_SECONDS_MAX) == 0
        assert process.stderr is not None
        told = process.stderr.read()
        assert "ending: clients get 1 s to finish" in told
        assert token not in told
        assert GATE_PASSWORD not in told


@pytest.mark.parametrize("command", ["up", "gate"])
def test_the_demonstrations_issuer_is_never_accepted(
    command: str, workplace: Workplace, sallyport: Run
) -> None:
    state = write_demonstration(workplace)
    ended = sallyport(command, "-c", state.configuration)
    assert ended.code == 2
    assert "is the demonstration's issuer" in ended.err
    assert re.search(r"sallyport\.yaml:\d+: identity\.issuers\[0\]\.issuer", ended.err)


@pytest.mark.parametrize("missing", ["identity", "policies", "audit", "sources"])
def test_it_does_not_start_without(missing: str, workplace: Workplace, sallyport: Run) -> None:
    text = workplace.configuration.read_text()
    workplace.configuration.write_text(re.sub(rf"^{missing}:", f"not_{missing}:", text, flags=re.M))
    ended = sallyport("up")
    assert ended.code == 2
    assert missing in ended.err


def test_it_does_not_start_with_a_policy_that_does_not_load(workplace: Workplace) -> None:
    workplace.policy.write_text(POLICY.replace("where:", "wehre:"))
    ended = subprocess.run(
        [sys.executable, "-m", "proxy.cli", "up", "-c", str(workplace.configuration)],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        timeout=END_SECONDS_MAX,
    )
    assert ended.returncode == 1
    assert f"{workplace.policy}:17" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_up_runs_what_the_configuration_names(workplace: Workplace) -> None:
    trust(workplace)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    content = yaml.safe_load(workplace.configuration.read_text())
    url = f"http://127.0.0.1:{port}/mcp"
    content["mcp"] = {"url": url, "gate": "postgresql://127.0.0.1:1/x", "port": port}
    workplace.configuration.write_text(yaml.safe_dump(content))

    def health() -> int:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5) as answer:
            return int(answer.status)

    with serving(workplace, "up") as (process, _):
        for _ in range(200):
            with contextlib.suppress(OSError):
                assert health() == 200
                break
            time.sleep(0.1)
        else:
            pytest.fail("the sidecar does not answer")
        process.send_signal(signal.SIGTERM)
        assert process.wait(END_SECONDS_MAX) == 0
        with pytest.raises(OSError):
            health()
