"""One execution: rows of a source relayed, rows of the shadow handed over, and its figures.

INVARIANT I1: a source gets `runnable.fragment` and nothing else.

This file must not know sockets, policies or SQL trees. Row bytes are passed on as they come.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field

from proxy.decision import Decider, Runnable
from proxy.faults import Fault, InternalFault, SourceFault
from proxy.federation.merge import Merger, unavailable
from proxy.phases import Phases
from proxy.record import Recorder, outcome, tell_decision
from proxy.rows import encode_rows
from proxy.session import Session
from proxy.sources.base import Arguments, RowStream
from proxy.sources.condition import CONNECTION_FAILURE
from proxy.sql.parameter import undefined
from proxy.sql.parse import Kind
from proxy.tracing import subject_of
from proxy.wire.backend import CopyDone
from proxy.wire.buffer import HEADER
from proxy.workspace import Portal, Prepared, Workspace


@dataclass(slots=True)
class Run:
    """Figures of one portal's execution, from its intent record to its outcome.

    `phases` counts on from what parsing and deciding cost; time in which a suspended portal waits
    for its client is in none.
    """

    intent: int
    recorder: Recorder = field(repr=False)
    session: Session = field(repr=False)
    prepared: Prepared = field(repr=False)
    phases: Phases = field(default_factory=Phases, repr=False)
    rows: int = 0
    bytes_told: int = 0
    is_cut: bool = False
    is_over: bool = False

    async def finish(self, failure: Fault | None = None) -> None:
        """Record the outcome, once, and tell the operator's log."""
        if self.is_over:
            return
        self.is_over = True
        if failure is not None:
            failure.is_on_record = True
        latency = self.phases.latency()
        await self.recorder.ended(
            self.intent,
            outcome(
                rows=self.rows,
                bytes_told=self.bytes_told,
                latency=latency,
                fault=failure,
                is_cut=self.is_cut,
            ),
        )
        tracer = self.recorder.tracer
        if tracer is not None:
            tracer.ended(
                subject_of(self.session, self.prepared),
                self.phases,
                rows=self.rows,
                intent=self.intent,
                fault=failure,
            )
        tell_decision(
            self.session,
            "allowed" if failure is None else "failed",
            latency,
            sqlstate=None if failure is None else failure.sqlstate,
            rows=self.rows,
        )


async def run_merged(
    workspace: Workspace, portal: Portal, row_max: int, runnable: Runnable, merger: Merger
) -> AsyncGenerator[bytes, None]:
    """Run, or run on, a portal over several sources. Raises SourceFault, LimitFault."""
    if not portal.place:
        arguments = portal.arguments if runnable.arguments is None else runnable.arguments
        check_patterns(arguments, runnable.pattern_parameters)
        loaded = await merger.load(workspace, runnable, arguments)
        portal.place = workspace.upstream.keep_apart(loaded)
    try:
        async with aclosing(run_source(workspace, portal, row_max, runnable)) as chunks:
            async for chunk in chunks:
                yield chunk
    except SourceFault as fault:
        if fault.sqlstate == CONNECTION_FAILURE:  # nobody else is spoken to here
            raise unavailable(fault) from fault
        raise
    finally:
        if not portal.is_suspended:
            workspace.upstream.give_back(portal.place)


async def run_source(
    workspace: Workspace, portal: Portal, row_max: int, runnable: Runnable
) -> AsyncGenerator[bytes, None]:
    """Run, or run on, a portal at its source. Raises SourceFault, LimitFault."""
    fragment = runnable.fragment
    if fragment is None:
        raise InternalFault("a source runs fragments only")
    arguments = portal.arguments if runnable.arguments is None else runnable.arguments
    check_patterns(arguments, runnable.pattern_parameters)
    recoder, formats = runnable.recoder, portal.formats
    if recoder is not None:
        arguments, formats = recoder.arguments(arguments), recoder.formats(formats)
    columns = () if recoder is None else recoder.in_binary(portal.formats)
    under_way = portal.under_way
    if under_way is None:
        connection = await workspace.upstream.take(portal.place or fragment.source)
    else:
        connection = under_way.connection
    with workspace.upstream.running(connection):
        if portal.prepared.statement.kind is Kind.COPY_TO:
            copied = await connection.copy_out(fragment)
            try:
                yield copied.header.encode()
                async for piece in copied:
                    yield piece.data
                yield CopyDone().encode()
            finally:
                await copied.aclose()
            rows = _rows_of(copied.command_tag, copied.row_count)
            _note_end(portal, rows, is_cut=copied.truncated, verb="COPY")
            return
        if under_way is not None:
            portal.under_way = None
            stream = await under_way.join()
        elif portal.upstream:
            stream = await connection.resume(portal.upstream, row_max)
        else:
            if row_max or portal.is_cursor:
                portal.upstream = workspace.upstream_name()
            stream = await connection.execute(
                fragment,
                arguments,
                formats,
                row_max=row_max,
                portal=portal.upstream,
                is_text_about_visible_data=runnable.is_text_visible,
            )
        try:
            # The source accepted the statement: from here on an error follows a RowDescription.
            yield b""
            async for batch in stream:
                yield recoder.recoded(batch, columns) if recoder and columns else batch.data
        finally:
            portal.rows = stream.row_count
            await stream.aclose()
        _note_stream(portal, stream)


def check_patterns(arguments: Arguments, numbers: frozenset[int]) -> None:
    """Refuse a LIKE pattern that would raise on some rows only (I4). Raises Fault 22025, or
    42P02 for one without a value.

    Such parameters are of text types, whose bytes are the same in text and binary format.
    """
    for number in numbers:
        if number > len(arguments.values):
            raise undefined(number)
        value = arguments.values[number - 1]
        if value is None:
            continue
        ending = len(value) - len(value.rstrip(b"\\"))
        if ending % 2:
            raise Fault("LIKE pattern must not end with escape character", sqlstate="22025")


def _rows_of(tag: str | None, counted: int) -> int:
    """Rows of a COPY: a header line is a message too, so the source's own count is the better."""
    match = re.fullmatch(r"COPY (\d{1,18})", tag or "")
    return int(match[1]) if match else counted


def _note_stream(portal: Portal, stream: RowStream) -> None:
    _note_end(portal, stream.row_count, is_cut=stream.truncated, verb="SELECT")
    portal.is_suspended = stream.suspended
    portal.is_finished = not stream.suspended


def _note_end(portal: Portal, rows: int, *, is_cut: bool, verb: str) -> None:
    portal.rows = rows
    portal.tag = f"{verb} {rows}"
    portal.is_finished = True
    if portal.run is not None:
        portal.run.is_cut = portal.run.is_cut or is_cut


async def run_catalog(
    workspace: Workspace, portal: Portal, row_max: int, runnable: Runnable, decider: Decider
) -> AsyncGenerator[bytes, None]:
    """Answer from the shadow, or with rows of the gate's own; bounded, so held in memory."""
    if runnable.rows is not None:
        frames = encode_rows(runnable.rows)
    else:
        decided = portal.prepared.decided
        if decided is None:
            raise InternalFault("the shadow answers decided statements only")
        batches = await decider.answer_catalog(
            workspace.session, decided, portal.arguments, portal.formats
        )
        is_copy = portal.prepared.statement.kind is Kind.COPY_TO
        if is_copy or not (row_max or portal.is_cursor):
            for batch in batches:
                yield batch.data
            rows = sum(batch.count for batch in batches)
            _note_end(portal, rows, is_cut=False, verb="COPY" if is_copy else "SELECT")
            return
        frames = [frame for batch in batches for frame in split_frames(batch.data)]
    taken = frames[:row_max] if row_max else frames
    for frame in taken:
        yield frame
    portal.pending = frames[len(taken) :]
    _note_end(portal, len(taken), is_cut=False, verb="SELECT")
    portal.is_suspended = bool(row_max) and len(taken) == row_max
    portal.is_finished = not portal.is_suspended


def split_frames(data: bytes) -> list[bytes]:
    """Whole frames, one each; each length counts itself but not the type byte."""
    frames = []
    position = 0
    while position < len(data):
        _, length = HEADER.unpack_from(data, position)
        end = position + 1 + length
        frames.append(data[position:end])
        position = end
    return frames
