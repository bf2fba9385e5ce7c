"""Keys of masks: where they come from, and that nothing of them is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy.runtime.config_model import MaskKey
from proxy.runtime.mask_keys import KEY_FILE_BYTES_MAX, MaskKeyError, read_mask_keys

MATERIAL = b"0123456789abcdef0123456789abcdef"


def test_from_a_file_and_from_the_environment(tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(MATERIAL + b"\n")
    keys = read_mask_keys(
        [MaskKey("one", file=tmp_path / "key"), MaskKey("two", environment="K")],
        {"K": MATERIAL.decode()},
    )

    assert {name: key.reveal() for name, key in keys.items()} == {"one": MATERIAL, "two": MATERIAL}
    assert MATERIAL.decode() not in repr(keys)


@pytest.mark.parametrize(
    ("content", "problem"),
    [(b"", "empty"), (b"\n", "empty"), (b"x" * (KEY_FILE_BYTES_MAX + 1), "longer")],
)
def test_bad_files(tmp_path: Path, content: bytes, problem: str) -> None:
    (tmp_path / "key").write_bytes(content)

    with pytest.raises(MaskKeyError, match=problem):
        read_mask_keys([MaskKey("one", file=tmp_path / "key")])


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(MaskKeyError, match="NO_SUCH"):
        read_mask_keys([MaskKey("one", environment="NO_SUCH")], {})
    with pytest.raises(MaskKeyError, match="absent"):
        read_mask_keys([MaskKey("one", file=tmp_path / "absent")])


def test_a_name_twice_is_refused() -> None:
    key = MaskKey("one", environment="K")

    with pytest.raises(MaskKeyError, match="twice"):
        read_mask_keys([key, key], {"K": "x" * 32})
