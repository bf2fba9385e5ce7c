"""What changed between two configurations, and what of it needs a restart."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy.runtime.config import loads
from proxy.runtime.config_change import APPLIED_AT_ONCE, changed_keys, needs_restart
from proxy.runtime.config_schema import document
from tests.proxy.runtime.configurations import MINIMAL, write_files


@pytest.mark.parametrize(
    ("text", "changed"),
    [
        (MINIMAL, []),
        (MINIMAL + "\n# a comment\n", []),
        (MINIMAL + "\nlog: {level: debug, format: console}\n", ["log.level", "log.format"]),
        (MINIMAL + "\nmetrics: {}\n", ["metrics"]),
        (MINIMAL.replace("main", "other"), ["sources"]),
    ],
)
def test_changes_by_name(tmp_path: Path, text: str, changed: list[str]) -> None:
    write_files(tmp_path)
    file = tmp_path / "sallyport.yaml"
    before, after = loads(MINIMAL.encode(), file), loads(text.encode(), file)

    assert sorted(changed_keys(before, after)) == sorted(changed)
    assert set(needs_restart(changed)) == set(changed) - {"log.level"}


def test_what_is_applied_exists() -> None:
    assert {row.key for row in document()} >= APPLIED_AT_ONCE
