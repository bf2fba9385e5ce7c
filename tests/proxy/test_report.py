"""A report of a real worker, and its way between processes."""

from __future__ import annotations

import json

import psycopg
import pytest

from proxy.metrics import Samples
from proxy.report import Expiring, Report
from tests.live.gate import ISSUER, serving


async def test_a_worker_tells_what_it_did() -> None:
    async with serving() as gate:
        async with await psycopg.AsyncConnection.connect(gate.dsn(), autocommit=True) as client:
            for _ in range(2):
                await client.execute("SELECT count(*) FROM shop.orders")
            with pytest.raises(psycopg.errors.UndefinedTable):
                await client.execute("SELECT * FROM shop.secrets")
            found = gate.worker.report()
        with pytest.raises(psycopg.OperationalError):
            await psycopg.AsyncConnection.connect(gate.dsn(token="x"))
        later = gate.worker.report()

    assert Report.from_json(json.loads(json.dumps(found.as_json()))) == found
    assert (found.sources, found.audit_failure) == ({"main": "up"}, None)

    def figure(report: Report, name: str, **labels: str) -> float:
        return report.samples.get((name, tuple(labels.items())), 0)

    statements = "sallyport_statements_total"
    assert figure(found, statements, decision="allowed", source="main", sqlstate_class="") == 2
    assert figure(found, statements, decision="refused", source="", sqlstate_class="42") == 1
    assert figure(found, "sallyport_sessions") == 1
    assert figure(later, "sallyport_sessions_ended_total", reason="client") == 1
    assert figure(later, "sallyport_clients_turned_away_total", sqlstate_class="28") == 1
    assert figure(found, "sallyport_pool_connections_max", source="main") == 16
    assert figure(found, "sallyport_statement_seconds_count", phase="source") == 2
    assert figure(found, "sallyport_decisions_total", **{"from": "memory"}) == 1
    assert figure(found, "sallyport_rows_total") == 2
    assert figure(found, "sallyport_token_lifetime_seconds_count") == 1
    assert 0 <= figure(found, "sallyport_keys_age_seconds", issuer=ISSUER) < 120
    text = repr(found.samples)
    for personal in ("alice", "orders", "secrets", "127.0.0.1"):
        assert personal not in text


def test_what_ends_by_itself() -> None:
    samples: Samples = {}
    expiring = Expiring(lambda: {"https://a": 7.0}, certificate_end=1_000.0)
    expiring.add_to(samples, 400.0)
    assert samples["sallyport_certificate_seconds", ()] == 600
    assert samples["sallyport_keys_age_seconds", (("issuer", "https://a"),)] == 7
    assert not any("logins" in name for name, _ in samples)


def test_what_is_no_report() -> None:
    with pytest.raises((KeyError, TypeError)):
        Report.from_json({"sources": []})
