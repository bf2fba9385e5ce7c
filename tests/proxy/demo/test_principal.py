"""The people of the demonstration are described fully, and every one can be signed in as."""

from __future__ import annotations

import pytest

from proxy.demo.principal import PRINCIPALS, SHOWN, Principal


@pytest.mark.parametrize("principal", PRINCIPALS.values(), ids=list(PRINCIPALS))
def test_everyone_has_a_role_a_view_and_a_first_statement(principal: Principal) -> None:
    assert principal.roles
    assert principal.sees
    assert principal.example.startswith("select ")
    assert principal.claims() == {
        "roles": list(principal.roles),
        "regions": list(principal.regions),
        "login": principal.name,
    }


def test_three_people_are_shown_and_no_two_have_the_same_roles() -> None:
    assert len(SHOWN) == 3
    assert len({PRINCIPALS[name].roles for name in SHOWN}) == 3
