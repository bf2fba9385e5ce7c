"""Admission on a real state database: the same steps and the same sentence for everybody refused."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from datetime import timedelta

import asyncpg
import pytest

from policies.claims import ClaimType, ClaimValue
from policies.identity import ClaimLookup, ClaimMapping, ClaimSource, Identity
from proxy.faults import ConnectionFault
from proxy.runtime.attempts import ADDRESS_BURST_MAX, NAME_BURST_MAX, Attempts, TooManyAttempts
from proxy.runtime.identity import REFUSED
from proxy.runtime.state import register
from proxy.runtime.state.admission import Admission, Challenge, LoginRefused
from proxy.runtime.state.database import StateDatabase
from proxy.runtime.state.login import Kind
from proxy.wire.errors import AuthenticationFailure
from proxy.wire.scram import ScramClient, ScramServer
from tests.proxy.runtime.state.conftest import Recorded, new_login

HERE = ipaddress.ip_address("10.1.2.3")
THERE = ipaddress.ip_address("192.0.2.1")
MAPPING = ClaimMapping(
    {
        "region": ClaimSource(ClaimType.parse("text"), "/region"),
        "tier": ClaimSource(ClaimType.parse("text"), lookup=ClaimLookup("s", "", ())),
    }
)


async def tiers(_: Identity, wanted: Mapping[str, ClaimSource]) -> Mapping[str, ClaimValue]:
    return {name: "gold" for name in wanted}


@pytest.fixture
def admission(state: StateDatabase) -> Admission:
    return Admission(state, lambda: MAPPING, Attempts(lambda: 0.0), lookup=tiers)


def proves(challenge: Challenge, text: str) -> int | None:
    """Which verifier a client with this secret proves."""
    server = ScramServer(*challenge.verifiers, nonce=bytes(range(18)))
    client = ScramClient(text, nonce=bytes(18))
    first = server.first(client.choose(server.mechanisms), client.first())
    try:
        client.verify(server.final(client.final(first)))
    except AuthenticationFailure:
        return None
    return server.proven


def reason(fault: ConnectionFault) -> str:
    assert (fault.message, fault.sqlstate) == (REFUSED, "28P01")
    assert isinstance(fault.__cause__, LoginRefused)
    return str(fault.__cause__)


async def test_by_scram_and_in_clear_the_same_identity(
    connection: asyncpg.Connection, admission: Admission, recorded: Recorded
) -> None:
    wanted = new_login(region="emea", sources=("main",), act={"sub": "claude"})
    listed, text = await register.create(connection, wanted, recorded)

    challenge = await admission.challenge(Kind.TOKEN, "tableau", HERE)
    number = proves(challenge, text.reveal())
    assert number is not None
    by_scram = await admission.proven(challenge, number)
    in_clear = await admission.identify(text.reveal(), HERE)

    assert by_scram == in_clear
    identity = by_scram.identity
    assert (identity.subject, identity.actor) == ("alice", "claude")
    assert identity.roles == {"analyst"}
    assert identity.claims == {"region": "emea", "tier": "gold"}
    assert identity.sources == {"main"}
    assert identity.expires_at == pytest.approx(listed.expires_at.timestamp())
    assert str(by_scram.credential) == f"token.tableau {listed.secrets[0]}"


async def test_everybody_refused_gets_the_same_steps(
    connection: asyncpg.Connection, admission: Admission, recorded: Recorded
) -> None:
    near = (ipaddress.ip_network("10.0.0.0/8"),)
    _, text = await register.create(connection, new_login("good", networks=near), recorded)
    _, ended = await register.create(connection, new_login("ended"), recorded)
    await register.revoke(connection, Kind.TOKEN, "ended", by="x", record=recorded)
    cases = {
        ("good", HERE, text.reveal() + "x"): "token.good: the proof is wrong",
        ("good", THERE, text.reveal()): "token.good: its networks do not include this address",
        ("ended", HERE, ended.reveal()): "token.ended: it is revoked",
        ("nobody", HERE, text.reveal()): "token.nobody: unknown",
    }
    for (name, address, secret), expected in cases.items():
        challenge = await admission.challenge(Kind.TOKEN, name, address)
        assert len(challenge.verifiers) == 2
        assert {one.iterations for one in challenge.verifiers} == {4096}
        assert {len(one.salt) for one in challenge.verifiers} == {16}
        assert proves(challenge, secret) is None
        assert reason(admission.refused(challenge)) == expected
    clear = {
        (text.reveal()[:-1] + "7", HERE): "the secret is wrong",
        (text.reveal(), THERE): "its networks do not include this address",
        (ended.reveal(), HERE): "it is revoked",
        ("sallyport_" + "a" * 12 + "_" + "b" * 52, HERE): "unknown",
        ("sallyport_nonsense", HERE): "secret of another form: unknown",
    }
    for (secret, address), expected in clear.items():
        with pytest.raises(ConnectionFault) as caught:
            await admission.identify(secret, address)
        assert expected in reason(caught.value)


async def test_unknown_names_keep_their_salt(admission: Admission) -> None:
    first = await admission.challenge(Kind.TOKEN, "nobody", HERE)
    again = await admission.challenge(Kind.TOKEN, "nobody", HERE)
    other = await admission.challenge(Kind.SERVICE, "nobody", HERE)
    assert first.verifiers[0].salt == again.verifiers[0].salt != other.verifiers[0].salt


async def test_both_secrets_of_a_rotation_and_not_the_third(
    connection: asyncpg.Connection, admission: Admission, recorded: Recorded
) -> None:
    _, text = await register.create(connection, new_login("job", Kind.SERVICE), recorded)
    texts = [text.reveal()]
    for _ in range(2):
        _, text = await register.rotate(
            connection,
            Kind.SERVICE,
            "job",
            overlap=timedelta(hours=1),
            lifetime=timedelta(days=1),
            record=recorded,
        )
        texts.append(text.reveal())
    challenge = await admission.challenge(Kind.SERVICE, "job", HERE)
    assert [proves(challenge, one) for one in texts] == [None, 1, 0]
    with pytest.raises(ConnectionFault) as caught:
        await admission.identify(texts[0], HERE)
    assert "replaced" in reason(caught.value)


async def test_too_many_wrong_ones(
    connection: asyncpg.Connection, admission: Admission, recorded: Recorded
) -> None:
    _, text = await register.create(connection, new_login(), recorded)
    await admission.identify(text.reveal(), HERE)
    challenge = await admission.challenge(Kind.TOKEN, "tableau", THERE)
    for _ in range(int(ADDRESS_BURST_MAX)):
        admission.refused(challenge)
    with pytest.raises(TooManyAttempts):
        await admission.challenge(Kind.TOKEN, "tableau", THERE)
    with pytest.raises(TooManyAttempts):
        await admission.identify(text.reveal(), THERE)
    # From everywhere: the owner is let in where they were before, strangers are not.
    for number in range(int(NAME_BURST_MAX)):
        place = ipaddress.ip_address(f"198.51.100.{number}")
        admission.refused(Challenge("token.tableau", place, challenge.verifiers, None, ()))
    with pytest.raises(TooManyAttempts):
        await admission.challenge(Kind.TOKEN, "tableau", ipaddress.ip_address("203.0.113.1"))
    await admission.challenge(Kind.TOKEN, "tableau", HERE)
    await admission.identify(text.reveal(), HERE)


async def test_claims_that_the_policy_cannot_read_refuse(
    connection: asyncpg.Connection, admission: Admission, recorded: Recorded
) -> None:
    _, text = await register.create(connection, new_login(region=["not", "text"]), recorded)
    with pytest.raises(ConnectionFault) as caught:
        await admission.identify(text.reveal(), HERE)
    assert caught.value.message == REFUSED
