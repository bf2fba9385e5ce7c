"""`python -m tests.servers install`: fetch every server the tests need, before they run."""

from __future__ import annotations

import argparse
import sys

from tests.servers import install, oauth_psql, pgbouncer


def main(arguments: list[str]) -> int:
    """Run one command; returns the exit code, 1 when a server cannot be had."""
    parser = argparse.ArgumentParser(prog="python -m tests.servers", description=__doc__)
    parser.add_argument("command", choices=["install"], help="install: fetch all servers once")
    parser.parse_args(arguments)
    try:
        install.everything()
        print(f"PgBouncer … {pgbouncer.binary()}", flush=True)
        print(f"psql with libpq-oauth … {oauth_psql.command()[-1]}", flush=True)
    except install.ServerUnavailable as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
