"""Statements that the gate answers itself: SET, SHOW, RESET, DISCARD, transactions, savepoints,
CLOSE.

Nothing here reaches a source as text: settings are virtual (`settings.py`) and transactions are
mirrored (`upstream.py`). Messages and SQLSTATEs are Postgres' own, so that drivers understand them.

This file must not know sockets or policies. It reads the parse tree of these few statements only.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from typing import Any

from postgast import pg_query_pb2 as pb

from proxy.faults import DeniedFault, Fault, SyntaxFault, UnsupportedFault
from proxy.rows import Answer, notice_message, text_fields
from proxy.setting_values import quoted
from proxy.settings import OF_THE_TRANSACTION
from proxy.sql import tree
from proxy.sql.parse import Kind, Statement
from proxy.transaction import Block
from proxy.wire.backend import FieldDescription
from proxy.workspace import OUTLIVING, Workspace

READ_ONLY = "cannot set transaction read-write mode: Sallyport only reads"

_LIST_SETTINGS = ("search_path", "datestyle")


def fields(workspace: Workspace, statement: Statement) -> tuple[FieldDescription, ...] | None:
    """The columns of such a statement, for Describe. Raises Fault 42704 as running it would, and
    SyntaxFault for `SET … TO $1`, which the parser's library takes and Postgres' grammar does not
    (psycopg with server-side parameters sends it)."""
    if statement.kind is Kind.SET:
        _refuse_parameters(statement)
    if statement.kind is not Kind.SHOW:
        return None
    name = statement.node.name
    if name.lower() == "all":
        return text_fields("name", "setting", "description")
    return text_fields(workspace.session.settings.show(name)[0])


def _refuse_parameters(statement: Statement) -> None:
    for argument in statement.node.args:
        if argument.HasField("param_ref"):
            parameter = argument.param_ref
            raise SyntaxFault(
                f'syntax error at or near "${parameter.number}"',
                position=statement.position(parameter.location) + statement.offset,
            )


async def run(workspace: Workspace, statement: Statement) -> Answer:
    """Carry out one statement. Raises Fault (22023, 25P01, 25P02, 3B001, 42501, 42704, 0A000)."""
    transaction = workspace.session.transaction
    if statement.kind not in _IN_FAILED_BLOCK:
        transaction.check_usable()
    if statement.kind in _WITH_SNAPSHOT:
        transaction.has_run = True
    return await _ACTIONS[statement.kind](workspace, statement.node)


# Settings


async def _set(workspace: Workspace, node: Any) -> Answer:
    if node.is_local and workspace.session.transaction.is_alone:
        # It is set all the same, until the implicit transaction ends.
        workspace.notice(
            notice_message("SET LOCAL can only be used in transaction blocks", "25P01")
        )
    _assign(workspace, node)
    return Answer("SET")


def _assign(workspace: Workspace, node: Any) -> None:
    settings = workspace.session.settings
    if node.kind == pb.VAR_SET_MULTI:
        _set_modes(workspace, node.args, prefix="default_", is_local=False)
    elif _is_about_oneself(node):
        pass
    elif node.kind == pb.VAR_SET_DEFAULT:
        settings.reset(node.name, is_local=node.is_local)
    elif node.kind == pb.VAR_SET_VALUE:
        value = _value(node.name, node.args)
        workspace.session.assign(node.name, value, is_local=node.is_local)
    else:
        raise UnsupportedFault("SET … FROM CURRENT is not supported")


def _is_about_oneself(node: Any) -> bool:
    """SET and RESET that ask to be who one logged in as: what poolers and drivers send between
    users (Npgsql, deadpool). There is nobody else to be, so nothing changes."""
    name = node.name.lower()
    if node.kind in (pb.VAR_RESET, pb.VAR_SET_DEFAULT):
        return name in ("role", "session_authorization")
    return node.kind == pb.VAR_SET_VALUE and name == "role" and _value(name, node.args) == "none"


def _value(name: str, arguments: Any) -> str:
    """The text of SET's arguments, joined as Postgres joins them (flatten_set_variable_args)."""
    texts = [_argument(argument) for argument in arguments]
    if name.lower() == "search_path":
        texts = [quoted(text) for text in texts]
    if len(texts) > 1 and name.lower() not in _LIST_SETTINGS:
        raise Fault(f"SET {name} takes only one argument", sqlstate="22023")
    return ", ".join(texts)


def _argument(node: Any) -> str:
    if node.HasField("a_const"):
        return constant_text(node.a_const)
    raise UnsupportedFault("SET accepts plain values only")


def constant_text(constant: Any) -> str:
    """The text of a literal of the tree."""
    match constant.WhichOneof("val"):
        case "ival":
            return str(constant.ival.ival)
        case "fval":
            return str(constant.fval.fval)
        case "boolval":
            return "true" if constant.boolval.boolval else "false"
        case "sval":
            return str(constant.sval.sval)
        case "bsval":
            return str(constant.bsval.bsval)
        case _:
            raise SyntaxFault("a value is expected")


async def _set_transaction(workspace: Workspace, node: Any) -> Answer:
    transaction = workspace.session.transaction
    if transaction.is_alone:
        workspace.notice(
            notice_message("SET TRANSACTION can only be used in transaction blocks", "25P01")
        )
    _set_modes(workspace, node.args, prefix="", is_local=True)
    return Answer("SET")


def _check_modes(workspace: Workspace, modes: Any) -> None:
    """Raise Fault 25001 where one of the modes is settled already."""
    for key, value in _modes(modes):
        workspace.session.transaction.check_mode(key, value)


def _set_modes(workspace: Workspace, modes: Any, *, prefix: str, is_local: bool) -> None:
    """Apply transaction modes: isolation, deferrable; read only is what we are."""
    for key, value in _modes(modes):
        workspace.session.assign(prefix + key, value, is_local=is_local)


def _modes(modes: Any) -> Iterator[tuple[str, str]]:
    """The modes that change anything, as names and values of settings. Raises DeniedFault for READ
    WRITE."""
    for mode in modes:
        element = mode.def_elem
        text = constant_text(element.arg.a_const)
        if element.defname == "transaction_read_only":
            if text in ("0", "false", "off"):
                raise DeniedFault(READ_ONLY)
        elif element.defname == "transaction_isolation":
            yield element.defname, text
        elif element.defname == "transaction_deferrable":
            yield element.defname, "on" if text in ("1", "true", "on") else "off"
        else:
            raise UnsupportedFault("this transaction mode is not supported")


async def _show(workspace: Workspace, node: Any) -> Answer:
    settings = workspace.session.settings
    if node.name.lower() == "all":
        rows = tuple((name, value, "") for name, value in settings.show_all())
        return Answer("SHOW", text_fields("name", "setting", "description"), rows)
    name, value = settings.show(node.name)
    return Answer("SHOW", text_fields(name), ((value,),))


async def _reset(workspace: Workspace, node: Any) -> Answer:
    settings = workspace.session.settings
    if node.kind == pb.VAR_RESET_ALL:
        settings.reset_all()
    elif not _is_about_oneself(node):
        settings.reset(node.name)
    return Answer("RESET")


async def _discard(workspace: Workspace, node: Any) -> Answer:
    if node.target != pb.DISCARD_ALL:
        names = {
            pb.DISCARD_PLANS: "PLANS",
            pb.DISCARD_SEQUENCES: "SEQUENCES",
            pb.DISCARD_TEMP: "TEMP",
        }
        return Answer("DISCARD " + names.get(node.target, "PLANS"))
    transaction = workspace.session.transaction
    if not transaction.is_alone:
        raise Fault("DISCARD ALL cannot run inside a transaction block", sqlstate="25001")
    if transaction.has_piped:
        raise Fault("DISCARD ALL cannot be executed within a pipeline", sqlstate="25001")
    workspace.statements.clear()
    workspace.session.settings.reset_all()
    await workspace.drop_portals(deeper_than=OUTLIVING - 1)
    # It is a transaction of its own: what follows in a pipeline begins another.
    await workspace.finish(is_committed=True)
    return Answer("DISCARD ALL")


# Transactions


async def _begin(workspace: Workspace, node: Any) -> Answer:
    session = workspace.session
    tag = "START TRANSACTION" if node.kind == pb.TRANS_STMT_START else "BEGIN"
    for mode in node.options:  # refused before anything begins
        if mode.def_elem.defname == "transaction_read_only" and constant_text(
            mode.def_elem.arg.a_const
        ) in ("0", "false"):
            raise DeniedFault(READ_ONLY)
    is_open = session.transaction.is_block
    if is_open:
        workspace.notice(notice_message("there is already a transaction in progress", "25001"))
    else:
        _check_modes(workspace, node.options)  # an implicit transaction may have read, too
    session.transaction.begin()
    _set_modes(workspace, node.options, prefix="", is_local=True)
    return Answer(tag)


async def _commit(workspace: Workspace, node: Any) -> Answer:
    transaction = workspace.session.transaction
    _check_block(workspace, "COMMIT", is_chained=node.chain)
    is_good = transaction.block is not Block.FAILED
    await _finish(workspace, is_committed=is_good, is_chained=node.chain)
    return Answer("COMMIT" if is_good else "ROLLBACK")


async def _rollback(workspace: Workspace, node: Any) -> Answer:
    _check_block(workspace, "ROLLBACK", is_chained=node.chain)
    await _finish(workspace, is_committed=False, is_chained=node.chain)
    return Answer("ROLLBACK")


def _check_block(workspace: Workspace, verb: str, *, is_chained: bool) -> None:
    """Outside a block COMMIT and ROLLBACK are a warning, and AND CHAIN an error."""
    if workspace.session.transaction.is_block:
        return
    if is_chained:
        text = f"{verb} AND CHAIN can only be used in transaction blocks"
        raise Fault(text, sqlstate="25P01")
    workspace.notice(notice_message("there is no transaction in progress", "25P01"))


async def _finish(workspace: Workspace, *, is_committed: bool, is_chained: bool) -> None:
    session = workspace.session
    modes = {name: session.settings.of_transaction(name) for name in OF_THE_TRANSACTION}
    await workspace.finish(is_committed=is_committed)
    if is_chained:
        session.transaction.begin()
        for name, value in modes.items():
            session.settings.set(name, value, is_local=True)


async def _savepoint(workspace: Workspace, node: Any) -> Answer:
    workspace.session.transaction.savepoint(node.savepoint_name)
    await workspace.upstream.savepoint()
    return Answer("SAVEPOINT")


async def _release(workspace: Workspace, node: Any) -> Answer:
    transaction = workspace.session.transaction
    transaction.release(node.savepoint_name)
    workspace.raise_portals(len(transaction.savepoints))
    await workspace.upstream.release_savepoint()
    return Answer("RELEASE")


async def _rollback_to(workspace: Workspace, node: Any) -> Answer:
    transaction = workspace.session.transaction
    transaction.rollback_to(node.savepoint_name)
    await workspace.drop_portals(deeper_than=len(transaction.savepoints) - 1)
    await workspace.upstream.rollback_to()
    return Answer("ROLLBACK")


# Names


async def _deallocate(workspace: Workspace, node: Any) -> Answer:
    if not node.name:
        workspace.statements.clear()
        return Answer("DEALLOCATE ALL")
    workspace.statements.get(node.name)
    workspace.statements.remove(node.name)
    return Answer("DEALLOCATE")


async def _close(workspace: Workspace, node: Any) -> Answer:
    if not node.portalname:
        for portal in workspace.portals:
            await workspace.close_portal(portal.name)
        return Answer("CLOSE CURSOR ALL")
    await workspace.close_portal(workspace.cursor(node.portalname).name)
    return Answer("CLOSE CURSOR")


async def _listen(workspace: Workspace, node: Any) -> Answer:
    if node.DESCRIPTOR.name == "UnlistenStmt":
        return Answer("UNLISTEN")  # what drivers send when a connection returns to their pool
    raise UnsupportedFault("LISTEN and NOTIFY are not supported")


async def _empty(workspace: Workspace, node: Any) -> Answer:
    return Answer("")


_IN_FAILED_BLOCK = frozenset({Kind.COMMIT, Kind.ROLLBACK, Kind.ROLLBACK_TO, Kind.EMPTY})
"""What Postgres accepts after an error inside a block (PostgreSQL source,
IsTransactionExitStmt)."""

_WITH_SNAPSHOT = frozenset({Kind.CLOSE, Kind.DEALLOCATE, Kind.DISCARD})
"""What settles the isolation in Postgres, though it reads nothing (PlannedStmtRequiresSnapshot)."""

_ACTIONS: dict[Kind, Callable[[Workspace, tree.Node], Awaitable[Answer]]] = {
    Kind.SET: _set,
    Kind.SET_TRANSACTION: _set_transaction,
    Kind.SHOW: _show,
    Kind.RESET: _reset,
    Kind.DISCARD: _discard,
    Kind.BEGIN: _begin,
    Kind.COMMIT: _commit,
    Kind.ROLLBACK: _rollback,
    Kind.SAVEPOINT: _savepoint,
    Kind.RELEASE: _release,
    Kind.ROLLBACK_TO: _rollback_to,
    Kind.DEALLOCATE: _deallocate,
    Kind.CLOSE: _close,
    Kind.LISTEN_NOTIFY: _listen,
    Kind.EMPTY: _empty,
}
KINDS = frozenset(_ACTIONS)
"""The statement kinds that `run` carries out."""
