"""From YAML files to a PolicySet, or to every problem that prevents it.

The one file on this floor that opens files. It must not know what a decision is. All files are one
policy: declarations first, then tables, then cases. A policy that grants nothing is refused (a gate
that shows nothing is a mistake, and one that shows everything cannot be written).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from policies.case import Case
from policies.case_block import read_case
from policies.decide import PolicySet
from policies.declare import Declarations
from policies.document import FILE_BYTES_MAX, Reporter, Value, compose
from policies.errors import Place, PolicyLoadError, Problem
from policies.keyed import KEY_BYTES_MIN
from policies.layout import KEYS
from policies.model import RelationKey
from policies.rule import TablePolicy
from policies.secret import Secret
from policies.table_block import TableReader

FORMAT_VERSION = "1"
FILES_MAX = 200
_SUFFIXES = (".yaml", ".yml")


def load(
    paths: Sequence[Path], keys: Mapping[str, Secret[bytes]] | None = None
) -> tuple[PolicySet, tuple[Problem, ...]]:
    """The policy of all files (a folder stands for the YAML files in it), and its warnings.

    `keys` gives key material, of at least KEY_BYTES_MIN bytes, for every name under `keys:`. None:
    for looking only; whatever needs a key is denied. Raises PolicyLoadError with every problem
    found.
    """
    texts: dict[str, str] = {}
    reporter = Reporter()
    for path in _files(paths, reporter):
        try:
            with path.open("rb") as file:
                content = file.read(FILE_BYTES_MAX + 1)
            texts[str(path)] = content.decode("utf-8")
        except OSError as error:
            reporter.add(Place(str(path), 0), f"cannot be read: {error.strerror}")
        except UnicodeDecodeError:
            reporter.add(Place(str(path), 0), "is not UTF-8 text")
    if reporter.is_fatal:
        raise PolicyLoadError(tuple(reporter.problems))
    return load_texts(texts, keys)


def _files(paths: Sequence[Path], reporter: Reporter) -> list[Path]:
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            found.extend(sorted(p for p in path.iterdir() if p.suffix in _SUFFIXES))
        else:
            found.append(path)
    if not found or len(found) > FILES_MAX:
        place = Place(", ".join(map(str, paths)) or "policies", 0)
        reporter.add(place, f"from 1 to {FILES_MAX} policy files are needed, found {len(found)}")
    return list(dict.fromkeys(found))


def load_texts(
    texts: Mapping[str, str], keys: Mapping[str, Secret[bytes]] | None = None
) -> tuple[PolicySet, tuple[Problem, ...]]:
    """As `load`, for texts by file name."""
    reporter = Reporter()
    documents = [compose(file, text, reporter) for file, text in texts.items()]
    blocks = [_document(value) for value in documents if value is not None]
    declared = Declarations()
    declared.read(blocks)
    tables = _tables(blocks, declared)
    cases = _cases(blocks, declared, tables)
    file = next(iter(texts), "policies")
    if not any(table.grants for table in tables.values()) and not reporter.is_fatal:
        reporter.add(Place(file, 0), "no rule grants anything: the policy would show nothing")
    _check_keys(declared, keys, Place(file, 0), reporter)
    if reporter.is_fatal:
        raise PolicyLoadError(tuple(p for p in reporter.problems if not p.is_warning))
    policies = PolicySet(
        version=version_of(texts),
        mapping=declared.mapping,
        roles=declared.roles,
        tables=tables,
        mask_order=declared.mask_order,
        lookups=declared.lookups,
        keys=keys,
        cases=cases,
    )
    return policies, tuple(reporter.problems)


def version_of(texts: Mapping[str, str]) -> str:
    """SHA-256, hexadecimal, over names and contents, whatever folder the files lie in."""
    digest = hashlib.sha256()
    for file in sorted(texts, key=lambda name: (Path(name).name, texts[name])):
        for part in (Path(file).name, texts[file]):
            encoded = part.encode("utf-8", errors="surrogatepass")
            digest.update(len(encoded).to_bytes(8, "big") + encoded)
    return digest.hexdigest()


def _document(value: Value) -> Mapping[str, Value]:
    block = value.block(KEYS["policy"])
    version = block.get("version")
    if version is None:
        value.problem(f"needs version: {FORMAT_VERSION}")
    elif version.text() != FORMAT_VERSION:
        version.problem(f"this program reads version {FORMAT_VERSION}")
    return block


def _tables(
    blocks: list[Mapping[str, Value]], declared: Declarations
) -> dict[RelationKey, TablePolicy]:
    reader = TableReader(declared)
    tables: dict[RelationKey, TablePolicy] = {}
    for block in blocks:
        for name, value in block["tables"].entries() if "tables" in block else ():
            table = reader.read(name, value)
            if table is None:
                continue
            if table.key in tables:
                first = tables[table.key].place
                value.problem(f"{table.key} is in {first.file}:{first.line} already")
            tables[table.key] = table
    return tables


def _cases(
    blocks: list[Mapping[str, Value]],
    declared: Declarations,
    tables: Mapping[RelationKey, TablePolicy],
) -> tuple[Case, ...]:
    found = [
        read_case(item, declared, tables)
        for block in blocks
        for item in (block["cases"].items() if "cases" in block else ())
    ]
    return tuple(case for case in found if case is not None)


def _check_keys(
    declared: Declarations,
    keys: Mapping[str, Secret[bytes]] | None,
    place: Place,
    reporter: Reporter,
) -> None:
    if keys is None:
        return
    for name in sorted(declared.keys):
        if name not in keys:
            reporter.add(place, f'no key material was given for the key "{name}"', field="keys")
        elif len(keys[name].reveal()) < KEY_BYTES_MIN:
            reporter.add(place, f'the key "{name}" is shorter than {KEY_BYTES_MIN} bytes')
