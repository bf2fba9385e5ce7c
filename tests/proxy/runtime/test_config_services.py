"""Settings of what runs beside the gate, as files hold them."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy.runtime.config import ConfigurationError, loads
from tests.proxy.runtime.configurations import MINIMAL, write_files

MCP = "mcp: {url: 'https://gate.example/mcp', gate: 'postgresql://127.0.0.1/shop'%s}\n"


def test_neither_runs_unless_it_is_named(tmp_path: Path) -> None:
    write_files(tmp_path)
    found = loads(MINIMAL.encode(), tmp_path / "sallyport.yaml")
    assert (found.metrics, found.mcp) == (None, None)


def test_an_empty_section_has_the_defaults(tmp_path: Path) -> None:
    write_files(tmp_path)
    text = MINIMAL + "\nmetrics: {}\n" + MCP % ""
    found = loads(text.encode(), tmp_path / "sallyport.yaml")
    assert found.metrics is not None
    assert (found.metrics.host, found.metrics.port) == ("127.0.0.1", 9432)
    assert found.mcp is not None
    assert (found.mcp.host, found.mcp.port, found.mcp.limits.rows_max) == ("127.0.0.1", 8432, 200)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (MCP % ", host: 0.0.0.0", "tokens never go in clear"),
        (MCP.replace("https:", "http:") % "", "must be https"),
        (MCP.replace("https://gate", "http://127.0.0.1.gate") % "", "must be https"),
        (MCP % ", tls: {certificate: none, key: none}", "no such file"),
        (MCP % ", limits: {rows_max: 0}", "at least 1"),
        ("metrics: {port: 70000}\n", "at most"),
    ],
)
def test_what_is_refused(tmp_path: Path, text: str, said: str) -> None:
    write_files(tmp_path)
    with pytest.raises(ConfigurationError, match=said):
        loads((MINIMAL + "\n" + text).encode(), tmp_path / "sallyport.yaml")


def test_the_sandbox_has_defaults_and_needs_encryption_elsewhere(tmp_path: Path) -> None:
    write_files(tmp_path)
    text = MINIMAL + "\npython: {gate: 'postgresql://127.0.0.1/shop'%s}\n"
    found = loads((text % "").encode(), tmp_path / "sallyport.yaml").python
    assert found is not None
    assert (found.port, found.workers_max, found.limits.files_max) == (8532, 8, 200)
    with pytest.raises(ConfigurationError, match=r"`python\.tls` is required"):
        loads((text % ", host: 0.0.0.0").encode(), tmp_path / "sallyport.yaml")
