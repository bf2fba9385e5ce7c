"""The run as a tool for agents: name, description and JSON Schema, as MCP's `tools/list` has them.

This file must not know HTTP.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from sidecars.python.limits import MINIMUM, RunLimits

NAME = "run_python"
_DESCRIPTION = (
    "Run Python in a sealed sandbox. The value of the last expression comes back (JSON, table or"
    " image), with what was printed and the files that were written to the current folder."
    " `query(sql, params)` gives the rows that you may see, as a pandas DataFrame, or as a list of"
    " dictionaries where pandas is not listed; placeholders are $1, $2. There is no network and"
    " nothing can be installed. Packages beside the standard library: {}."
)


def tool(manifest: Mapping[str, Any], most: RunLimits) -> dict[str, Any]:
    """The tool with the packages of this environment and the highest limits of this service."""
    packages = [
        f"{one['name']} {one['version']}" for one in manifest["packages"] if one["is_importable"]
    ]
    limits = {
        field.name: {
            "type": "integer" if isinstance(getattr(most, field.name), int) else "number",
            "minimum": getattr(MINIMUM, field.name),
            "maximum": getattr(most, field.name),
            "default": min(getattr(RunLimits(), field.name), getattr(most, field.name)),
        }
        for field in fields(RunLimits)
    }
    return {
        "name": NAME,
        "description": _DESCRIPTION.format(", ".join(packages) or "none"),
        "inputSchema": {
            "type": "object",
            "required": ["code"],
            "additionalProperties": False,
            "properties": {
                "code": {"type": "string", "description": "the program"},
                "arguments": {
                    "type": "object",
                    "description": "values that the program finds in ARGUMENTS",
                },
                "files": {
                    "type": "object",
                    "description": "files for the current folder: name to content in base64",
                    "additionalProperties": {"type": "string", "contentEncoding": "base64"},
                },
                "session": {
                    "type": "string",
                    "description": "id of a session, in which variables live on between runs",
                },
                "seed": {"type": "integer", "description": "makes random numbers repeatable"},
                "stream": {
                    "type": "boolean",
                    "description": "answer at once; output follows at /runs/{id}/events",
                },
                "limits": {
                    "type": "object",
                    "additionalProperties": False,
                    "properties": limits,
                },
            },
        },
        "annotations": {"readOnlyHint": True, "openWorldHint": False},
    }
