"""The JSON Schema and the reference rows say what the reader does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from proxy.runtime.config import ConfigurationError, loads
from proxy.runtime.config_schema import document, schema
from tests.proxy.runtime.configurations import MINIMAL, write_files


def test_the_schema_is_one_and_accepts_the_minimal_file() -> None:
    jsonschema.Draft202012Validator.check_schema(schema())
    jsonschema.validate(yaml.safe_load(MINIMAL), schema())


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("audit", "mode"), "off"),
        (("audit", "enabled"), False),
        (("policies",), []),
        (("policies",), None),
        (("sources", 0, "kind"), "mysql"),
        (("sources", 0, "pool"), {"connections_max": 0}),
        (("limits",), {"sessions_max": "many"}),
        (("identity", "issuers", 0, "algorithms"), ["HS256"]),
        (("identity", "issuers", 0, "audience"), ""),
        (("unknown",), 1),
    ],
)
def test_schema_and_reader_refuse_the_same(
    tmp_path: Path, path: tuple[str | int, ...], value: Any
) -> None:
    write_files(tmp_path)
    content = yaml.safe_load(MINIMAL)
    place = content
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(content, schema())
    with pytest.raises(ConfigurationError):
        loads(yaml.safe_dump(content).encode(), tmp_path / "sallyport.yaml")


def test_rows_name_every_key_once_with_type_and_default() -> None:
    rows = {row.key: row for row in document()}
    assert len(rows) == len(document())
    assert rows["listen.port"].default == "6432"
    assert rows["audit.mode"].type == "strict / fast"
    assert rows["audit.redact_literals"].default == "false"
    assert rows["sources[].hosts"].type == "list of text"
    assert rows["sources[].pool"].type == "section"
    assert rows["identity.issuers[].jwks.url"].default == ""
    assert rows["limits.idle_seconds_max"].default == "3600"
    assert rows["policies"].default == "required"


def test_every_row_is_in_the_schema() -> None:
    for row in document():
        place: Any = schema()
        for step in row.key.split("."):
            place = next(
                (option for option in place.get("anyOf", []) if "properties" in option), place
            )
            name, _, variant = step.partition("[")
            place = place["properties"][name]
            if variant:
                place = place["items"]
            if "oneOf" in place:  # the first variant is named by nothing, others by their kind
                kinds = [one["properties"]["kind"]["enum"] for one in place["oneOf"]]
                wanted = variant.removesuffix("]")
                place = place["oneOf"][kinds.index([wanted]) if wanted else 0]
        assert place.get("description") == row.meaning or "[" in row.key
