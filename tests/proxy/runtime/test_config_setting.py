"""How settings are declared."""

from __future__ import annotations

import dataclasses

from proxy.runtime.config_setting import Meaning, setting


@dataclasses.dataclass(frozen=True)
class Inner:
    size_max: int = setting("how large", default=3, minimum=1)


@dataclasses.dataclass(frozen=True)
class Outer:
    name: str = setting("what it is called")
    inner: Inner = setting("the rest", default=Inner())  # noqa: RUF009


def test_a_field_knows_its_meaning_and_bounds() -> None:
    (field,) = dataclasses.fields(Inner)
    assert field.metadata["meaning"] == Meaning("how large", minimum=1)


def test_without_a_default_it_is_required_and_sections_are_not_shared() -> None:
    name, inner = dataclasses.fields(Outer)
    assert name.default is dataclasses.MISSING
    assert inner.default is dataclasses.MISSING
    assert Outer("x").inner == Inner(3)
