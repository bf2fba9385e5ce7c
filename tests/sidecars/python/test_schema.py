"""The tool's schema, by the specification's own validator."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest

from sidecars.python.limits import RunLimits
from sidecars.python.schema import tool

MANIFEST = {"packages": [{"name": "numpy", "version": "2.5.5", "is_importable": True}]}


def test_it_is_a_schema_and_names_the_packages() -> None:
    found = tool(MANIFEST, RunLimits())
    jsonschema.Draft202012Validator.check_schema(found["inputSchema"])
    assert "numpy 2.5.5" in found["description"]


@pytest.mark.parametrize(
    ("request_", "is_good"),
    [
        ({"code": "1"}, True),
        ({"code": "1", "limits": {"wall_seconds": 1.5}, "files": {"a": ""}}, True),
        ({}, False),
        ({"code": 1}, False),
        ({"code": "1", "limits": {"wall_seconds": 1e9}}, False),
        ({"code": "1", "other": 1}, False),
    ],
)
def test_it_admits_what_the_service_admits(request_: dict[str, Any], is_good: bool) -> None:
    schema = tool(MANIFEST, RunLimits())["inputSchema"]
    assert jsonschema.Draft202012Validator(schema).is_valid(request_) is is_good
