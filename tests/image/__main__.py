"""Runs the Dockerfile's steps in bare Debian trees, and the result as its user with a read-only root.

Needs root, `debootstrap`, and some minutes: it is no part of `make test`. What it cannot show is
what an engine adds (layers, the entry point's process tree, health checks over time).
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SUITES = {"12": "bookworm", "13": "trixie"}
STEP_SECONDS_MAX = 900
FROM_OUTSIDE = (
    *("/etc/resolv.conf", "/etc/hosts", "/etc/pip.conf", "/etc/ssl/certs/ca-certificates.crt"),
    "/etc/apt/apt.conf.d",
)
"""What reaches the network from here; an engine brings its own."""

Step = tuple[str, str]


def main() -> int:
    """Build, then try. Returns the exit code."""
    if os.geteuid() != 0 or shutil.which("debootstrap") is None:
        sys.stderr.write("make image needs root and debootstrap (apt-get install debootstrap)\n")
        return 2
    stages = read((ROOT / "Dockerfile").read_text())
    with tempfile.TemporaryDirectory(prefix="sallyport-image-") as name:
        folder = Path(name)
        bare = folder / "bare"
        suite = SUITES[re.sub(r"debian:(\d+)\..*", r"\1", stages[0][1][0][1])]
        run("debootstrap", "--variant=minbase", "--include=ca-certificates", suite, str(bare))
        trees: dict[str, Path] = {}
        for number, (stage, steps) in enumerate(stages):
            tree = folder / f"stage-{number}"
            run("cp", "-a", str(bare), str(tree))
            build(tree, steps, trees)
            trees[stage] = tree
        attempt(tree, stages[-1][1])
    print("image: its steps work, and it runs as its user on a read-only root")
    return 0


def read(text: str) -> list[tuple[str, list[Step]]]:
    """Stages by name, each with its instructions; comments and continuations are resolved."""
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    joined = re.sub(r"\\\n", " ", "\n".join(lines))
    stages: list[tuple[str, list[Step]]] = []
    for line in joined.splitlines():
        word, _, rest = line.partition(" ")
        if word == "FROM":
            base, _, name = rest.partition(" AS ")
            stages.append((name, [("FROM", base)]))
        else:
            stages[-1][1].append((word, rest))
    return stages


def build(tree: Path, steps: list[Step], trees: dict[str, Path]) -> None:
    """Do what a stage says; an instruction that is not known is an error."""
    for outside in FROM_OUTSIDE:
        if Path(outside).exists():
            run("cp", "-aLT", outside, str(tree / outside.lstrip("/")))
    place = "/"
    for word, rest in steps:
        match word:
            case "RUN":
                inside(tree, place, rest)
            case "WORKDIR":
                place = rest
                (tree / rest.lstrip("/")).mkdir(parents=True, exist_ok=True)
            case "COPY":
                copy(tree, place, shlex.split(rest), trees)
            case "FROM" | "SHELL" | "ENV" | "USER" | "VOLUME" | "EXPOSE":
                continue  # of the run, below; or of an engine
            case "HEALTHCHECK" | "ENTRYPOINT" | "CMD":
                continue
            case _:
                raise SystemExit(f"an instruction that is not known here: {word}")


def copy(tree: Path, place: str, words: list[str], trees: dict[str, Path]) -> None:
    """COPY from the project, or from another stage."""
    root = ROOT
    if words[0].startswith("--from="):
        root = trees[words.pop(0).removeprefix("--from=")]
    *sources, target = words
    to = tree / (Path(place) / target).as_posix().lstrip("/")
    for source in sources:
        found = root / source.lstrip("/")
        if found.is_dir():
            shutil.copytree(found, to, symlinks=True, dirs_exist_ok=True)
        else:
            to.mkdir(parents=True, exist_ok=True)
            shutil.copy2(found, to)


def inside(tree: Path, place: str, command: str) -> None:
    """A command in the tree, with the kernel's own file systems."""
    script = (
        f"mount -t proc proc {tree}/proc && mount --bind /dev {tree}/dev && "
        f"exec chroot {tree} /bin/bash -euo pipefail -c {shlex.quote(f'cd {place} && {command}')}"
    )
    run("unshare", "--mount", "--propagation", "private", "bash", "-euc", script)


def attempt(tree: Path, steps: list[Step]) -> None:
    """As the image's user, on a read-only root with a /tmp: the command, and a Postgres of ours."""
    user = next(rest for word, rest in steps if word == "USER")
    path = "/opt/sallyport/bin:/usr/bin:/bin"
    trial = (
        "sallyport --help >/dev/null && sallyport deploy compose.yaml >/dev/null && "
        "! touch /opt/sallyport/x 2>/dev/null && "
        "python3 -c 'import asyncio, pathlib; from proxy.catalog.shadow import shadow_cluster\n"
        "async def main():\n"
        '    async with shadow_cluster(pathlib.Path("/tmp/shadow")) as cluster:\n'
        "        connection = await cluster.connect()\n"
        '        print("catalog server", await connection.fetchval("show server_version"))\n'
        "        await connection.close()\n"
        "asyncio.run(main())'"
    )
    as_user = f"--userspec={user} {tree} /usr/bin/env -i PATH={path} HOME=/tmp"
    script = (
        f"mount --bind {tree} {tree} && mount -o remount,bind,ro {tree} && "
        f"mount -t proc proc {tree}/proc && mount --bind /dev {tree}/dev && "
        f"mount -t tmpfs tmpfs {tree}/tmp && "
        # As engines give it; Postgres keeps its shared memory there.
        f"mount -t tmpfs -o mode=1777 tmpfs {tree}/dev/shm && "
        f"exec chroot {as_user} bash -euc {shlex.quote(trial)}"
    )
    run("unshare", "--mount", "--propagation", "private", "bash", "-euc", script)


def run(*command: str) -> None:
    """Raises CalledProcessError with what the command said above it."""
    print("image:", " ".join(command)[:120], flush=True)
    subprocess.run(command, check=True, timeout=STEP_SECONDS_MAX)


if __name__ == "__main__":
    sys.exit(main())
