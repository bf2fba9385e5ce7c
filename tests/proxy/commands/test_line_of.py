"""Where a setting stands."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy.commands.line_of import line_of

TEXT = """\
listen:
  port: 1
sources:
  - name: one
    user: a
  - name: two
    user: b
"""


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("listen", "port"), 2),
        (("sources", 0), 4),
        (("sources", 1, "user"), 7),
        (("sources", 1, "password"), 6),
        (("sources", 5), 3),
        (("absent",), 1),
        ((), 1),
    ],
)
def test_the_nearest_line_that_is_written(
    path: tuple[str | int, ...], line: int, tmp_path: Path
) -> None:
    file = tmp_path / "x.yaml"
    file.write_text(TEXT)
    assert line_of(file, *path) == line


def test_a_file_that_is_gone_has_no_lines(tmp_path: Path) -> None:
    assert line_of(tmp_path / "gone.yaml", "listen") == 0
