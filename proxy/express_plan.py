"""What a session knows by heart: how a message that came before is answered, as long as that holds.

This file must not know sockets, and decides nothing: a plan is made of what was decided, recorded
and run in the usual way, and says until when it may be used again.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

from proxy.decision import Decider, Standing
from proxy.rows import with_formats
from proxy.runtime.audit import Form
from proxy.session import Session
from proxy.sources.express import ExpressSource, Order
from proxy.sql.lookalike import Recipe, Shape, shape_of
from proxy.wire.backend import BindComplete, ParseComplete, RowDescription
from proxy.wire.frontend import Describe, Execute, Sync
from proxy.workspace import Prepared

FORMATS_KEPT_MAX = 8
"""Combinations of result formats that a plan remembers; drivers use one or two."""

_UINT16 = struct.Struct(">H")
_INT32 = struct.Struct(">i")
NO_FORMATS = b"\0\0"
_TAIL = Execute("", 0).encode() + Sync().encode()
_TAIL_DESCRIBED = Describe(b"P", "").encode() + _TAIL
_BOUND = BindComplete().encode()
PARSED = ParseComplete().encode()


@dataclass(slots=True)
class Way:
    """How rows of one combination of result formats are asked for and described."""

    order: Order
    formats: tuple[int, ...]
    description: bytes
    bound: bytes
    """What answers Bind, or Bind and Describe: the second holds the description."""
    bound_and_described: bytes


@dataclass(slots=True)
class Plan:
    """`holds` says whether it may still be used; `ways` by the result formats as Bind spells them.

    `statement_ms` is the time that the statement may run. `values` are those of a simple query, as
    Bind sends them; `margins`, how many characters stand before and behind its statement.
    """

    prepared: Prepared
    standing: Standing
    source_name: str
    source: ExpressSource
    intent: Form
    statement_ms: int
    settings_layers: tuple[object, object]
    values: bytes = b""
    margins: tuple[int, int] = (0, 0)
    ways: dict[bytes, Way] = field(default_factory=dict)
    parameter_count: int = field(init=False)
    claim_count: int = field(init=False)

    def __post_init__(self) -> None:
        self.parameter_count = len(self.prepared.parameter_oids)
        self.claim_count = len(self.standing.fragment.claim_slots)

    def holds(self, session: Session, decider: Decider, now: float) -> bool:
        """Whether policy, catalog, settings and time are those that it was made in."""
        standing = self.standing
        session_layer, local_layer = session.settings.layers
        known_session, known_local = self.settings_layers
        return (
            decider.epoch is standing.epoch
            and now < standing.until
            and session_layer is known_session
            and local_layer is known_local
        )

    def add_way(self, formats: tuple[int, ...], session: Session) -> None:
        """Learn to answer with these result formats. Raises SourceFault for settings unfit."""
        fields = self.prepared.fields
        if self.standing.is_text_only and any(formats):
            return
        pins = session.settings.pins()
        order = self.source.order(self.standing.fragment, pins, formats)
        if order is None or fields is None:
            return
        if len(self.ways) >= FORMATS_KEPT_MAX:
            self.ways.clear()
        described = RowDescription(with_formats(fields, formats)).encode()
        way = Way(order, formats, described, _BOUND, _BOUND + described)
        self.ways[encoded_formats(formats)] = way


class Lookalikes:
    """Plans of simple queries by their text but for the literals that were lifted from it."""

    def __init__(self, plans_max: int) -> None:
        self._plans_max = plans_max
        self._recipes: dict[str, Recipe] = {}
        self._plans: dict[tuple[str, tuple[str, ...]], Plan] = {}

    def __len__(self) -> int:
        return len(self._plans)

    def add(self, shape: Shape, recipe: Recipe, plan: Plan) -> None:
        """Remember a plan with a way for text rows."""
        if not plan.ways:
            return
        if len(self._plans) >= self._plans_max:
            self._plans.clear()
            self._recipes.clear()
        self._recipes[shape.skeleton] = recipe
        self._plans[shape.skeleton, recipe.fixed(shape)] = plan

    def find(self, text: bytes) -> tuple[Plan, str, tuple[bytes, ...]] | None:
        """The plan for a text like one that is known, the text, and its lifted values."""
        try:
            decoded = text.decode("ascii")
        except UnicodeDecodeError:
            return None
        shape = shape_of(decoded)
        recipe = None if shape is None else self._recipes.get(shape.skeleton)
        if shape is None or recipe is None:
            return None
        plan = self._plans.get((shape.skeleton, recipe.fixed(shape)))
        return None if plan is None else (plan, decoded, recipe.values(shape))


def encoded_formats(formats: tuple[int, ...]) -> bytes:
    """Format codes as Bind spells them, with their count."""
    return struct.pack(f">H{len(formats)}H", len(formats), *formats)


def read_bind(plan: Plan, data: bytes, position: int, end: int) -> tuple[Way, bytes, bool] | None:
    """Understand `Bind [Describe] Execute Sync` of the unnamed portal and all rows.

    `position` is that of Bind's format codes, behind its names, `end` where it ends. Returns the
    way, the body of the source's Bind, and whether the rows are to be described. None: something
    else, or something wrong, which is for others to read.
    """
    tail = data[end:]
    is_described = tail == _TAIL_DESCRIBED
    if not is_described and tail != _TAIL:
        return None
    try:
        (format_count,) = _UINT16.unpack_from(data, position)
        values_at = position + 2 + 2 * format_count
        (count,) = _UINT16.unpack_from(data, values_at)
        if count != plan.parameter_count:
            return None
        results_at = values_at + 2
        for _ in range(count):
            (length,) = _INT32.unpack_from(data, results_at)
            results_at += 4 + max(length, 0)
            if length < -1 or results_at > end:
                return None
    except struct.error:
        return None
    results = data[results_at:end]
    way = plan.ways.get(results)
    if way is None:
        return None
    formats = data[position:values_at]
    if format_count:
        if format_count not in (1, count):
            return None
        if plan.standing.is_text_only and any(formats[2:]):
            return None
        formats = _spread(formats, count, plan.claim_count)
    return way, way.order.body(formats, data[values_at + 2 : results_at], results), is_described


def _spread(formats: bytes, count: int, claim_count: int) -> bytes:
    """The format codes of `count` values with those of the claims, which are text, behind."""
    codes = formats[2:]
    if not claim_count:
        return formats
    if not any(codes):
        return NO_FORMATS
    each = codes if len(codes) == 2 * count else codes * count
    return _UINT16.pack(count + claim_count) + each + bytes(2 * claim_count)
