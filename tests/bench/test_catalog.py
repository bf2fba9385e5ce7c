"""Goal: the figures of the catalog can be had, and mean what they say. No figure is judged."""

from __future__ import annotations

from pathlib import Path

from bench import catalog
from bench.catalog import Size

SMALL = Size(tables=40, columns=4, roles=3, classes=2)


async def test_every_figure_is_had(tmp_path: Path) -> None:
    found = await catalog.figures(SMALL, tmp_path)
    names = [figure.name for figure in found]
    assert len(set(names)) == len(names)
    assert {figure.unit for figure in found} == {"s", "ms", "MB"}
    assert all(figure.value > 0 for figure in found)
    assert "a role's class (2 tables): first data statement" in names


def test_roles_have_classes_of_their_own() -> None:
    source = catalog.source(Size(tables=40, columns=12, roles=200, classes=64))
    assert len(source.relations) == 40
    classes = [catalog.role_catalog(source, role) for role in range(200)]
    assert len({one.key for one in classes}) == 200
    assert {len(one.relations) for one in classes} == {2}
    assert len(catalog.role_catalog(source, None).relations) == 40
