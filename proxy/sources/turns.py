"""A queue that is fair to those who stand in it, however many places each has taken.

It must not know what is waited for. Each owner has a line of its own, first come first served; the
lines are served in turn, one from each (round robin). So an owner with a thousand in line delays
another by one turn, not by a thousand.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Hashable
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Turns(Generic[Item]):
    """Items by owner; `len` counts all of them."""

    def __init__(self) -> None:
        # In the order of whose turn it is; no line is empty.
        self._lines: OrderedDict[Hashable, deque[Item]] = OrderedDict()
        self._length = 0

    def __len__(self) -> int:
        return self._length

    def add(self, owner: Hashable, item: Item) -> None:
        """Join the owner's line, at its end. A new line has its turn after all others."""
        self._lines.setdefault(owner, deque()).append(item)
        self._length += 1

    def take(self) -> Item | None:
        """Whose turn it is, or None. The owner's next turn comes after everybody else's."""
        if not self._lines:
            return None
        owner, line = self._lines.popitem(last=False)
        item = line.popleft()
        if line:
            self._lines[owner] = line
        self._length -= 1
        return item

    def give_way(self, owner: Hashable) -> Item | None:
        """Make room for `owner`: take out the last of the longest line, where that is longer than
        the owner's would become. None where `owner` has the longest itself."""
        if not self._lines:
            return None
        longest = max(self._lines, key=lambda one: len(self._lines[one]))
        if len(self._lines[longest]) <= len(self._lines.get(owner, ())) + 1:
            return None
        self._length -= 1
        return self._lines[longest].pop()  # more than one stood there

    def remove(self, owner: Hashable, item: Item) -> None:
        """Leave the line, wherever in it; nothing happens when it was left already."""
        line = self._lines.get(owner)
        if line is None or item not in line:
            return
        line.remove(item)
        self._length -= 1
        if not line:
            del self._lines[owner]
