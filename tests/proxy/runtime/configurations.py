"""A small valid configuration for the tests, and the files that it names."""

from __future__ import annotations

from pathlib import Path

MINIMAL = """\
identity:
  issuers:
    - issuer: https://login.example.com
      audience: sallyport
      jwks:
        file: jwks.json
policies:
  - policies
sources:
  - name: main
    kind: postgres
    hosts: [db.example.com]
    database: company
    user: sallyport
    password:
      environment: DATABASE_PASSWORD
audit:
  directory: audit
"""


def write_files(directory: Path) -> Path:
    """Create what `MINIMAL` names, and the file itself; returns its path."""
    (directory / "policies").mkdir()
    for name in ("jwks.json", "server.crt", "server.key", "ca.pem"):
        (directory / name).touch()
    path = directory / "sallyport.yaml"
    path.write_text(MINIMAL)
    return path
