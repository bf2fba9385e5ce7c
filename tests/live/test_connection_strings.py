"""The connection strings of the README, each by its real client, with an access token over TLS."""

from __future__ import annotations

import asyncio
import os
import re
from pathlib import Path

import pytest

from tests.clients import install
from tests.live.access import Door
from tests.live.gate import DATABASE

README = Path(__file__).resolve().parent.parent.parent / "README.md"
QUESTION = "SELECT count(*) FROM shop.orders"
JAVA = """\
import java.sql.*;
public class Ask {
  public static void main(String[] a) throws Exception {
    try (Connection c = DriverManager.getConnection(a[0]);
         ResultSet r = c.createStatement().executeQuery(a[1])) { r.next(); System.out.println(r.getLong(1)); }
  }
}
"""
ODBC = "import pyodbc, sys; print(pyodbc.connect(sys.argv[1]).execute(sys.argv[2]).fetchone()[0])"

pytestmark = pytest.mark.timeout(600)  # a fresh machine installs the clients first


def blocks() -> list[str]:
    """The fenced examples of the README's section, in order."""
    section = README.read_text(encoding="utf-8").split("\n## Logging in\n")[1].split("\n## ")[0]
    return re.findall(r"```\w*\n(.*?)```", section, re.DOTALL)


def filled(text: str, door: Door, secret: str) -> str:
    """An example with the values of this gate in the places of the README's."""
    values = {
        "gate.example": "localhost",
        "6432": str(door.gate.port),
        "/etc/ssl/company.pem": str(door.certificate),
        "token.tableau": "token.readme",
        "company": DATABASE,
        "SECRET": secret,
    }
    for name, value in values.items():
        text = text.replace(name, value)
    return text.strip()


async def answer(command: list[str], **environment: str) -> str:
    """What a client prints; it must end well."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**{k: v for k, v in os.environ.items() if not k.startswith("PG")}, **environment},
    )
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()[-2000:]
    return out.decode().strip()


async def test_each_is_tried(door: Door, tmp_path: Path) -> None:
    secret = await door.create("readme")
    pgpass, service, odbc, jdbc = (filled(block, door, secret) for block in blocks())

    (tmp_path / "pgpass").write_text(pgpass + "\n")
    (tmp_path / "pgpass").chmod(0o600)
    (tmp_path / "service.conf").write_text(service + "\n")
    psql = [*await asyncio.to_thread(install.psql, 18), "-XAtc", QUESTION, f"service={DATABASE}"]
    files = {
        "PGPASSFILE": str(tmp_path / "pgpass"),
        "PGSERVICEFILE": str(tmp_path / "service.conf"),
    }
    assert await answer(psql, **files) == "1000"

    await asyncio.to_thread(install.debian)
    python = str(await asyncio.to_thread(install.python))
    assert await answer([python, "-c", ODBC, odbc, QUESTION]) == "1000"

    (tmp_path / "Ask.java").write_text(JAVA)
    jar = str(await asyncio.to_thread(install.java))
    java = ["java", "-cp", jar, str(tmp_path / "Ask.java"), jdbc, QUESTION]
    assert await answer(java) == "1000"


async def test_a_wrong_secret_is_refused_by_each_in_the_gates_words(
    door: Door,
    tmp_path: Path,
) -> None:
    await door.create("readme-wrong")
    pgpass = filled(blocks()[0], door, "sallyport_" + "a" * 12 + "_" + "b" * 52)
    (tmp_path / "pgpass").write_text(pgpass + "\n")
    (tmp_path / "pgpass").chmod(0o600)
    (tmp_path / "service.conf").write_text(filled(blocks()[1], door, ""))
    psql = [*await asyncio.to_thread(install.psql, 18), "-XAtc", QUESTION, f"service={DATABASE}"]
    process = await asyncio.create_subprocess_exec(
        *psql,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={
            **os.environ,
            "PGPASSFILE": str(tmp_path / "pgpass"),
            "PGSERVICEFILE": str(tmp_path / "service.conf"),
        },
    )
    _, err = await process.communicate()
    assert process.returncode != 0
    assert "FATAL:  authentication failed" in err.decode()
