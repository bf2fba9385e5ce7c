"""Validators of setting values, row by row."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from proxy import setting_values as values


@pytest.mark.parametrize(
    ("check", "given", "kept"),
    [
        (values.duration, "0", "0"),
        (values.duration, "1500", "1500ms"),
        (values.duration, "2000", "2s"),
        (values.duration, "90 s", "90s"),
        (values.duration, "2min", "2min"),
        (values.duration, "1.5h", "90min"),
        (values.duration, "1d", "1d"),
        (values.boolean, "TRUE", "on"),
        (values.boolean, "0", "off"),
        (values.encoding, "utf-8", "UTF8"),
        (values.encoding, "Unicode", "UTF8"),
        (values.date_style, "iso, dmy", "ISO, DMY"),
        (values.date_style, "German", "German, DMY"),
        (values.date_style, "postgres, european", "Postgres, DMY"),
        (values.time_zone, "utc", "UTC"),
        (values.time_zone, "europe/rome", "Europe/Rome"),
        (values.time_zone, "-5", "<-05>+05"),
        (values.time_zone, "5.5", "<+05:30>-05:30"),
        (values.time_zone, "+05:30", "+05:30"),
        (values.time_zone, "<+02>-02", "<+02>-02"),
        (values.identifier_list, 'a, "B c" ,public', 'a, "B c", public'),
        (values.identifier_list, '"$user", PUBLIC', '"$user", public'),
        (values.identifier_list, "", ""),
        (values.identifier_list, '""', '""'),
        (values.integer(-15, 3), " 3 ", "3"),
        (values.only("on"), "true", "on"),
        (values.only("C"), "c", "C"),
        (values.choice("hex", "escape"), "HEX", "hex"),
        (values.text(5), "ab\ncdef", "ab?cd"),
    ],
)
def test_canonical_form(check: Callable[[str], str], given: str, kept: str) -> None:
    assert check(given) == kept
    assert check(kept) == kept  # what is told back can be set again


@pytest.mark.parametrize(
    ("check", "given"),
    [
        (values.duration, "-1"),
        (values.duration, "1 week"),
        (values.duration, "99999999d"),
        (values.boolean, "perhaps"),
        (values.encoding, "SJIS"),
        (values.encoding, "LATIN1"),
        (values.date_style, "nonsense"),
        (values.date_style, "SQL DMY"),
        (values.time_zone, "Nowhere/City"),
        (values.time_zone, "+99"),
        (values.time_zone, "UTC'; DROP"),
        (values.time_zone, ""),
        (values.identifier_list, '"unclosed'),
        (values.identifier_list, "a,"),
        (values.identifier_list, ",a"),
        (values.identifier_list, "x" * 64),
        (values.identifier_list, ", ".join(["a"] * 65)),
        (values.integer(-15, 3), "4"),
        (values.integer(-15, 3), "1e0"),
        (values.only("on"), "off"),
        (values.only("UTF8"), "SJIS"),
        (values.choice("hex", "escape"), "base64"),
    ],
)
def test_refused(check: Callable[[str], str], given: str) -> None:
    with pytest.raises(ValueError):
        check(given)
