"""`SELECT current_setting(…), set_config(…)`: settings read and changed in the form of a query.

Drivers use it around their own catalog queries (asyncpg, npgsql, pgAdmin). A query that consists of
such calls with literal arguments and of nothing else is answered from the session's virtual
settings, and so is pgAdmin's way to set what only exists (`… FROM pg_show_all_settings() WHERE
name = '…'`); any other use of these functions is judged, and refused, by the allow-list.

This file must not know sockets, sources or policies.
"""

from __future__ import annotations

from dataclasses import dataclass

from postgast import pg_query_pb2 as pb

from proxy.faults import Fault, NotFoundFault
from proxy.rows import Answer, text_fields
from proxy.session import Session
from proxy.setting_values import boolean
from proxy.settings import SETTINGS
from proxy.sql import tree
from proxy.sql.parse import Statement
from proxy.wire.backend import FieldDescription

_ARGUMENTS = {"current_setting": (1, 2), "set_config": (3,)}
_TABLES = ("pg_show_all_settings()", "pg_settings", "pg_catalog.pg_settings")
_EXISTING = frozenset(setting.name for setting in SETTINGS.values())


@dataclass(frozen=True, slots=True)
class SettingCall:
    """One column: its label, the function, and the texts of its arguments."""

    label: str
    function: str
    arguments: tuple[str, ...]
    truth: bool = False
    """What its Boolean argument says: `is_local` or `missing_ok`."""


def setting_calls(statement: Statement) -> tuple[SettingCall, ...] | None:
    """The calls that a query consists of, or None when it is any other query. Raises Fault 22P02
    for a Boolean that is none, which Postgres finds before it runs anything."""
    select = statement.node
    if not all(target.res_target.val.HasField("func_call") for target in select.target_list):
        return None
    bare = pb.SelectStmt(
        target_list=select.target_list, limit_option=select.limit_option, op=select.op
    )
    if not select.target_list:
        return None
    is_bare = select == bare
    if not is_bare and (len(select.from_clause) != 1 or not select.HasField("where_clause")):
        return None
    found = [_call(target.res_target, statement) for target in select.target_list]
    calls = tuple(call for call in found if call is not None)
    if len(calls) != len(found):
        return None
    return calls if is_bare or _is_of_existing(select, calls) else None


def _is_of_existing(select: tree.Node, calls: tuple[SettingCall, ...]) -> bool:
    """Whether the rest of the query finds exactly the row of the one setting that is called."""
    names = {call.arguments[0] for call in calls}
    if len(names) != 1 or not names & _EXISTING:
        return False
    rest = pb.SelectStmt()
    rest.CopyFrom(select)
    rest.ClearField("target_list")
    texts = [f"SELECT FROM {one} WHERE name = '{next(iter(names))}'" for one in _TABLES]
    known = [tree.parse_tree(text).stmts[0].stmt.select_stmt for text in texts]
    return any(tree.same_tree(rest, one) for one in known)


def _call(target: tree.Node, statement: Statement) -> SettingCall | None:
    if not target.val.HasField("func_call"):
        return None
    call = target.val.func_call
    names = tree.names(call.funcname)
    function = names[-1]
    if names[:-1] not in ((), ("pg_catalog",)) or len(call.args) not in _ARGUMENTS.get(
        function, ()
    ):
        return None
    plain = pb.FuncCall(
        funcname=call.funcname, args=call.args, funcformat=call.funcformat, location=call.location
    )
    arguments = [_literal(argument) for argument in call.args]
    if call != plain or any(argument is None for argument in arguments):
        return None
    texts = tuple(argument for argument in arguments if argument is not None)
    last = max(_ARGUMENTS[function])
    truth = len(texts) == last and _truth(texts[-1], call.args[-1], statement)
    return SettingCall(target.name or function, function, texts, truth)


def _literal(node: tree.Node) -> str | None:
    while node.HasField("type_cast"):
        node = node.type_cast.arg
    if not node.HasField("a_const") or node.a_const.isnull:
        return None
    if node.a_const.HasField("boolval"):
        return "true" if node.a_const.boolval.boolval else "false"
    return str(node.a_const.sval.sval) if node.a_const.HasField("sval") else None


def fields(calls: tuple[SettingCall, ...]) -> tuple[FieldDescription, ...]:
    """The columns of the answer, all text as in Postgres."""
    return text_fields(*(call.label for call in calls))


def run(calls: tuple[SettingCall, ...], session: Session) -> Answer:
    """Carry the calls out from left to right. Raises Fault 42704, 42501, 22023, 25001."""
    row = tuple(_value(call, session) for call in calls)
    return Answer("SELECT 1", fields(calls), (row,))


def _value(call: SettingCall, session: Session) -> str | None:
    name = call.arguments[0]
    if call.function == "set_config":
        session.assign(name, call.arguments[1], is_local=call.truth)
        return session.settings.show(name)[1]
    try:
        return session.settings.show(name)[1]
    except NotFoundFault:
        if call.truth:
            return None
        raise


def _truth(text: str, node: tree.Node, statement: Statement) -> bool:
    """A boolean argument, in any spelling that the type has (PostgreSQL documentation, 8.6)."""
    try:
        return boolean(text.strip()) == "on"
    except ValueError:
        while node.HasField("type_cast"):
            node = node.type_cast.arg
        raise Fault(
            f'invalid input syntax for type boolean: "{text}"',
            sqlstate="22P02",
            position=statement.position(node.a_const.location) + statement.offset,
        ) from None
