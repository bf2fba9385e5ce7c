"""Values of extensions."""

from __future__ import annotations

from proxy.catalog.extension import ExtensionFunction


def test_a_signature_tells_overloads_apart() -> None:
    one = ExtensionFunction("f", "f", ("text", "public.hstore"), ("", ""), 0, False, "text", False)

    assert one.signature == "f(text,public.hstore)"
