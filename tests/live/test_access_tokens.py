"""Access tokens and service accounts through a whole gate: every way in, every way out.

The clients are a real libpq 18 (psycopg's wheel) and, where none would misbehave enough, raw
messages. State is kept on a real Postgres, which some tests stop.
"""

from __future__ import annotations

import asyncio
import json
import resource
import secrets
import time
from pathlib import Path

import psycopg
import pytest

from proxy.runtime.state.login import Kind
from proxy.wire import backend, frontend
from proxy.wire.protocol import ClientProtocol
from proxy.wire.scram import ScramClient
from tests.live.access import Door, opened
from tests.live.gate import DATABASE
from tests.live.wire import RawClient, told
from tests.servers import postgres

REFUSED = "FATAL:  authentication failed"
SLOW = "SELECT count(*) FROM shop.items a, shop.items b, shop.orders c WHERE a.id + b.id + c.id < 0"


async def ask(dsn: str, statement: str = "SELECT count(*) FROM shop.orders") -> object:
    async with await psycopg.AsyncConnection.connect(dsn, connect_timeout=10) as connection:
        rows = await (await connection.execute(statement)).fetchall()
        return rows[0][0]


async def refusal(dsn: str) -> str:
    """What a refused client is told."""
    with pytest.raises(psycopg.OperationalError) as caught:
        await ask(dsn)
    return str(caught.value)


# Ways in


@pytest.mark.parametrize(
    "options",
    [
        {"require_auth": "scram-sha-256", "channel_binding": "require"},
        {"require_auth": "scram-sha-256", "channel_binding": "disable"},
        {"sslmode": "disable", "require_auth": "scram-sha-256"},
        {"sslnegotiation": "direct", "sslmode": "require", "channel_binding": "require"},
    ],
    ids=["plus", "without binding", "without TLS", "direct TLS"],
)
async def test_scram(door: Door, options: dict[str, str]) -> None:
    name = f"scram-{secrets.token_hex(3)}"
    text = await door.create(name)

    assert await ask(door.dsn(f"token.{name}", text, **options)) == 1000


async def test_in_clear_under_any_other_name(door: Door) -> None:
    text = await door.create("in-clear")

    assert await ask(door.dsn("alice", text, require_auth="password")) == 1000
    binding = await refusal(door.dsn("alice", text, channel_binding="require"))
    assert "channel binding required" in binding
    assert "requirement" in await refusal(door.dsn("token.in-clear", text, require_auth="password"))


async def test_it_is_the_person_and_may_what_the_person_may(door: Door) -> None:
    text = await door.create("as-alice")
    dsn = door.dsn("token.as-alice", text)

    assert await ask(dsn, "SELECT current_user") == "alice"
    assert await ask(dsn, "SELECT note FROM shop.orders LIMIT 1") == "[withheld]"
    assert await ask(dsn, "SELECT string_agg(DISTINCT region, ',') FROM shop.orders") == "emea"


async def test_jwts_go_on_beside(door: Door) -> None:
    assert await ask(door.dsn("alice", door.gate.token())) == 1000


async def test_bound_to_sources_others_do_not_exist(door: Door) -> None:
    bound = await door.create("elsewhere", sources=("another",))
    with pytest.raises(psycopg.errors.UndefinedTable):
        await ask(door.dsn("token.elsewhere", bound))
    names = "SELECT count(*) FROM pg_class WHERE relname = 'orders'"
    assert await ask(door.dsn("token.elsewhere", bound), names) == 0

    here = await door.create("here", sources=("main",))
    assert await ask(door.dsn("token.here", here)) == 1000


# Ways to be refused: one sentence


async def test_every_refusal_is_the_same_sentence(door: Door) -> None:
    good = await door.create("good")
    revoked = await door.create("revoked")
    await door.revoke("revoked")
    expired = await door.create("expired", seconds=0.05)
    elsewhere = await door.create("far", networks=["10.9.0.0/16"])
    await asyncio.sleep(0.1)
    cases = {
        "unknown name": ("token.nobody", good),
        "another name": ("token.far", good),
        "wrong secret": ("token.good", good[:-1] + ("a" if good[-1] != "a" else "b")),
        "revoked": ("token.revoked", revoked),
        "expired": ("token.expired", expired),
        "another network": ("token.far", elsewhere),
        "not a service": ("service.good", good),
        "odd name": ("token.*/ --", good),
        "revoked, in clear": ("alice", revoked),
        "expired, in clear": ("alice", expired),
        "another network, in clear": ("alice", elsewhere),
        "wrong secret, in clear": ("alice", good[:-1] + ("a" if good[-1] != "a" else "b")),
        "unknown, in clear": ("alice", "sallyport_" + "a" * 12 + "_" + "b" * 52),
        "another form": ("alice", "sallyport_x"),
    }
    for name, (user, password) in cases.items():
        answer = await refusal(door.dsn(user, password))
        assert REFUSED in answer, name
        assert answer.count("\n") == 0, name
    assert await ask(door.dsn("token.good", good)) == 1000


async def exchange(door: Door, user: str, password: str) -> tuple[str, list[str]]:
    """One SCRAM exchange without a driver: the shape of the challenge, and the answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", door.gate.port)
    client = RawClient(reader, writer, ClientProtocol(), [])
    client.write(frontend.StartupMessage((3, 0), {"user": user, "database": DATABASE}))
    (asked,) = await client.read_some()
    assert isinstance(asked, backend.AuthenticationSASL)
    scram = ScramClient(password, nonce=secrets.token_bytes(18))
    mechanism = scram.choose(asked.mechanisms)
    client.write(frontend.SASLInitialResponse(mechanism, scram.first()))
    (challenge,) = await client.read_some()
    assert isinstance(challenge, backend.AuthenticationSASLContinue)
    client.write(frontend.SASLResponse(scram.final(challenge.data)))
    answer = told(await client.read_some())
    client.close()
    return challenge.data.decode(), answer


async def test_names_cannot_be_told_apart(door: Door) -> None:
    text = await door.create("real")
    await door.create("ended")
    await door.revoke("ended")
    shapes, answers, salts = set(), set(), {}
    for user in ("token.real", "token.ended", "token.unknown", "token.real", "token.unknown"):
        challenge, answer = await exchange(door, user, text + "x")
        parts = dict(part.split("=", 1) for part in challenge.split(","))
        shapes.add((len(parts["r"]), len(parts["s"]), parts["i"]))
        answers.add(tuple(answer))
        salts.setdefault(user, set()).add(parts["s"])
    assert len(shapes) == 1
    assert answers == {("ErrorResponse FATAL 28P01 authentication failed ",)}
    # Asked twice, the salt is the same, whether there is such a name or not.
    assert all(len(found) == 1 for found in salts.values())


# Service accounts


async def test_a_service_has_two_secrets_while_it_changes_them(door: Door) -> None:
    first = await door.create("loader", Kind.SERVICE)
    second = await door.rotate("loader")
    for text in (first, second):
        assert await ask(door.dsn("service.loader", text, channel_binding="require")) == 1000
        assert await ask(door.dsn("anybody", text)) == 1000
    third = await door.rotate("loader")
    assert REFUSED in await refusal(door.dsn("service.loader", first))
    assert await ask(door.dsn("service.loader", second)) == 1000
    assert await ask(door.dsn("service.loader", third)) == 1000


# Ways out


async def test_revocation_ends_idle_and_working_sessions_within_a_second(door: Door) -> None:
    text = await door.create("watched")
    other = await door.create("bystander")
    dsn = door.dsn("token.watched", text)
    idle = await psycopg.AsyncConnection.connect(dsn, autocommit=True)
    working = await psycopg.AsyncConnection.connect(dsn, autocommit=True)
    bystander = await psycopg.AsyncConnection.connect(door.dsn("token.bystander", other))
    await idle.execute("SELECT 1")
    slow = asyncio.ensure_future(working.execute(SLOW))
    await asyncio.sleep(0.3)

    revoked_at = time.monotonic()
    await door.revoke("watched")
    with pytest.raises(psycopg.Error):
        async with asyncio.timeout(10):
            await slow
    while not (await is_over(working) and await is_over(idle)):
        assert time.monotonic() - revoked_at < 10
        await asyncio.sleep(0.02)
    for connection in (idle, working):
        await connection.close()

    await bystander.execute("SELECT count(*) FROM shop.items")
    await bystander.close()
    assert REFUSED in await refusal(dsn)


async def is_over(connection: psycopg.AsyncConnection[tuple[object, ...]]) -> bool:
    """Whether the server has ended an idle connection."""
    try:
        await connection.execute("SELECT 1")
    except psycopg.OperationalError:
        return True
    return False


async def test_the_words_of_a_revoked_session(door: Door) -> None:
    text = await door.create("told")
    client = await RawClient.open(
        ("127.0.0.1", door.gate.port), {"user": "alice", "database": DATABASE}, text
    )
    await door.revoke("told")
    ending = told(await client.converse([]))
    assert "57P01 terminating connection because the access token is no longer valid" in ending[-1]
    client.close()


async def test_narrowed_networks_end_sessions_too(door: Door) -> None:
    text = await door.create("narrowed")
    client = await RawClient.open(
        ("127.0.0.1", door.gate.port), {"user": "alice", "database": DATABASE}, text
    )
    connection = await door.place.connect()
    await connection.execute(
        "UPDATE sallyport.login SET networks = '{10.0.0.0/8}' WHERE name = 'narrowed'"
    )
    await connection.close()
    assert "57P01" in told(await client.converse([]))[-1]
    client.close()


async def test_expiry_ends_the_session(door: Door) -> None:
    text = await door.create("short", seconds=1.5)
    client = await RawClient.open(
        ("127.0.0.1", door.gate.port), {"user": "alice", "database": DATABASE}, text
    )
    assert "57P01" in told(await client.converse([]))[-1]
    client.close()


# What is noted


async def test_the_last_use_is_noted_once_a_minute_per_address(door: Door) -> None:
    text = await door.create("used")
    connection = await door.place.connect()
    seen = set()
    for _ in range(3):
        await ask(door.dsn("token.used", text))
        await asyncio.sleep(0.2)
        row = await connection.fetchrow(
            "SELECT xmin::text, host(last_used_from) AS place FROM sallyport.login WHERE name = 'used'"
        )
        seen.add((row["xmin"], row["place"]))
    await connection.close()
    assert len(seen) == 1
    assert {place for _, place in seen} == {"127.0.0.1"}


async def test_no_secret_is_on_any_disk_or_in_any_record(door: Door) -> None:
    text = await door.create("kept")
    wrong = text[:-1] + ("a" if text[-1] != "a" else "b")
    await ask(door.dsn("token.kept", text))
    await ask(door.dsn("alice", text))
    await refusal(door.dsn("token.kept", wrong))
    await refusal(door.dsn("alice", wrong))
    await door.revoke("kept")
    await refusal(door.dsn("token.kept", text))
    written = b"".join(
        path.read_bytes() for path in (door.gate.directory / "audit").rglob("*") if path.is_file()
    )
    connection = await door.place.connect()
    rows = await connection.fetch("SELECT to_json(l)::text FROM sallyport.login l")
    rows += await connection.fetch("SELECT to_json(s)::text FROM sallyport.secret s")
    await connection.close()
    kept = written.decode(errors="replace") + json.dumps([row[0] for row in rows])
    assert text.rpartition("_")[2] not in kept
    assert wrong.rpartition("_")[2] not in kept
    # And yet auditors know who came with what, and why somebody was not let in.
    assert f"token.kept {text.split('_')[1]}" in kept
    assert "token.kept: the proof is wrong" in kept
    assert "the secret is wrong" in kept
    assert "token.kept: it is revoked" in kept


# Floods


async def test_a_thousand_wrong_ones_do_not_hurt_others(door: Door) -> None:
    text = await door.create("popular")
    dsn = door.dsn("token.popular", text, sslmode="disable")
    assert await ask(dsn) == 1000

    _allow_many_sockets()

    async def attack() -> str:
        try:
            return await attempt()
        except ConnectionError:
            return "cut"  # closed before our first message was read

    async def attempt() -> str:
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", door.gate.port, local_addr=("127.0.0.66", 0)
        )
        wrong = "sallyport_" + "a" * 12 + "_" + "b" * 52
        writer.write(
            frontend.StartupMessage((3, 0), {"user": "eve", "database": DATABASE}).encode()
        )
        answer = await reader.read(4096)
        if answer[:1] == b"R":
            writer.write(frontend.PasswordMessage(wrong).encode())
            answer = await reader.read(4096)
        writer.close()
        told = [code for code in ("28P01", "53400", "53300") if code.encode() in answer]
        return told[0] if told else "cut" if not answer else repr(answer)

    flood = [asyncio.ensure_future(attack()) for _ in range(1000)]
    during = [await ask(dsn) for _ in range(5)]
    codes = await asyncio.gather(*flood)

    assert during == [1000] * 5
    assert set(codes) <= {"28P01", "53400", "53300", "cut"}
    assert codes.count("28P01") < 200  # the rest was turned away before any work
    # The flooded address is turned away at once; whoever was let in there is tried again.
    assert await ask(dsn) == 1000


def _allow_many_sockets() -> None:
    """Both ends of a thousand connections are in this process."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 4096 if hard == resource.RLIM_INFINITY else min(4096, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))


# The state database away


async def test_without_its_database(tmp_path: Path) -> None:
    with postgres.running(16) as server:
        async with opened(tmp_path, server, "postgres", silence_seconds_max=2) as door:
            text = await door.create("afar")
            held = await RawClient.open(
                ("127.0.0.1", door.gate.port), {"user": "alice", "database": DATABASE}, text
            )
            jwt = await RawClient.open(
                ("127.0.0.1", door.gate.port),
                {"user": "alice", "database": DATABASE},
                door.gate.token(),
            )
            server.stop()
            for user in ("token.afar", "token.nobody", "alice"):
                answer = await refusal(door.dsn(user, text))
                assert "access tokens cannot be checked now" in answer
            # JWTs go on, and sessions by token end when nobody could have told of a revocation.
            assert await ask(door.dsn("alice", door.gate.token())) == 1000
            async with asyncio.timeout(10):
                ending = told(await held.converse([]))
            assert "57P01 terminating connection because access tokens cannot be" in ending[-1]
            assert "DataRow (b'1',)" in told(await jwt.converse([frontend.Query("SELECT 1")]))
            server.start()
            async with asyncio.timeout(20):
                while True:
                    try:
                        assert await ask(door.dsn("token.afar", text)) == 1000
                        break
                    except psycopg.OperationalError:
                        await asyncio.sleep(0.2)
            held.close()
            jwt.close()
