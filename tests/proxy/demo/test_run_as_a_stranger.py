"""The demonstration as a stranger meets it: a process, a port, people with different views."""

from __future__ import annotations

import re
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass

import psycopg
import pytest

from proxy.demo import company
from proxy.demo.issuer import DemoIssuer
from proxy.demo.principal import SHOWN
from tests.servers.demonstration import END_SECONDS_MAX, ROOT, Demonstration, running


@dataclass(frozen=True)
class Stranger:
    """Somebody who has a demonstration running before them."""

    demonstration: Demonstration

    def rows(self, name: str, statement: str, agent: str | None = None) -> list[tuple[object, ...]]:
        """What `name` gets for a statement."""
        issuer = DemoIssuer.existing(self.demonstration.directory)
        with psycopg.connect(
            host="127.0.0.1",
            port=self.demonstration.port,
            user=name,
            password=issuer.mint(name, now=time.time(), agent=agent),
            dbname=company.DATABASE,
            autocommit=True,
        ) as connection:
            return connection.execute(statement.encode()).fetchall()


@pytest.fixture(scope="module")
def demonstration(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demonstration]:
    with running(tmp_path_factory.mktemp("demonstration") / "state") as found:
        yield found


@pytest.fixture(scope="module")
def stranger(demonstration: Demonstration) -> Stranger:
    return Stranger(demonstration)


def test_three_people_see_three_different_things(stranger: Stranger) -> None:
    count = "select count(*), count(distinct region) from sales.customers"
    assert stranger.rows("alice", count) == [(4835, 1)]
    assert stranger.rows("carol", count) == [(12000, 4)]
    (bobs,) = stranger.rows("bob", count)
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
        ("alice", "select to_regclass('customers') = 'sales.customers'::regclass", [(True,)]),
    ],
)  # fmt: skip
def test_rows_columns_and_masks(
    stranger: Stranger,
    name: str,
    statement: str,
    expected: list[tuple[object, ...]] | None,
) -> None:
    rows = stranger.rows(name, statement)
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
    stranger: Stranger, name: str, statement: str, sqlstate: str
) -> None:
    with pytest.raises(psycopg.Error) as refusal:
        stranger.rows(name, statement)
    assert refusal.value.sqlstate == sqlstate


def test_an_agent_sees_what_its_person_sees(stranger: Stranger) -> None:
    count = "select count(*) from sales.customers"
    assert stranger.rows("bob", count, agent="triage") == stranger.rows("bob", count)


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
