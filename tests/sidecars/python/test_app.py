"""The service over HTTP: runs, events, sessions, and one clear answer to everything wrong."""

from __future__ import annotations

import asyncio
import base64
import json
from pathlib import Path
from typing import Any

import pytest

from proxy.runtime.audit import records
from sidecars.python.limits import CODE_BYTES_MAX
from tests.sidecars.python.conftest import Service


def in_base64(content: bytes) -> str:
    return base64.b64encode(content).decode()


async def test_a_program_prints_computes_and_writes(service: Service) -> None:
    code = (
        "import sys\nprint('out'); print('err', file=sys.stderr)\n"
        "text = open('in/a.txt').read()\nopen('b.txt', 'w').write(text.upper())\n"
        "{'sum': sum(ARGUMENTS['numbers']), 'text': text}"
    )
    answer = await service.run(
        code, arguments={"numbers": [1, 2]}, files={"in/a.txt": in_base64(b"hello")}
    )
    assert (answer["ok"], answer["error"], answer["state"]) == (True, None, "ended")
    assert (answer["stdout"], answer["stderr"]) == ("out\n", "err\n")
    assert answer["result"] == {"kind": "json", "value": {"sum": 3, "text": "hello"}}
    assert answer["files"] == [{"name": "b.txt", "bytes": 5}]
    assert await service.ask("GET", f"/runs/{answer['id']}/files/b.txt") == (200, b"HELLO")


async def test_an_error_shows_the_programs_own_lines(service: Service) -> None:
    answer = await service.run("import json\ndef f(x):\n    return json.loads(x)\nf('{')")
    assert answer["ok"] is False
    assert answer["error"]["type"] == "JSONDecodeError"
    traceback = answer["error"]["traceback"]
    assert traceback.count('File "<program>"') == 2
    assert "return json.loads(x)" in traceback
    assert "decoder.py" not in traceback
    assert "sidecars" not in traceback


@pytest.mark.parametrize(
    ("code", "kind", "part"),
    [
        ("def f(:", "SyntaxError", "def f(:"),
        ("import pip", "ModuleNotFoundError", "cannot be installed"),
        ("import socket; socket.socket()", "NotHere", "query(sql, params)"),
        ("import requests", "ModuleNotFoundError", "query(sql, params)"),
        ("import no_such_thing", "ModuleNotFoundError", "nothing can be installed"),
        ("open('/data/x.csv')", "FileNotFoundError", "/work"),
        ("http('https://example.com')", "CallRefused", "query(sql, params)"),
        ("query(7)", "TypeError", "sql must be a text"),
        ("query('select $1', [object()])", "TypeError", "cannot be a parameter"),
    ],
)
async def test_a_message_says_what_to_do(service: Service, code: str, kind: str, part: str) -> None:
    error = (await service.run(code))["error"]
    assert error["type"] == kind
    assert part in error["traceback"]


async def test_output_streams_as_events(service: Service) -> None:
    body = {"code": "print('one')\nprint('two')\n3", "stream": True}
    status, told = await service.ask("POST", "/runs", body)
    assert status == 202
    status, content = await service.ask("GET", told["events"])
    assert status == 200
    events = [
        json.loads(line[6:]) for line in content.decode().splitlines() if line[:6] == "data: "
    ]
    assert "".join(one["text"] for one in events if one["event"] == "stdout") == "one\ntwo\n"
    assert events[-1]["event"] == "ended"
    assert events[-1]["result"] == {"kind": "json", "value": 3}


BAD: list[tuple[str, Any, str]] = [
    ("no object", [1], "JSON object"),
    ("no code", {}, "code must be a text"),
    ("code of another type", {"code": 7}, "code must be a text"),
    ("oversized code", {"code": "#" * (CODE_BYTES_MAX + 1)}, "bytes"),
    ("half a character", {"code": "'\ud800'"}, "surrogate"),
    ("unknown member", {"code": "", "codes": 1}, "not known"),
    ("unknown limit", {"code": "", "limits": {"time": 1}}, "limits.time is not a limit"),
    ("limit above the highest", {"code": "", "limits": {"wall_seconds": 1e9}}, "limits.wall_seconds"),
    ("limit below the lowest", {"code": "", "limits": {"memory_bytes": 1}}, "limits.memory_bytes"),
    ("limit of another type", {"code": "", "limits": {"files": 1.5}}, "whole number"),
    ("limit that is true", {"code": "", "limits": {"files": True}}, "whole number"),
    ("limits of another type", {"code": "", "limits": 3}, "limits must be an object"),
    ("arguments of another type", {"code": "", "arguments": []}, "arguments must be an object"),
    ("seed of another type", {"code": "", "seed": "x"}, "seed must be"),
    ("seed out of range", {"code": "", "seed": -1}, "seed must be"),
    ("stream of another type", {"code": "", "stream": 1}, "stream must be"),
    ("session of another type", {"code": "", "session": 1}, "session must be"),
    ("files of another type", {"code": "", "files": []}, "files must be an object"),
    ("file not in base64", {"code": "", "files": {"a": "%"}}, "not base64"),
    ("file that climbs", {"code": "", "files": {"../a": ""}}, "plain relative path"),
    ("absolute file", {"code": "", "files": {"/a": ""}}, "plain relative path"),
    ("file below a file", {"code": "", "files": {"a": "", "a/b": ""}}, "below another file"),
    ("too many files", {"code": "", "files": {str(n): "" for n in range(60)}}, "at most 50"),
    ("too large files", {"code": "", "files": {"a": in_base64(bytes(2_000_001))}}, "at most"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "part"), [one[1:] for one in BAD], ids=[one[0] for one in BAD])
async def test_a_wrong_request_is_told_what_is_wrong(
    service: Service, body: Any, part: str
) -> None:
    status, answer = await service.ask("POST", "/runs", body)
    assert (status, answer["error"]["code"]) == (400, "bad_request")
    assert part in answer["error"]["message"]


async def test_what_is_no_json_is_told_so(service: Service) -> None:
    status, answer = await service.ask("POST", "/runs", data=b"{")
    assert (status, answer["error"]["code"]) == (400, "bad_request")


@pytest.mark.parametrize("token", [None, "", "nonsense", "a.b.c"])
async def test_nobody_gets_nothing(service: Service, token: str | None) -> None:
    for method, path in (("POST", "/runs"), ("GET", "/environment"), ("POST", "/sessions")):
        status, answer = await service.ask(method, path, {"code": "1"}, token=token)
        assert (status, answer["error"]["code"]) == (401, "unauthorized")
    expired = service.gate.changed_token({"exp": 1})
    assert (await service.ask("GET", "/environment", token=expired))[0] == 401


async def test_anothers_run_is_as_if_absent(service: Service) -> None:
    answer = await service.run("open('mine', 'w').write('x')")
    _, session = await service.ask("POST", "/sessions", {})
    for path in (f"/runs/{answer['id']}", f"/runs/{answer['id']}/events"):
        own = await service.ask("GET", path)
        assert own[0] == 200
        status, told = await service.ask("GET", path, name="bob")
        other_status, other = await service.ask(
            "GET", path.replace(answer["id"], "run_0"), name="bob"
        )
        assert status == other_status == 404
        text = told["error"]["message"].replace(answer["id"], "")
        assert text == other["error"]["message"].replace("run_0", "")
    path = f"/runs/{answer['id']}/files/mine"
    assert (await service.ask("GET", path, name="bob"))[0] == 404
    assert (await service.ask("DELETE", f"/runs/{answer['id']}", name="bob"))[0] == 404
    body = {"code": "1", "session": session["id"]}
    assert (await service.ask("POST", "/runs", body, name="bob"))[0] == 404
    path = f"/sessions/{session['id']}"
    assert (await service.ask("DELETE", path, name="bob"))[0] == 404
    assert (await service.ask("DELETE", path))[0] == 200
    assert (await service.ask("DELETE", path))[0] == 404


async def test_a_session_keeps_names_and_files(service: Service) -> None:
    _, session = await service.ask("POST", "/sessions", {})
    try:
        one = await service.run("x = 20\nopen('a', 'w').write('kept')", session=session["id"])
        assert one["ok"]
        two = await service.run("[x + 1, open('a').read()]", session=session["id"])
        assert two["result"]["value"] == [21, "kept"]
        assert two["files"] == []  # only what is new
        assert (await service.run("x"))["error"]["type"] == "NameError"
        status, answer = await service.ask("POST", "/sessions", {})
        assert (status, answer["error"]["code"]) == (429, "too_many")
    finally:
        await service.ask("DELETE", f"/sessions/{session['id']}")
    body = {"code": "x", "session": session["id"]}
    assert (await service.ask("POST", "/runs", body))[0] == 404


async def test_a_session_survives_errors_and_not_the_end_of_its_instance(service: Service) -> None:
    _, session = await service.ask("POST", "/sessions", {})
    await service.run("x = 1", session=session["id"])
    assert (await service.run("1 / 0", session=session["id"]))["error"][
        "type"
    ] == "ZeroDivisionError"
    assert (await service.run("x", session=session["id"]))["result"]["value"] == 1
    ended = await service.run(
        "while True: pass", session=session["id"], limits={"wall_seconds": 0.5}
    )
    assert ended["error"]["type"] == "LimitReached"
    body = {"code": "x", "session": session["id"]}
    assert (await service.ask("POST", "/runs", body))[0] == 404


async def test_a_run_can_be_cancelled_and_neighbours_do_not_notice(service: Service) -> None:
    body = {"code": "print('begun')\nwhile True: pass", "stream": True}
    _, told = await service.ask("POST", "/runs", body)
    neighbour = asyncio.ensure_future(service.run("sum(range(10 ** 6))", name="bob"))
    status, ended = await service.ask("DELETE", f"/runs/{told['id']}")
    assert (status, ended["error"]["type"]) == (200, "Cancelled")
    assert (await neighbour)["result"]["value"] == 499_999_500_000


async def test_a_principal_has_so_many_runs_at_a_time(service: Service) -> None:
    body = {"code": "import time; time.sleep(60)", "stream": True}
    begun = [(await service.ask("POST", "/runs", body))[1]["id"] for _ in range(2)]
    try:
        status, answer = await service.ask("POST", "/runs", body)
        assert (status, answer["error"]["code"]) == (429, "too_many")
        assert (await service.run("1", name="bob"))["ok"]  # and others do not notice
    finally:
        for run in begun:
            await service.ask("DELETE", f"/runs/{run}")


async def test_two_principals_side_by_side(service: Service) -> None:
    code = (
        "import os, time\nopen('secret-' + ARGUMENTS['me'], 'w').write(ARGUMENTS['me'])\n"
        "time.sleep(0.5)\nsorted(os.listdir('.'))"
    )
    alice, bob = await asyncio.gather(
        service.run(code, arguments={"me": "alice"}),
        service.run(code, arguments={"me": "bob"}, name="bob"),
    )
    assert alice["result"]["value"] == ["secret-alice"]
    assert bob["result"]["value"] == ["secret-bob"]


async def test_the_environment_and_the_tool_tell_themselves(service: Service) -> None:
    _, environment = await service.ask("GET", "/environment")
    assert {one["name"] for one in environment["packages"]} >= {"numpy", "pandas", "openpyxl"}
    assert all(len(one["sha256"]) == 64 and one["licence"] for one in environment["packages"])
    assert environment["differences"]
    assert environment["walls"][0] == "WebAssembly"
    _, tool = await service.ask("GET", "/tool")
    assert tool["name"] == "run_python"
    assert tool["inputSchema"]["properties"]["limits"]["properties"]["files"]["maximum"] == 50


async def test_a_wrong_path_and_a_wrong_method(service: Service) -> None:
    assert (await service.ask("GET", "/nothing"))[0] == 404
    assert (await service.ask("PUT", "/runs"))[0] == 405
    assert await service.ask("GET", "/health", token=None) == (200, {"state": "ready"})


async def test_every_run_is_in_the_audit_log(service: Service) -> None:
    answer = await service.run("print('x' * 10)\n1 / 0  # audited")
    found = [one.facts["unmapped"] for one in records(service.audit)]
    own = [one for one in found if one.get("run_id") == answer["id"]]
    assert [one["phase"] for one in own] == ["intent", "outcome"]
    assert "# audited" in own[0]["code"]["text"]
    assert own[1]["output_bytes"] == 11
    before = len(list(records(service.audit)))
    await service.ask("GET", "/environment", token="nonsense")
    assert [one.facts["unmapped"]["phase"] for one in records(service.audit)][before:] == [
        "refusal"
    ]


async def test_no_token_is_in_the_log(service: Service) -> None:
    token = service.gate.token()
    await service.ask("POST", "/runs", {"code": "1"}, token=token)

    def found() -> list[Path]:
        files = [path for path in service.audit.rglob("*") if path.is_file()]
        return [path for path in files if token.encode() in path.read_bytes()]

    assert await asyncio.to_thread(found) == []
