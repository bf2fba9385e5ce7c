"""`python -m tests.fidelity [--major 16] [KIND …]`: the table, then what was refused or different.

Ends with 1 when anything was different. `--pin` writes the refused list that the test compares.
"""

from __future__ import annotations

import argparse
import asyncio
import sys

from tests.fidelity import corpus
from tests.fidelity.comparison import Finding, compare_all, listing, table
from tests.fidelity.pair import serving
from tests.fidelity.pinned import write
from tests.fidelity.verdict import Judgement
from tests.servers.postgres import DEFAULT_MAJOR, MAJORS, running


def main(arguments: list[str]) -> int:
    """Run and print."""
    parser = argparse.ArgumentParser(prog="python -m tests.fidelity")
    parser.add_argument("kinds", nargs="*", help="files of the corpus; default: all")
    parser.add_argument("--major", type=int, default=DEFAULT_MAJOR, choices=MAJORS)
    parser.add_argument("--pin", action="store_true", help="write the list of what is refused")
    options = parser.parse_args(arguments)
    queries = corpus.read(options.kinds)
    with running(options.major) as server:

        async def compared() -> list[Finding]:
            async with serving(server) as pair:
                return await compare_all(pair, queries)

        findings = asyncio.run(compared())
    print(table(findings))
    for judgement in (Judgement.DESIGNED, Judgement.REFUSED, Judgement.DIFFERENT):
        lines = listing(findings, judgement)
        print(f"\n{judgement}: {len(lines)}")
        print("\n".join(lines))
    if options.pin:
        write(findings)
    return int(any(one.verdict.judgement is Judgement.DIFFERENT for one in findings))


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
