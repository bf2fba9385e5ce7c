"""Which columns look personal, by their names: to be reviewed by a person, never to decide by.

A wrong guess costs a glance, a missed one a leak: the list is wide on purpose. Each kind carries
the name of the mask that usually fits.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of personal data: what it is called, words that give it away, a mask that fits.

    `words` are separated by white space. A word is a whole part of a column's name, split at
    underscores and capital letters; several parts are joined by `_`. `mask` "": no mask helps, the
    column stays absent.
    """

    title: str
    words: str
    mask: str


MASKS: Final = {
    "last_two": "{partial: {last: 2}}",
    "last_four": "{partial: {last: 4}}",
    "year": "{generalise: {date: year}}",
    "ten_thousands": "{generalise: {number: 10000}}",
}
"""Masks that the kinds name, as a policy declares them; `email` needs no declaration."""

KINDS: Final = (
    Kind(
        "a secret",
        """
        password passwd pwd passphrase passcode pin secret token otp api_key apikey
        private_key access_key credential credentials salt hash digest session cookie cvv
        cvc
        """,
        "",
    ),
    Kind(
        "an e-mail address",
        "email mail e_mail",
        "email",
    ),
    Kind(
        "a telephone number",
        "phone telephone tel mobile cell fax msisdn",
        "last_two",
    ),
    Kind(
        "an account or card number",
        """
        iban bic account_number account_no bank_account card pan credit_card card_number
        routing_number sort_code
        """,
        "last_four",
    ),
    Kind(
        "a national or tax id",
        """
        ssn social_security national_id nationalid nin nino passport tax_id taxid tax_number
        vat_id tin itin sin nhs cpf bsn pesel personnummer insurance_number driving_licence
        driver_license licence_number license_number identity_card id_number
        """,
        "last_four",
    ),
    Kind(
        "a birth date",
        "birth birthday birthdate dob born age",
        "year",
    ),
    Kind(
        "pay",
        "salary wage wages pay payroll income bonus compensation remuneration stipend pension",
        "ten_thousands",
    ),
    Kind(
        "a device or network address",
        "ip ip_address ipaddr mac mac_address imei user_agent device_id",
        "",
    ),
    Kind(
        "a place",
        """
        address street house_number zip zipcode zip_code postcode postal_code latitude
        longitude lat lon lng geo geolocation location home residence
        """,
        "",
    ),
    Kind(
        "a sensitive attribute",
        """
        gender sex race ethnicity religion nationality marital_status diagnosis health
        medical blood_type disability allergy medication orientation union_member criminal
        biometric fingerprint photo
        """,
        "",
    ),
    Kind(
        "a person's name",
        """
        name firstname lastname surname forename fullname nickname first_name last_name
        maiden_name username login user_name
        """,
        "",
    ),
    Kind(
        "free text, which may say anything of anybody",
        """
        note notes comment comments message body remark remarks description biography bio cv
        resume transcript feedback
        """,
        "",
    ),
)

_CAMEL: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_NOT_A_WORD: Final = re.compile(r"[^a-z]+")


def looks_like(name: str, type_name: str = "text") -> Kind | None:
    """The first kind whose word is in a column's `name`; None for a name that gives nothing away.

    `type_name` tells network addresses, whatever their column is called.
    """
    parts = _NOT_A_WORD.sub("_", _CAMEL.sub("_", name).lower()).strip("_")
    for kind in KINDS:
        if any(f"_{word}_" in f"_{parts}_" for word in kind.words.split()):
            return kind
    if type_name in ("inet", "cidr", "macaddr", "macaddr8"):
        return next(kind for kind in KINDS if "ip" in kind.words.split())
    return None
