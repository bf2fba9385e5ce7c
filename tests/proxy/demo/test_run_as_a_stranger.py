"""The demonstration as a stranger meets it: a process, a port, people with different views."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import psycopg
import pytest

from proxy.demo import company
from proxy.demo.issuer import DemoIssuer
from proxy.demo.principal import SHOWN

ROOT = Path(__file__).resolve().parents[3]
FIRST_STATEMENT_SECONDS_MAX = 60
END_SECONDS_MAX = 30
GREETING_END = "Ctrl-C ends the demonstration"


class Demonstration(NamedTuple):
    """A running one: its process, its state, its port, and what it printed."""

    process: subprocess.Popen[str]
    directory: Path
    port: int
    text: str

    def rows(self, name: str, statement: str, agent: str | None = None) -> list[tuple[object, ...]]:
        """What `name` gets for a statement."""
        token = DemoIssuer.existing(self.directory).mint(name, now=time.time(), agent=agent)
        with psycopg.connect(
            host="127.0.0.1",
            port=self.port,
            user=name,
            password=token,
            dbname=company.DATABASE,
            autocommit=True,
        ) as connection:
            return connection.execute(statement.encode()).fetchall()


@pytest.fixture(scope="module")
def demonstration(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demonstration]:
    directory = tmp_path_factory.mktemp("demonstration") / "state"
    process = subprocess.Popen(
        [sys.executable, "-m", "proxy.cli", "demo", "--state", str(directory), "--port", "0"],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        text = read_greeting(process)
        found = re.search(r"127\.0\.0\.1:(\d+)", text)
        assert found, text
        yield Demonstration(process, directory, int(found.group(1)), text)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        assert process.stderr is not None
        process.stderr.close()


def read_greeting(process: subprocess.Popen[str]) -> str:
    """Everything up to the greeting's end; fails with it when the process ends early."""
    assert process.stderr is not None
    started, lines = time.monotonic(), []
    for line in process.stderr:
        lines.append(line)
        if line.startswith(GREETING_END):
            assert time.monotonic() - started < FIRST_STATEMENT_SECONDS_MAX
            return "".join(lines)
    pytest.fail("it ended early:\n" + "".join(lines))


def test_three_people_see_three_different_things(demonstration: Demonstration) -> None:
    count = "select count(*), count(distinct region) from sales.customers"
    assert demonstration.rows("alice", count) == [(4835, 1)]
    assert demonstration.rows("carol", count) == [(12000, 4)]
    (bobs,) = demonstration.rows("bob", count)
    assert bobs == (3474, 1)  # of 3630 in amer, the long gone are left out


@pytest.mark.parametrize(
    ("name", "statement", "expected"),
    [
        (
            "alice",
            "select email, national_id from sales.customers where id = 4711",
            [("c***@harbour.example", None)],
        ),
        ("alice", "select distinct body from support.tickets", [("[withheld]",)]),
        ("alice", "select max(grade) from hr.employees", [(7,)]),
        ("alice", "select count(*) from docs.documents where 'larkspur' = any(tags)", [(0,)]),
        ("carol", "select count(*) from docs.documents where 'larkspur' = any(tags)", [(2,)]),
        ("carol", "select left(iban, 4), salary > 100000 from hr.employees where id = 15",
         [("****", True)]),
        ("dave", "select count(*) from hr.employees where salary % 10000 <> 0", [(0,)]),
        ("bob", "select count(*) from support.ticket_messages where is_internal and body ~ 'recall'",
         None),
        ("dave", "select to_regclass('customers') = 'sales.customers'::regclass", [(True,)]),
    ],
)  # fmt: skip
def test_rows_columns_and_masks(
    demonstration: Demonstration,
    name: str,
    statement: str,
    expected: list[tuple[object, ...]] | None,
) -> None:
    rows = demonstration.rows(name, statement)
    if expected is None:
        ((count,),) = rows
        assert isinstance(count, int)
        assert count > 50
    else:
        assert rows == expected


@pytest.mark.parametrize(
    ("name", "statement", "sqlstate"),
    [
        ("alice", "select salary from hr.employees", "42703"),
        ("bob", "select * from hr.employees", "42P01"),
        ("carol", "select email from sales.customers", "42703"),
        ("carol", "select * from hr.investigations", "42P01"),
        ("carol", "update hr.employees set salary = 0", "42501"),
    ],
)
def test_what_is_hidden_does_not_exist(
    demonstration: Demonstration, name: str, statement: str, sqlstate: str
) -> None:
    with pytest.raises(psycopg.Error) as refusal:
        demonstration.rows(name, statement)
    assert refusal.value.sqlstate == sqlstate


def test_an_agent_sees_what_its_person_sees(demonstration: Demonstration) -> None:
    count = "select count(*) from sales.customers"
    assert demonstration.rows("bob", count, agent="triage") == demonstration.rows("bob", count)


def test_the_printed_lines_work_when_pasted(demonstration: Demonstration) -> None:
    lines = re.findall(r"^  (PGPASSWORD=.*)$", demonstration.text, re.MULTILINE)
    answers = []
    for line in lines:
        pasted = subprocess.run(
            ["sh", "-c", f"{line} -Atc 'select count(*) from docs.documents'"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
        answers.append(int(pasted.stdout))
    assert len(answers) == len(SHOWN)
    # alice and bob read what is for everybody, carol confidential papers too
    assert answers[0] == answers[1] < answers[2]


def test_a_guessed_password_stays_outside(demonstration: Demonstration) -> None:
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(
            host="127.0.0.1", port=demonstration.port, user="alice", password="guess",
            dbname=company.DATABASE,
        )  # fmt: skip


def test_it_ends_cleanly(demonstration: Demonstration) -> None:
    """The last test of this module: Ctrl-C, and nothing is left."""
    demonstration.process.send_signal(signal.SIGINT)
    assert demonstration.process.wait(END_SECONDS_MAX) == 0
    left = [
        path
        for name in ("cluster", "shadow")
        for path in (demonstration.directory / name).glob("data/postmaster.pid")
    ]
    assert left == []
