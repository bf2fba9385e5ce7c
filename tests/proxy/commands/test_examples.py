"""The example files: each is valid in its own language, and says what the project really has."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path
from typing import Any

import pytest
import yaml

from proxy.commands.deploy import text_of
from proxy.commands.examples import EXAMPLES
from proxy.metrics import FAMILIES, family_of
from proxy.runtime.config import Configuration, ConfigurationError, loads

ROOT = Path(__file__).resolve().parents[3]
METRIC = re.compile(r"\bsallyport_[a-z_]+")


def metrics_of(text: str) -> set[str]:
    """Families that are named; fails for one that does not exist."""
    return {family_of(name)[0] for name in METRIC.findall(text)}


def test_every_file_has_a_meaning() -> None:
    folder = ROOT / "proxy" / "deploy"
    assert {path.name for path in folder.iterdir() if path.suffix != ".py"} - {
        "__pycache__"
    } == set(EXAMPLES)


def test_the_dashboard_shows_every_metric_and_no_other() -> None:
    board = json.loads(text_of("grafana.json"))
    expressions = [target["expr"] for panel in board["panels"] for target in panel["targets"]]

    assert metrics_of("\n".join(expressions)) == set(FAMILIES)
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    for expression in expressions:
        assert expression.count("(") == expression.count(")")
        for name, labels in re.findall(r"(sallyport_[a-z_]+)\{([^}]*)\}", expression):
            used = set(re.findall(r"([a-z_]+)[!=]~?=?\"", labels))
            assert used <= {"instance", *family_of(name)[1].labels}, expression


def test_alerts_name_metrics_that_exist() -> None:
    content = yaml.safe_load(text_of("prometheus.yaml"))
    rules = [rule for group in content["groups"] for rule in group["rules"]]

    assert rules
    for rule in rules:
        assert metrics_of(rule["expr"])
        assert rule["annotations"]["summary"]


def test_the_configuration_lacks_nothing_but_its_files() -> None:
    text = text_of("sallyport.yaml")
    with pytest.raises(ConfigurationError) as caught:
        loads(text.encode(), Path("/nowhere/sallyport.yaml"))

    assert {one.message.split(":")[0] for one in caught.value.problems} == {"there is no such file"}
    optional = text.replace("# telemetry:", "telemetry:")
    with pytest.raises(ConfigurationError) as again:
        loads(optional.encode(), Path("/nowhere/sallyport.yaml"))
    assert len(again.value.problems) == len(caught.value.problems)
    found = yaml.safe_load(optional)
    assert set(found) <= set(Configuration.__dataclass_fields__)


def test_the_container_may_do_little() -> None:
    gate: dict[str, Any] = yaml.safe_load(text_of("compose.yaml"))["services"]["gate"]

    assert gate["read_only"] is True
    assert gate["cap_drop"] == ["ALL"]
    assert gate["security_opt"] == ["no-new-privileges:true"]
    assert gate["user"].split(":")[0] != "0"
    assert all("9432" not in port or port.startswith("127.0.0.1:") for port in gate["ports"])
    mounted = {volume.split(":")[1] for volume in gate["volumes"]}
    configured = yaml.safe_load(text_of("sallyport.yaml"))
    assert {configured["audit"]["directory"], configured["state"]["directory"]} <= mounted


def test_the_unit_may_do_little() -> None:
    unit = ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read_string(text_of("sallyport.service"))
    service = unit["Service"]

    assert service["User"] == "sallyport"
    configured = yaml.safe_load(text_of("sallyport.yaml"))
    kept = {f"/var/lib/{name}" for name in service["StateDirectory"].split()}
    assert {configured["audit"]["directory"], configured["state"]["directory"]} <= kept
    assert service["CapabilityBoundingSet"] == ""
    for name in ("NoNewPrivileges", "PrivateTmp", "PrivateDevices", "ProtectHome"):
        assert service[name] == "yes"
    assert service["ProtectSystem"] == "strict"
    assert int(service["LimitNOFILE"]) >= 1116


def test_the_image_is_as_the_examples_expect() -> None:
    text = (ROOT / "Dockerfile").read_text()
    bases = re.findall(r"^FROM (\S+)", text, re.MULTILINE)

    assert len(set(bases)) == 1
    assert re.fullmatch(r"debian:\d+\.\d+-slim", bases[0]), "a version, not a moving name"
    assert "USER 10001:10001" in text
    assert "--require-hashes" in text
    assert "/health" in text
    for copied in re.findall(r"^COPY (?!--from)(.+) \S+$", text, re.MULTILINE):
        for name in copied.split():
            assert (ROOT / name).exists(), name
            assert f"!{name}\n" in (ROOT / ".dockerignore").read_text()


def test_the_dockerfile_passes_its_linter() -> None:
    linter = Path(sys.executable).parent / "hadolint"
    ran = subprocess.run(
        [linter, "--failure-threshold", "style", ROOT / "Dockerfile"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert ran.returncode == 0, ran.stdout + ran.stderr
