"""Embedded clusters of this process begin as copies of one that initdb made, not by initdb.

A run makes about a hundred of them, one or two for every gate, and initdb is most of what each costs:
a second of two cores, where a copy costs a fifth of it. A copy has the password of its original.
Knows where a `Cluster` calls initdb; must not know what a cluster is for.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from proxy.runtime.embedded import Cluster

GENUINE = Cluster._initialise


@contextmanager
def copied() -> Iterator[None]:
    """Within the block a new cluster is a copy of the first of its major."""
    with tempfile.TemporaryDirectory(prefix="sallyport-initdb-") as scratch:
        originals: dict[int, Path] = {}

        async def initialise(cluster: Cluster) -> None:
            """In place of initdb. An account of its own (root without namespaces) needs the real."""
            assert cluster._demotion is not None
            major = cluster.installation.major
            if major in originals:
                shutil.copytree(originals[major] / "data", cluster._data)
                shutil.copy(originals[major] / "password", cluster.directory / "password")
                return
            await GENUINE(cluster)
            if cluster._demotion.owner is None:
                original = Path(scratch) / str(major)
                shutil.copytree(cluster._data, original / "data")
                shutil.copy(cluster.directory / "password", original / "password")
                originals[major] = original

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Cluster, "_initialise", initialise)
            yield
