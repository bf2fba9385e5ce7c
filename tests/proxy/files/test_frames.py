"""What the gate and its reader say to each other survives the way."""

from __future__ import annotations

import json

import pytest

from proxy.files import frames
from proxy.files.frames import FileColumn, FileTable


def test_a_table_travels_as_it_is() -> None:
    table = FileTable("a", "csv", (FileColumn("x", "text", "text:text"),), (("y", "BIT"),), None)
    assert FileTable.from_json(json.loads(json.dumps(table.as_json()))) == table


def test_another_shape_is_refused() -> None:
    with pytest.raises((KeyError, TypeError, ValueError)):
        FileTable.from_json({"name": "a"})


def test_what_cannot_be_offered_is_told() -> None:
    assert FileTable("a", "csv", failure="is a symbolic link").problems() == [
        "table a is a symbolic link"
    ]
    assert FileTable("a", "csv", refused=(("y", "BIT"),)).problems() == ["column y of a: type BIT"]


def test_frames_carry_their_length() -> None:
    made = frames.frame(frames.ROWS, b"abc")
    assert frames.HEADER.unpack_from(made) == (b"R", 3)
    assert made[frames.HEADER.size :] == b"abc"
    text = frames.request({"do": "tables"})
    assert frames.LENGTH.unpack_from(text) == (len(text) - 4,)
    assert json.loads(frames.json_frame(frames.DONE, {"rows": 1})[5:]) == {"rows": 1}
