"""The service as a process: it starts with what it needs, or says what is missing."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
import yaml

from sidecars.python.artifact import Environment
from tests.live.gate import Gate

ROOT = Path(__file__).resolve().parents[3]


def started(file: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "sidecars.python", json.dumps({"configuration": str(file)})]
    return subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)


def configured(shop: Gate, tmp_path: Path, **section: object) -> Path:
    content = yaml.safe_load((shop.directory / "sallyport.yaml").read_text())
    content["audit"]["directory"] = str(tmp_path / "audit")
    content["python"] = {"gate": f"postgresql://127.0.0.1:{shop.port}/shop", "port": 0, **section}
    # Beside the first one: its other paths are relative to it.
    file = shop.directory / f"{tmp_path.name}.yaml"
    file.write_text(yaml.safe_dump(content))
    return file


def test_it_serves_and_ends(shop: Gate, environment: Environment, tmp_path: Path) -> None:
    with started(configured(shop, tmp_path, workers_warm_max=0)) as process:
        try:
            assert process.stderr is not None
            for line in process.stderr:
                if "serving on" in line:
                    break
            port = int(line.rsplit(":", 1)[1])
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=20) as answer:
                assert json.load(answer) == {"state": "ready"}
            process.terminate()
            assert process.wait(30) == 0
        finally:
            process.kill()


@pytest.mark.parametrize("gate", ["postgresql://x", "http://x/y", "postgresql://a:b@x/y"])
def test_a_wrong_address_is_told(shop: Gate, tmp_path: Path, gate: str) -> None:
    with started(configured(shop, tmp_path, gate=gate)) as process:
        try:
            _, told = process.communicate(timeout=50)
        finally:
            process.kill()
    assert process.returncode == 2
    assert "python.gate" in told
    assert "Traceback" not in told


def test_without_its_section_it_does_not_start(shop: Gate) -> None:
    with started(shop.directory / "sallyport.yaml") as process:
        try:
            _, told = process.communicate(timeout=50)
        finally:
            process.kill()
    assert process.returncode == 2
    assert "no section `python`" in told
