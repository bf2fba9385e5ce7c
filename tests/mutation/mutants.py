"""The table of mutants: one place in one file, what stands there, what stands there instead.

A fragment occurs exactly once in its file (`test_mutants.py` holds that), so a mutant goes stale
loudly. `what` says which visitor is removed or inverted.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Mutant:
    """`fragment` of `path` becomes `replacement`."""

    path: str
    what: str
    fragment: str
    replacement: str


def _in(path: str, *rows: tuple[str, str, str]) -> tuple[Mutant, ...]:
    return tuple(Mutant(f"proxy/sql/{path}", *row) for row in rows)


CLASSIFY = _in(
    "classify.py",
    ("unknown node kinds pass", "if rule is None:", "if False:"),
    ("SELECT INTO passes", 'if message.HasField("into_clause"):', "if False:"),
    ("writes in WITH pass", 'if not message.ctequery.HasField("select_stmt"):', "if False:"),
    ("no rule for functions", '"FuncCall": _function,', '"FuncCall": lambda message, facts: None,'),
    ("no rule for operators", '"A_Expr": _operator,', '"A_Expr": lambda message, facts: None,'),
    (
        "functional notation passes",
        '"A_Indirection": _indirection,',
        '"A_Indirection": lambda message, facts: None,',
    ),
    (
        "operators of subqueries pass",
        '"SubLink": _sub_link_operator,',
        '"SubLink": lambda message, facts: None,',
    ),
    ("types pass", '"TypeName": _type,', '"TypeName": lambda message, facts: None,'),
    (
        "TABLESAMPLE passes",
        '"RangeTableSample": _sample,',
        '"RangeTableSample": lambda message, facts: None,',
    ),
    ("XML of the catalog passes", "if uses_xml(query):", "if False:"),
    ("catalog and data mix", "if len(catalog) != len(bases):", "if False:"),
)
COPY = _in(
    "copy_to.py",
    ("COPY to files passes", "if node.is_program or node.filename:", "if False:"),
)
BIND = _in(
    "bind.py",
    (
        "a WITH name is in force outside its query",
        "scope = CteScope(ctes)\n        bound: list[Cte] = []",
        "scope = ctes\n        bound: list[Cte] = []",
    ),
    ("ORDER BY never names an output", "if name is None or name not in outputs:", "if True:"),
    (
        "GROUP BY prefers outputs",
        "if name in outputs and not self._is_input(name, node, scope):",
        "if name in outputs:",
    ),
)
SCOPING = (
    *_in(
        "from_clause.py",
        (
            "aliases of columns are ignored",
            "replace(output, name=aliases[position] if position < len(aliases) else output.name)",
            "output",
        ),
        (
            "lateral needs are forgotten",
            "_find_lateral_needs(binder, select)\n\n\ndef renamed",
            "pass\n\n\ndef renamed",
        ),
        (
            "what JSON_TABLE and XMLTABLE read is not bound",
            "    binder.expressions([node], context.lateral(), context.ctes)\n",
            "",
        ),
        (
            "columns of nested paths are forgotten",
            "yield from _json_columns(binder, column.columns)",
            "pass",
        ),
        (
            "a full join is taken apart",
            "if join.jointype == pb.JOIN_INNER and not names and not has_alias:",
            "if not names and not has_alias:",
        ),
    ),
    *_in(
        "grouping.py",
        ("no dependent columns", "_add(bound, select, item, grouped, owners)\n\n\n", "pass\n\n\n"),
    ),
    *_in(
        "level.py",
        (
            "HAVING is no expression of its level",
            "(node.where_clause, node.having_clause)",
            "(node.where_clause,)",
        ),
        ("join conditions are no expressions", "    found += select.join_conditions\n", ""),
    ),
)
XML = (
    *_in(
        "xml.py",
        (
            "elements are named as the guard's columns",
            'if not target.name and target.val.HasField("column_ref"):',
            "if False:",
        ),
        (
            "XML in keywords is printed as it comes",
            "if tree.kind(node) not in _CLOSED:",
            "if False:",
        ),
        (
            "casts to XML are no XML",
            "return tree.names(message.names)[-1:] == (_TYPE,)",
            "return False",
        ),
    ),
    *_in("exact.py", ("XML of several sources passes", "if uses_xml(bound.node):", "if False:")),
)
SAFETY = _in(
    "safety.py",
    (
        "JSON_TABLE and XMLTABLE are quiet",
        "if len(message.functions) != 1:\n        return False",
        "if len(message.functions) != 1:\n        return True",
    ),
    (
        "every cast is safe",
        "if message.type_name.typmods:\n            return False\n        given = self.type_of(argument)\n        return (given == wanted != 0 or total.is_total_cast(given, wanted)) and self.is_safe(\n            argument\n        )",
        "return True",
    ),
    (
        "every operator is total",
        "return total.is_total_operator(name, left_oid, right_oid, _literal(right))",
        "return True",
    ),
    (
        "every function is total",
        "if not total.is_total_function(names[-1], known, texts):",
        "if False:",
    ),
    ("every output is safe", "known = self.is_safe(output.expression)", "known = True"),
    (
        "every arm is safe",
        "known = is_one_type and all(map(self.output_is_safe, output.arms))",
        "known = True",
    ),
    (
        "every list of values is safe",
        "known = self._are_safe_together(list(output.values))",
        "known = True",
    ),
    (
        "every subquery is quiet",
        "if not self.is_quiet(query):\n            return False\n        match",
        "match",
    ),
    ("every subquery gives one row", "return self._gives_one_row(query)", "return True"),
    (
        "arrays of arrays are total",
        "return oid != 0 and CLASSIFICATION.element_type(oid) == 0",
        "return True",
    ),
    (
        "views are quiet",
        'return base.is_stored and not any(c.generated == "v" for c in base.columns)',
        'return not any(c.generated == "v" for c in base.columns)',
    ),
    (
        "virtual columns are quiet",
        'return base.is_stored and not any(c.generated == "v" for c in base.columns)',
        "return base.is_stored",
    ),
    (
        "functions in FROM are quiet",
        "return _is_total_range_function(item.node.range_function)",
        "return True",
    ),
    (
        "every min and max is quiet",
        'is_known = all(self.is_total("<", argument, argument) for argument in message.args)',
        "is_known = True",
    ),
    (
        "frames are quiet",
        'return bool(window.HasField("start_offset") or window.HasField("end_offset"))',
        "return False",
    ),
    ("negative limits are quiet", "and node.a_const.ival.ival >= 0", ""),
    (
        "unknown expressions are safe",
        "            case _:\n                return False\n\n    def _is_safe_reference",
        "            case _:\n                return True\n\n    def _is_safe_reference",
    ),
    (
        "comparisons with arrays are safe",
        "                return name in COMPARISONS and self._is_safe_array_comparison(name, left, right)",
        "                return True",
    ),
)
COLLATION = (
    *_in(
        "collation.py",
        (
            "any collations agree",
            "return len(found) <= 1 and all(column.is_deterministic for column in columns)",
            "return all(column.is_deterministic for column in columns)",
        ),
        (
            "nondeterministic collations agree",
            "return len(found) <= 1 and all(column.is_deterministic for column in columns)",
            "return len(found) <= 1",
        ),
    ),
    *_in(
        "pattern.py",
        (
            "ill-formed patterns pass",
            "            if message.kind in (pb.AEXPR_OP_ANY, pb.AEXPR_OP_ALL):\n                _settle_array",
            "            if True:\n                continue\n            if message.kind in (pb.AEXPR_OP_ANY, pb.AEXPR_OP_ALL):\n                _settle_array",
        ),
        ("functions that are LIKE pass", "if name in PATTERN_FUNCTIONS:", "if False:"),
        ("computed patterns are not wrapped", "        _wrap(pattern)\n\n", "        pass\n\n"),
    ),
)
FENCE = _in(
    "fence.py",
    (
        "no level is fenced",
        "plan.has_core = needs_fence and any(",
        "plan.has_core = False and any(",
    ),
    ("unsafe conditions need no fence", "            or bool(unsafe)\n", ""),
    (
        "noisy neighbours need no fence",
        "            or (bool(noisy) and len(select.units) > 1)\n",
        "",
    ),
    ("keys need no fence", "            or not self._are_keys_harmless(select)\n", ""),
    ("nobody is forced", "is_forced = self.forced[id(query)]", "is_forced = False"),
    (
        "unsafe conditions stay in the core",
        "stays_out = id(part) in unsafe or self._reads(part, select, outside_items)",
        "stays_out = self._reads(part, select, outside_items)",
    ),
    (
        "relations of a noisy join stay open",
        "            if item.kind is ItemKind.RELATION:\n                self.fences.relations.add(id(item))\n        for query",
        "            pass\n        for query",
    ),
    (
        "views stay open",
        "if item.kind is ItemKind.RELATION and not self.safety.is_quiet_item(item):",
        "if False:",
    ),
    (
        "HAVING is harmless",
        "if not self._is_harmless_having(node.having_clause, select):",
        "if False:",
    ),
    (
        "DISTINCT is harmless",
        "if is_distinct and not all(map(self._is_harmless_output, select.outputs)):",
        "if False:",
    ),
    (
        "keys within aggregates are harmless",
        "return all(self._are_inner_keys_safe(place, select) for place in places)",
        "return True",
    ),
    (
        "set operations are harmless",
        "self._demand(arm, is_forced=is_forced or exposed)",
        "self._demand(arm, is_forced=is_forced)",
    ),
    (
        "conditions of joins are quiet",
        "return all(map(self.safety.is_safe, unit.join.conditions)) and all(",
        "return all(",
    ),
    (
        "subqueries are never forced",
        "self._demand(sublink, is_forced=not self.safety.is_quiet(sublink))",
        "self._demand(sublink, is_forced=False)",
    ),
)
STATISTICS = (
    *_in(
        "fence.py",
        (
            "one half of HAVING excuses the other",
            "return all(self._is_harmless_having(part, select) for part in tree.unions(message))",
            "return True",
        ),
    ),
    *_in(
        "guard.py",
        (
            "a core lets statistics pass",
            "if not is_calm(output, self.bound.refs):",
            "if False:",
        ),
        (
            "a fence of a relation lets statistics pass",
            "restless = restless_columns(base.columns) if is_fenced else frozenset()",
            "restless: frozenset[str] = frozenset()",
        ),
    ),
    *_in(
        "statistics.py",
        (
            "every output of a subquery is calm",
            'if expression is None or not expression.HasField("column_ref"):\n            return False',
            'if expression is None or not expression.HasField("column_ref"):\n            return True',
        ),
        (
            "every collation is calm",
            "return column.collation is None and column.type_oid in _CALM_OIDS",
            "return column.type_oid in _CALM_OIDS",
        ),
        (
            "every type is calm",
            "return column.collation is None and column.type_oid in _CALM_OIDS",
            "return column.collation is None",
        ),
    ),
)
GUARD = _in(
    "guard_query.py",
    (
        "no row filter",
        'if decision.row_filter != "true":\n        condition',
        "if False:\n        condition",
    ),
    ("no masks", "if column.expression is not None:", "if False:"),
    ("no fence of its own", "    if shape.is_fenced:\n", "    if False:\n"),
    (
        "ONLY is forgotten",
        'relation.inh, relation.relpersistence = not shape.is_only, "p"',
        'relation.inh, relation.relpersistence = True, "p"',
    ),
    (
        "a guard is remembered with another person's values",
        "if not is_shared:",
        "if False:",
    ),
    (
        "a remembered guard keeps its first numbers",
        "found = known.queries.get(places)",
        "found = next(iter(known.queries.values()))",
    ),
) + _in(
    "guard.py",
    (
        "relations are not replaced",
        "                    self._replace(item)\n",
        "                    pass\n",
    ),
    ("a core without OFFSET", "core.limit_offset.CopyFrom(tree.integer(0))", "pass"),
    ("conditions above the core are lost", "if above is not None:", "if False:"),
    (
        "claims are the client's parameters",
        "return self.parameter_count + 1 + list(self.slots).index(name)",
        "return 1 + list(self.slots).index(name)",
    ),
)
VERIFY = _in(
    "verify.py",
    (
        "the printed text need not be the tree",
        "if tree.strip_locations(again) != tree.strip_locations(printed):",
        "if False:",
    ),
    (
        "relations may stand anywhere",
        "if message.schemaname or message.catalogname or message.relname not in with_names:",
        "if False:",
    ),
    ("guards may be missing", "if any(self.expected.values()):", "if False:"),
    (
        "guards may differ",
        "if plain is None or self.expected[plain] <= 0:",
        "if plain is None:\n            return True\n        if self.expected[plain] <= 0:",
    ),
    (
        "a guard is known by where it begins",
        "if form.text and begin >= 0 and self.text.startswith(form.text, begin):",
        "if form.text and begin >= 0:",
    ),
    (
        "any function may run",
        "if not verdict.is_allowed or (names[0] != verdict.schema and not is_bare):",
        "if False:",
    ),
    (
        "any operator may run",
        "if not operator.is_allowed or (len(names) > 1 and names[0] != operator.schema):",
        "if False:",
    ),
    (
        "operators of other schemas may run",
        "if not operator.is_allowed or (len(names) > 1 and names[0] != operator.schema):",
        "if not operator.is_allowed:",
    ),
    (
        "operators of subqueries may be any",
        'elif name == "SubLink" and message.oper_name:',
        "elif False:",
    ),
    (
        "operators of ORDER BY may be any",
        'elif name == "SortBy" and message.use_op:',
        "elif False:",
    ),
    ("any parameter may be read", "not 1 <= message.number <= self.parameter_count:", "False:"),
    (
        "identities may be told",
        'elif name == "SQLValueFunction" and message.op in _IDENTITY_KEYWORDS:',
        "elif False:",
    ),
    (
        "anything may be run",
        'if name in _FORBIDDEN or (name.endswith("Stmt") and name != "SelectStmt"):',
        "if False:",
    ),
    ("WITH may hold anything", 'if not expression.ctequery.HasField("select_stmt"):', "if False:"),
)
IDENTITY = _in(
    "identity.py",
    (
        "the source tells who it is",
        "if not _is_identity(node):\n        return False",
        "return False",
    ),
    (
        "unknown functions pass",
        "if verdict.kind is Kind.UNKNOWN or (len(names) == 2 and names[0] != verdict.schema):",
        "if False:",
    ),
    (
        "functions are found by path",
        "call.funcname.extend(tree.name_list((verdict.schema, names[0])))",
        "call.funcname.extend(tree.name_list((names[0],)))",
    ),
    (
        "chained tests are not parted",
        "if tree.kind(argument) in _TESTS or is_distinct:",
        "if False:",
    ),
)

PIPELINE = _in(
    "pipeline.py",
    ("parameters may be of any type", "    _check_parameters(parameter_oids)\n", ""),
)

MUTANTS = (
    *CLASSIFY, *COPY, *PIPELINE, *BIND, *SCOPING, *XML, *SAFETY, *COLLATION, *FENCE, *STATISTICS, *GUARD, *VERIFY, *IDENTITY,
)  # fmt: skip
