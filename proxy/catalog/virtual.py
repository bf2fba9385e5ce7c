"""What exists: relations, columns and types of the sources, and what one class sees of them.

Pure values. A `SourceCatalog` is everything that introspection found in one source; a
`ClassCatalog` is the part that principals with the same visible schema share (a *visibility
class*). Existence depends on roles only, never on claim values, so classes stay few.

This file must not know connections, policies' rules, or SQL text. INVARIANT I7: names are looked
up, and near misses suggested, among visible relations only: hidden and absent cannot differ here.
"""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import MappingProxyType
from typing import Final

from policies.model import RelationKey, VisibleColumn
from proxy.catalog.extension import Extension

SUGGESTION_NAMES_MAX: Final = 5_000  # names compared for one suggestion: some 10 ms of difflib
SUGGESTION_SIMILARITY_MIN: Final = 0.7  # "custmers" suggests "customers"; "orders" nothing

# The OIDs of built-in types are fixed (src/include/catalog/pg_type.dat), the same in every major.
# Names as format_type() prints them; a mask's declared type must be one of these.
BUILT_IN_TYPE_OIDS: Final[Mapping[str, int]] = MappingProxyType(
    {
        "boolean": 16, "bytea": 17, "bigint": 20, "smallint": 21, "integer": 23, "text": 25,
        "oid": 26, "json": 114, "xml": 142, "real": 700, "double precision": 701, "money": 790,
        "macaddr": 829, "inet": 869, "cidr": 650, "character": 1042, "character varying": 1043,
        "date": 1082, "time without time zone": 1083, "timestamp without time zone": 1114,
        "timestamp with time zone": 1184, "interval": 1186, "time with time zone": 1266,
        "bit": 1560, "bit varying": 1562, "numeric": 1700, "uuid": 2950, "jsonb": 3802,
        "boolean[]": 1000, "bytea[]": 1001, "bigint[]": 1016, "smallint[]": 1005,
        "integer[]": 1007, "text[]": 1009, "json[]": 199, "jsonb[]": 3807, "real[]": 1021,
        "double precision[]": 1022, "numeric[]": 1231, "uuid[]": 2951, "date[]": 1182,
        "timestamp with time zone[]": 1185, "timestamp without time zone[]": 1115,
        "character varying[]": 1015,
    }
)  # fmt: skip

_TYPE_SYNONYMS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "bool": "boolean", "int": "integer", "int2": "smallint", "int4": "integer",
        "int8": "bigint", "float4": "real", "float8": "double precision", "decimal": "numeric",
        "varchar": "character varying", "char": "character", "bpchar": "character",
        "timestamptz": "timestamp with time zone", "timestamp": "timestamp without time zone",
        "time": "time without time zone", "timetz": "time with time zone",
    }
)  # fmt: skip


class CatalogError(Exception):
    """The catalog of a source or a class cannot be made; told to the operator, never a client."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column, as `pg_attribute` and `pg_type` describe it.

    `type_name` is format_type() with its modifier, schema-qualified outside pg_catalog; `generated`
    is '', 's' (stored) or 'v' (virtual); `collation` the name of one that is not the default;
    `position` attnum; `dimensions` attndims; `type_kind` typtype (b c d e r m p); `base_type_oid`
    the type under all domains; `element_oid` 0 unless the type is an array. `is_opaque`: its source
    can hand the value over, and not compare it as Postgres does.
    """

    name: str
    type_oid: int
    type_name: str
    position: int
    typmod: int = -1
    not_null: bool = False
    generated: str = ""
    identity: str = ""
    collation: str | None = None
    is_deterministic: bool = True
    type_kind: str = "b"
    base_type_oid: int = 0
    element_oid: int = 0
    comment: str | None = None
    is_masked: bool = False
    is_opaque: bool = False
    dimensions: int = 0

    def __post_init__(self) -> None:
        if self.base_type_oid == 0:
            object.__setattr__(self, "base_type_oid", self.type_oid)


@dataclass(frozen=True, slots=True)
class ForeignKey:
    """`columns` of this relation refer to `referenced_columns` of another, in the same order."""

    name: str
    columns: tuple[str, ...]
    referenced_schema: str
    referenced_name: str
    referenced_columns: tuple[str, ...]
    on_update: str = "a"  # pg_constraint.confupdtype: a r c n d
    on_delete: str = "a"


@dataclass(frozen=True, slots=True)
class TypeAttribute:
    """One attribute of a composite type."""

    name: str
    type_oid: int
    type_name: str


@dataclass(frozen=True, slots=True)
class TypeDefinition:
    """A type outside pg_catalog that some column uses, directly or through another type.

    `kind` is typtype; `category` typcategory; `labels` of an enum; `attributes` of a composite;
    `base_type_oid`, `base_type_name`, `not_null` of a domain; `extension` the one that owns it.
    `size` is typlen: bytes, or -1 for a varying length. `is_row_type`: it is a table's own row, so
    telling its attributes would tell that table.
    """

    oid: int
    schema: str
    name: str
    kind: str
    array_oid: int = 0
    category: str = "U"
    size: int = -1
    labels: tuple[str, ...] = ()
    attributes: tuple[TypeAttribute, ...] = ()
    base_type_oid: int = 0
    base_type_name: str | None = None
    not_null: bool = False
    is_row_type: bool = False
    extension: str | None = None
    comment: str | None = None


@dataclass(frozen=True)
class Relation:
    """One table, partitioned table, materialized view, view or foreign table (`kind`: r p m v f).

    `fingerprint`, hex SHA-256, changes when the relation is replaced or its columns change (drift).
    """

    source: str
    schema: str
    name: str
    kind: str
    columns: tuple[Column, ...]
    oid: int = 0
    primary_key: tuple[str, ...] = ()
    unique_keys: tuple[tuple[str, ...], ...] = ()
    foreign_keys: tuple[ForeignKey, ...] = ()
    comment: str | None = None
    is_partition: bool = False
    fingerprint: str = ""

    @property
    def key(self) -> RelationKey:
        return RelationKey(self.source, self.schema, self.name)

    @property
    def is_stored(self) -> bool:
        """Whether its rows lie in storage: reading a column of it computes nothing."""
        return self.kind in "rpm"

    def column(self, name: str) -> Column | None:
        return next((column for column in self.columns if column.name == name), None)

    @cached_property
    def told_columns(self) -> str:
        """A digest of all its columns: most classes see most tables whole."""
        return _digest(self.columns)


def _digest(columns: tuple[Column, ...]) -> str:
    return hashlib.sha256(repr(columns).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class TextRules:
    """How a database orders texts and which letters it knows: `collate` and `ctype` as locale
    names, code point order always as "C"; an ICU locale with the prefix `icu:`."""

    collate: str = "C"
    ctype: str = "C"


@dataclass(frozen=True)
class SourceCatalog:
    """Everything that introspection found in one source. `server_version` as 160014 for 16.14.

    `text_rules` None: it has none of its own, and follows those of whom it is joined with.
    `is_files`: it holds files, so that a Postgres of the gate runs what is asked of it.
    """

    source: str
    server_version: int
    relations: Mapping[RelationKey, Relation]
    types: Mapping[int, TypeDefinition] = field(default_factory=dict)
    schema_comments: Mapping[str, str | None] = field(default_factory=dict)
    extensions: tuple[Extension, ...] = ()
    text_rules: TextRules | None = TextRules()
    is_files: bool = False

    @property
    def digest(self) -> str:
        """Hex SHA-256 over everything that the shadow may show: equal digests, equal catalogs.

        A new label of an enum, a key or a comment changes no fingerprint, yet the shadow must
        learn it."""
        lines = sorted(
            f"{relation.fingerprint}\0{relation!r}" for relation in self.relations.values()
        )
        lines += [f"{name}\0{text}" for name, text in sorted(self.schema_comments.items())]
        lines += [repr(self.types[oid]) for oid in sorted(self.types)]
        lines += map(repr, self.extensions)
        lines.append(repr(self.text_rules))
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()


@dataclass(frozen=True)
class VisibleRelation:
    """One relation as a class sees it: `columns` in table order, masked types applied.

    `comment` is the policy's, or else the source's own.
    """

    relation: Relation
    columns: tuple[Column, ...]
    comment: str | None = None

    @property
    def schema(self) -> str:
        return self.relation.schema

    @property
    def name(self) -> str:
        return self.relation.name

    def column(self, name: str) -> Column | None:
        return next((column for column in self.columns if column.name == name), None)

    def has_clear(self, names: Iterable[str]) -> bool:
        """Whether all these columns are visible and unmasked: only then may a key be told."""
        clear = {column.name for column in self.columns if not column.is_masked}
        return clear.issuperset(names)

    @property
    def primary_key(self) -> tuple[str, ...]:
        """The primary key if all of it is visible and unmasked, else empty."""
        key = self.relation.primary_key
        return key if self.has_clear(key) else ()

    @property
    def unique_keys(self) -> tuple[tuple[str, ...], ...]:
        return tuple(key for key in self.relation.unique_keys if self.has_clear(key))


@dataclass(frozen=True)
class ClassCatalog:
    """The schema that one visibility class sees. `key`: hex digest of it; equal schemas share one.

    `relations` is keyed by (schema, name): all sources stand behind one virtual database. `types`
    and `text_rules` are by source, `files` the sources of files. `extensions` are those that
    the operator trusts and a source has: the same in every class.
    """

    key: str
    relations: Mapping[tuple[str, str], VisibleRelation]
    types: Mapping[str, Mapping[int, TypeDefinition]] = field(default_factory=dict)
    schema_comments: Mapping[str, str | None] = field(default_factory=dict)
    text_rules: Mapping[str, TextRules] = field(default_factory=dict)
    extensions: tuple[Extension, ...] = ()
    files: frozenset[str] = frozenset()

    @property
    def schemas(self) -> frozenset[str]:
        """The schemas in which names may be found."""
        own = {schema for schema, _ in self.relations}
        return frozenset(own | {extension.schema for extension in self.extensions})

    def resolve(
        self, schema: str | None, name: str, search_path: Sequence[str] = ("public",)
    ) -> VisibleRelation | None:
        """The relation that `schema.name`, or a bare `name` on `search_path`, means, or None.

        Names are compared exactly: folding and truncation are the caller's.
        """
        schemas = (schema,) if schema is not None else search_path
        for candidate in schemas:
            found = self.relations.get((candidate, name))
            if found is not None:
                return found
        return None

    def suggest(
        self, schema: str | None, name: str, search_path: Sequence[str] = ("public",)
    ) -> str | None:
        """A visible relation that the writer of an unresolvable name may have meant, else None.

        First one of the same name in another schema, then the most similar name; qualified unless
        it is found on `search_path`.
        """
        same = [key for key in self.relations if key[1] == name]
        if not same:
            names = sorted({key[1] for key in self.relations})[:SUGGESTION_NAMES_MAX]
            close = difflib.get_close_matches(name, names, 1, SUGGESTION_SIMILARITY_MIN)
            same = [key for key in self.relations if close and key[1] == close[0]]
        if not same:
            return None
        found_schema, found_name = min(same, key=lambda key: (key[0] != schema, key))
        on_path = self.resolve(None, found_name, search_path)
        if schema is None and on_path is not None and on_path.schema == found_schema:
            return found_name
        return f"{found_schema}.{found_name}"


def type_oid_of(type_name: str) -> int:
    """OID of a built-in type by the name a policy may write (`text`, `varchar(10)`, `numeric[]`).

    Raises CatalogError for a type that is not built in.
    """
    bare = type_name.strip().lower()
    suffix = "[]" if bare.endswith("[]") else ""
    bare = bare.removesuffix("[]").split("(")[0].strip()
    name = _TYPE_SYNONYMS.get(bare, bare) + suffix
    if name not in BUILT_IN_TYPE_OIDS:
        raise CatalogError(f"`{type_name}` is not a built-in type that a mask may declare")
    return BUILT_IN_TYPE_OIDS[name]


def visible_relation(
    relation: Relation, visible: Iterable[VisibleColumn], comment: str | None = None
) -> VisibleRelation:
    """`relation` reduced to the `visible` columns, in table order, with masks and comments applied.

    `comment` of the policy; "" hides the source's. A name in `visible` that the relation does not
    have is left out: drift is found elsewhere.
    """
    wanted = {column.name: column for column in visible}
    columns = []
    for column in relation.columns:
        shown = wanted.get(column.name)
        if shown is None:
            continue
        comment_told = shown.told(column.comment)
        if comment_told != column.comment:
            column = replace(column, comment=comment_told)
        if shown.type_name is not None:
            column = _masked(column, shown.type_name)
        elif shown.mask is not None:
            column = replace(column, not_null=False, generated="", identity="", is_masked=True)
        columns.append(column)
    told = relation.comment if comment is None else comment
    return VisibleRelation(relation, tuple(columns), told or None)


def _masked(column: Column, type_name: str) -> Column:
    """The column as a computed value of the mask's type: nullable, without the source's extras."""
    oid = type_oid_of(type_name)
    element = type_oid_of(type_name.strip().removesuffix("[]")) if "[]" in type_name else 0
    return replace(
        column,
        type_oid=oid,
        type_name=type_name,
        typmod=-1,
        not_null=False,
        generated="",
        identity="",
        collation=None,
        is_deterministic=True,
        type_kind="b",
        base_type_oid=oid,
        element_oid=element,
        dimensions=1 if element else 0,
        is_masked=True,
    )


def class_catalog(
    catalogs: Iterable[SourceCatalog],
    visible: Mapping[RelationKey, Sequence[VisibleColumn]],
    table_comments: Mapping[RelationKey, str] = MappingProxyType({}),
) -> ClassCatalog:
    """The catalog of the class that sees these columns of these relations, and nothing else.

    `table_comments` are the policy's, where it has any.
    Relations named in `visible` that no source has are left out. Raises CatalogError when two
    sources bring relations of one schema and name.
    """
    relations: dict[tuple[str, str], VisibleRelation] = {}
    types: dict[str, dict[int, TypeDefinition]] = {}
    comments: dict[str, str | None] = {}
    extensions: dict[str, Extension] = {}
    rules: dict[str, TextRules] = {}
    files = set()
    for catalog in catalogs:
        if catalog.is_files:
            files.add(catalog.source)
        seen = []
        for extension in catalog.extensions:
            extensions.setdefault(extension.name, extension)
        for key in sorted(visible):
            relation = catalog.relations.get(key)
            if relation is None:
                continue
            place = (key.schema, key.name)
            if place in relations:
                raise CatalogError(
                    f"`{key.schema}.{key.name}` exists in the sources"
                    f" `{relations[place].relation.source}` and `{key.source}`: hide one of them"
                )
            seen.append(visible_relation(relation, visible[key], table_comments.get(key)))
            relations[place] = seen[-1]
            comments.setdefault(key.schema, catalog.schema_comments.get(key.schema))
        types[catalog.source] = _needed_types(catalog, seen)
        if seen and catalog.text_rules is not None:
            rules[catalog.source] = catalog.text_rules
    key_text = json.dumps(
        [[_told(relation) for relation in relations.values()], _told_types(types), comments]
        + [repr(extension) for extension in extensions.values()],
        sort_keys=True,
        default=repr,
    )
    digest = hashlib.sha256(key_text.encode()).hexdigest()
    return ClassCatalog(
        digest,
        MappingProxyType(relations),
        types,
        comments,
        rules,
        tuple(extensions.values()),
        frozenset(files),
    )


def _needed_types(
    catalog: SourceCatalog, relations: Iterable[VisibleRelation]
) -> dict[int, TypeDefinition]:
    """Types that visible columns use, the types inside those, and those of trusted extensions; no
    other type may be told."""
    by_array = {definition.array_oid: oid for oid, definition in catalog.types.items()}
    pending = [column.type_oid for relation in relations for column in relation.columns]
    trusted = {extension.name for extension in catalog.extensions}
    pending += [oid for oid, found in catalog.types.items() if found.extension in trusted]
    needed: dict[int, TypeDefinition] = {}
    while pending:
        oid = pending.pop()
        definition = catalog.types.get(by_array.get(oid, oid))
        if definition is None or definition.oid in needed:
            continue
        needed[definition.oid] = definition
        pending.append(definition.base_type_oid)
        if not definition.is_row_type:
            pending.extend(attribute.type_oid for attribute in definition.attributes)
    return dict(sorted(needed.items()))


def _told(relation: VisibleRelation) -> list[object]:
    """Everything of a relation that its class's catalog tells, for the class's key."""
    base = relation.relation
    is_whole = len(relation.columns) == len(base.columns) and all(
        one is other for one, other in zip(relation.columns, base.columns, strict=True)
    )
    return [
        base.source, base.schema, base.name, base.kind, relation.comment,
        base.told_columns if is_whole else _digest(relation.columns),
        relation.primary_key, relation.unique_keys,
        [repr(key) for key in base.foreign_keys if relation.has_clear(key.columns)],
    ]  # fmt: skip


def _told_types(types: Mapping[str, Mapping[int, TypeDefinition]]) -> list[str]:
    return [
        f"{source}:{definition!r}"
        for source, by_oid in sorted(types.items())
        for definition in by_oid.values()
    ]
