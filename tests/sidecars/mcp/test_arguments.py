"""Arguments as the schema says them, and nothing else."""

from __future__ import annotations

import pytest
from jsonschema import Draft202012Validator
from pydantic import ValidationError

from sidecars.mcp.arguments import DESCRIPTIONS, DescribeArguments, ExplainArguments, QueryArguments


@pytest.mark.parametrize("takes", [DescribeArguments, ExplainArguments, QueryArguments])
def test_schemas_are_schemas_and_explain_every_argument(
    takes: type[DescribeArguments | ExplainArguments | QueryArguments],
) -> None:
    schema = takes.model_json_schema()
    Draft202012Validator.check_schema(schema)
    assert schema["additionalProperties"] is False
    assert all(one.get("description") for one in schema["properties"].values())


@pytest.mark.parametrize(
    "arguments",
    [{"sql": ""}, {"sql": 5}, {"sql": "x" * 100_001}, {"sql": "x", "confirm": "yes"}],
)
def test_what_does_not_fit(arguments: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        QueryArguments.model_validate(arguments)


def test_texts_name_the_fields_that_answers_have() -> None:
    assert "truncated" in DESCRIPTIONS["query"]
    assert "needs_confirmation" in DESCRIPTIONS["query"]
