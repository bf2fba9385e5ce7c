"""Limits: the tools' defaults are those of the configuration."""

from __future__ import annotations

from dataclasses import asdict

from proxy.runtime.config import McpLimits
from sidecars.mcp.limits import ToolLimits


def test_the_configuration_has_the_same_limits_and_defaults() -> None:
    assert asdict(ToolLimits()) == asdict(McpLimits())
