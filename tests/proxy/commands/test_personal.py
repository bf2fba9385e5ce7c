"""Names that give something away, and names that do not."""

from __future__ import annotations

import pytest

from policies.load import load_texts
from proxy.commands.personal import KINDS, MASKS, looks_like

SECRET = "a secret"


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("email", "an e-mail address"),
        ("contactEmail", "an e-mail address"),
        ("EMAIL_2", "an e-mail address"),
        ("mobile_phone", "a telephone number"),
        ("first_name", "a person's name"),
        ("firstName", "a person's name"),
        ("name", "a person's name"),
        ("birth_date", "a birth date"),
        ("dob", "a birth date"),
        ("base_salary", "pay"),
        ("iban", "an account or card number"),
        ("creditCard", "an account or card number"),
        ("SSN", "a national or tax id"),
        ("national_id", "a national or tax id"),
        ("home_address", "a place"),
        ("zipCode", "a place"),
        ("password_hash", SECRET),
        ("apiKey", SECRET),
        ("refresh_token", SECRET),
        ("client_secret", SECRET),
        ("ip_address", "a device or network address"),
        ("notes", "free text, which may say anything of anybody"),
    ],
)
def test_names_that_give_something_away(name: str, title: str) -> None:
    kind = looks_like(name)
    assert kind is not None
    assert kind.title == title


@pytest.mark.parametrize(
    "name", ["id", "amount", "region", "page", "shipping_cost", "payment_id", "renamed_at", "stage", ""]
)  # fmt: skip
def test_names_that_give_nothing_away(name: str) -> None:
    assert looks_like(name) is None


def test_a_network_address_is_known_by_its_type() -> None:
    for type_name in ("inet", "cidr", "macaddr"):
        kind = looks_like("origin", type_name)
        assert kind is not None
        assert "address" in kind.title


def test_every_mask_that_is_named_can_be_declared() -> None:
    named = {kind.mask for kind in KINDS} - {""}
    assert named - {"email"} == set(MASKS)
    masks = "".join(f"  {name}: {mask}\n" for name, mask in MASKS.items())
    columns = "".join(f"      c_{name}: {{mask: {name}}}\n" for name in sorted(named))
    text = (
        f"version: 1\nsource: main\nroles: {{r: R}}\nmasks:\n{masks}tables:\n  a.b:\n"
        f"    columns:\n{columns}    rules:\n      - grant: x\n        roles: [r]\n"
    )
    policy, _ = load_texts({"x.yaml": text})
    assert len(policy.tables) == 1
