"""Where a setting stands in a configuration file that has been read without fault."""

from __future__ import annotations

from pathlib import Path

from proxy.runtime.config_yaml import ConfigurationError, Listing, Node, Section, parse, read


def line_of(file: Path, *path: str | int) -> int:
    """The 1-based line of the setting at `path` (names, and numbers in lists), or of the nearest
    thing around it that is written; 0 when the file has changed and cannot be read any more.
    """
    try:
        node: Node = parse(read(file), file)
    except ConfigurationError:
        return 0
    line = node.line
    for step in path:
        if isinstance(node, Section) and step in node.entries:
            assert isinstance(step, str), "the keys of a section are text"
            line, node = node.key_lines[step], node.entries[step]
        elif isinstance(node, Listing) and isinstance(step, int) and step < len(node.items):
            node = node.items[step]
            line = node.line
        else:
            break
    return line
