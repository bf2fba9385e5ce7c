"""A build backend that only answers with an archive's metadata: pip asks before it downloads.

This file must not know packages.
"""

from __future__ import annotations

import email
from pathlib import Path


def get_requires_for_build_wheel(config_settings: object = None) -> list[str]:
    """Nothing is needed to read metadata (PEP 517)."""
    return []


def prepare_metadata_for_build_wheel(folder: str, config_settings: object = None) -> str:
    """Name and version, from the archive's PKG-INFO (PEP 517). Returns the folder's name."""
    about = email.message_from_string(Path("PKG-INFO").read_text(encoding="utf-8"))
    made = Path(folder, f"{about['Name']}-{about['Version']}.dist-info")
    made.mkdir(parents=True)
    text = f"Metadata-Version: 2.1\nName: {about['Name']}\nVersion: {about['Version']}\n"
    (made / "METADATA").write_text(text, encoding="utf-8")
    return made.name
