"""Loading: files, versions, and problems that name file, line, rule, field and near miss."""

from __future__ import annotations

from pathlib import Path

import pytest

from policies.document import FILE_BYTES_MAX
from policies.errors import PolicyLoadError
from policies.load import load, load_texts, version_of
from policies.secret import Secret
from tests.policies.writing import HEADER, KEYS, ORDERS, policy, problems

TABLES = """\
tables:
  public.orders:
    columns: {id: visible}
    rules:
      - grant: all
        roles: everyone
"""


def refused(texts: dict[str, str]) -> str:
    with pytest.raises(PolicyLoadError) as caught:
        load_texts(texts, KEYS)
    return str(caught.value)


def test_files_and_folders(tmp_path: Path) -> None:
    (tmp_path / "b.yaml").write_text("version: 1\n" + TABLES, encoding="utf-8")
    (tmp_path / "a.yml").write_text("version: 1\nroles: {x: X}\n", encoding="utf-8")
    (tmp_path / "ignored.txt").write_text("{", encoding="utf-8")
    policies, warnings = load([tmp_path])
    assert set(policies.tables) == {ORDERS}
    assert policies.roles == {"x": "X"}
    assert warnings == ()
    alone, _ = load([tmp_path / "b.yaml"])
    assert alone.version != policies.version


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("missing.yaml", None, "cannot be read"),
        ("binary.yaml", b"\xff\xfe\x00", "not UTF-8"),
        ("empty.yaml", b"", "is empty"),
        ("comment.yaml", b"# nothing\n", "is empty"),
        ("large.yaml", b"#" + b"x" * FILE_BYTES_MAX, "at most"),
    ],
)
def test_unreadable_files(tmp_path: Path, name: str, content: bytes | None, message: str) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(PolicyLoadError, match=message):
        load([tmp_path / name])


def test_no_file_at_all(tmp_path: Path) -> None:
    for paths in ([], [tmp_path]):
        with pytest.raises(PolicyLoadError, match="policy files are needed"):
            load(paths)


def test_the_version_follows_content_not_folder() -> None:
    one = version_of({"/a/p.yaml": "x", "/a/q.yaml": "y"})
    assert one == version_of({"/b/q.yaml": "y", "/b/p.yaml": "x"})
    assert one != version_of({"/a/p.yaml": "xy", "/a/q.yaml": ""})
    assert one != version_of({"/a/p.yaml": "y", "/a/q.yaml": "x"})
    assert len(one) == 64


@pytest.mark.parametrize(
    "text",
    [
        "version: 1\n",
        "version: 1\ntables: {}\n",
        "version: 1\ntables: {a.b: {columns: {c: visible}}}\n",
        "version: 1\ntables: {a.b: {columns: {c: visible}, rules: [{deny: d}]}}\n",
    ],
)
def test_a_policy_that_grants_nothing_is_refused(text: str) -> None:
    assert "no rule grants anything" in refused({"p.yaml": text})


def test_a_table_without_grants_is_a_warning() -> None:
    text = HEADER + TABLES + "  public.other:\n    columns: {id: visible}\n"
    _, warnings = load_texts({"p.yaml": text}, KEYS)
    assert [(w.rule, w.is_warning) for w in warnings] == [("public.other", True)]


@pytest.mark.parametrize("text", ["version: 2\n", "version: '1.0'\n", "tables: {}\n", "version:\n"])
def test_versions(text: str) -> None:
    assert "version" in refused({"p.yaml": text})


def test_keys_must_be_given_and_long() -> None:
    text = HEADER + TABLES
    with pytest.raises(PolicyLoadError, match='no key material was given for the key "pseudonym"'):
        load_texts({"p.yaml": text}, {})
    with pytest.raises(PolicyLoadError, match="shorter than 32 bytes"):
        load_texts({"p.yaml": text}, {"pseudonym": Secret(b"short")})
    load_texts({"p.yaml": text}, None)


def test_two_files_may_not_declare_the_same() -> None:
    other = "version: 1\nroles: {analyst: again}\nsource: other\n"
    first = HEADER.replace("version: 1", "version: 1\nsource: main") + TABLES
    text = refused({"a.yaml": first, "b.yaml": other})
    assert 'b.yaml:2: roles.analyst: "analyst" is declared twice' in text
    assert 'b.yaml:3: source: "source" is given in two files' in text
    assert "p.yaml:21 already" in refused(
        {"p.yaml": HEADER + TABLES, "q.yaml": "version: 1\n" + TABLES}
    )


def test_declarations_of_one_file_serve_the_others() -> None:
    tables = "version: 1\n" + TABLES.replace("everyone", "[analyst]")
    policies, _ = load_texts({"a.yaml": tables, "z.yaml": HEADER}, KEYS)
    assert set(policies.tables) == {ORDERS}


def test_every_problem_is_told_at_once_with_line_rule_field_and_near_miss() -> None:
    found = problems("""\
        tables:
          public.orders:
            columns: {id: visible, phone: {mask: last_fuor}}
            rules:
              - grant: own
                roles: [analist]
                where: tenant = claim('tenent')
                columns: [id, phon]
        """)
    first = HEADER.count("\n")
    assert [(p.line - first, p.rule, p.field, p.suggestion) for p in found] == [
        (3, "public.orders", "columns.phone.mask", "last_four"),
        (8, "public.orders / own", "columns.2", "phone"),
        (6, "public.orders / own", "roles.1", "analyst"),
        (7, "public.orders / own", "where", "tenant"),
    ]
    assert all(p.file == "p.yaml" for p in found)
    assert "(at character 10)" in found[-1].message


def test_the_smallest_loads() -> None:
    assert set(policy(TABLES).tables) == {ORDERS}
