"""The client against the service."""

from __future__ import annotations

import asyncio

import pytest

from sidecars.python.client import PythonRunner, RunnerError
from tests.sidecars.python.conftest import Service


async def test_a_session_of_a_client(service: Service) -> None:
    def work() -> None:
        url = f"http://127.0.0.1:{service.port}"
        with PythonRunner(url, service.gate.token("carol")) as runner:
            first = runner.run("x = open('in').read()\nprint(x)", files={"in": b"hello"})
            assert (first.error, first.stdout) == (None, "hello\n")
            second = runner.run("open('out', 'w').write(x * 2)\nARGUMENTS['n']", arguments={"n": 1})
            assert second.result == {"kind": "json", "value": 1}
            assert second.files == ["out"]
            assert second.file("out") == b"hellohello"
            assert [one["event"] for one in runner.events(second.content["id"])] == ["ended"]
            assert runner.run("1 / 0").error["type"] == "ZeroDivisionError"  # type: ignore[index]
            with pytest.raises(RunnerError, match=r"limits\.files"):
                runner.run("1", limits={"files": 10**6})
        with pytest.raises(RunnerError) as refused:
            PythonRunner(url, "nonsense").environment()
        assert refused.value.code == "unauthorized"

    await asyncio.to_thread(work)


def test_a_token_is_not_sent_in_clear() -> None:
    with pytest.raises(ValueError, match="https"):
        PythonRunner("http://example.com", "t")
    assert "secret-token" not in repr(vars(PythonRunner("https://example.com", "secret-token")))
