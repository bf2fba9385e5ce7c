"""The demonstration's `sallyport.yaml`: an ordinary configuration, for an ordinary gate.

This file must not know how a configuration is read. What it writes is what an operator would write
for one issuer, two policy files, a database and a folder, and is worth reading as an example.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import yaml

from proxy.demo import company
from proxy.demo.issuer import ALGORITHM, AUDIENCE, DemoIssuer
from proxy.demo.state import State
from proxy.runtime.demonstration import DEMO_ISSUER

SOURCE: Final = "company"
"""How the policy names the sample company's database."""

POLICY_FILE: Final = (
    Path(__file__).resolve().parent.parent.parent / "policies" / "examples" / "company.yaml"
)
"""Read where it lies: edit it while the demonstration runs, and the gate follows."""

FILES_SOURCE: Final = "files"
"""How the policy names the sample company's folder of files."""

FILES_POLICY_FILE: Final = Path(__file__).resolve().with_name("company_files.yaml")

_HEADER: Final = "# Written by `sallyport demo` at each start: changes here do not last.\n"


def configuration_text(
    state: State,
    issuer: DemoIssuer,
    *,
    listen: tuple[str, int],
    socket_directory: Path,
) -> str:
    """The configuration as YAML: `listen` is host and port for clients, Postgres' socket is in
    `socket_directory`."""
    host, port = listen
    content = {
        "listen": {"host": host, "port": port},
        "identity": {
            "issuers": [
                {
                    "issuer": DEMO_ISSUER,
                    "audience": AUDIENCE,
                    "algorithms": [ALGORITHM],
                    "jwks": {"file": str(issuer.key_set_path)},
                }
            ]
        },
        "policies": [str(POLICY_FILE), str(FILES_POLICY_FILE)],
        "sources": [
            {
                "name": SOURCE,
                "kind": "postgres",
                "hosts": [str(socket_directory)],
                "database": company.DATABASE,
                "user": company.GATE_ROLE,
                "password": {"file": str(state.gate_password)},
                "tls": {"mode": "disable"},  # a Unix socket in a private folder
            },
            {"name": FILES_SOURCE, "kind": "files", "folder": str(state.files)},
        ],
        # So that `\d` shows the tables at once, as where a database's owner has set its path.
        "search_path": [*company.SCHEMAS, FILES_SOURCE],
        # The demonstration's log is for looking at, not for a court: 50 ms may be lost with power.
        "audit": {"directory": str(state.audit), "mode": "fast"},
        # Distributions' psql is often 15 or 16, whose \l a newer catalog does not answer.
        "shadow": {"directory": str(state.shadow), "major": 16},
        "state": {"directory": str(state.access)},
        "log": {"level": "warning", "format": "console"},
    }
    return _HEADER + yaml.safe_dump(content, sort_keys=False, allow_unicode=True)
