"""What the policy says of one person and one relation."""

from __future__ import annotations

import pytest

from policies.errors import PolicyDenied
from policies.model import RelationKey
from proxy.estate import Estate
from proxy.faults import DeniedFault
from proxy.policy_answers import decision_of, literals_of
from tests.proxy import shop

ORDERS = RelationKey("main", "shop", "orders")


def estate() -> Estate:
    return Estate(shop.policy(), (shop.catalog(),))


def test_a_decision_knows_the_types_of_its_claims() -> None:
    decision = decision_of(estate(), shop.session(), ORDERS, shop.NOW)
    assert {name: kind.name for name, kind in decision.claim_types.items()} == {"regions": "text[]"}


@pytest.mark.parametrize("name", ["secrets", "nowhere"])
def test_a_denial_hides_its_reason(name: str) -> None:
    with pytest.raises(DeniedFault) as caught:
        decision_of(estate(), shop.session(), RelationKey("main", "shop", name), shop.NOW)
    assert caught.value.message == f"permission denied for table {name}"
    assert isinstance(caught.value.__cause__, PolicyDenied)


def test_an_expired_identity_gets_nothing() -> None:
    late = shop.session(shop.identity(expires_at=shop.NOW))
    with pytest.raises(DeniedFault):
        decision_of(estate(), late, ORDERS, shop.NOW)


def test_claims_as_literals() -> None:
    session = shop.session(shop.identity("alice", regions=("emea", "o'clock")))
    decision = decision_of(estate(), session, ORDERS, shop.NOW)
    assert literals_of(estate(), session)("regions", decision) == '{"emea","o\'clock"}'
