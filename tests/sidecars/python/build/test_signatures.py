"""The signature check finds what would trap, on a table written here."""

from __future__ import annotations

import pytest
import wasmtime

from sidecars.python.build.signatures import check, wanted

METHODS = """
(module
  (import "env" "memory" (memory 1))
  (import "env" "__memory_base" (global $memory i32))
  (import "env" "__table_base" (global $table i32))
  (import "env" "__indirect_function_table" (table 1 funcref))
  (func $entry {signature} i32.const 0)
  (func (export "__wasm_apply_data_relocs")
    (i32.store offset=0 (global.get $memory) (i32.add (global.get $memory) (i32.const 32)))
    (i32.store offset=4 (global.get $memory) (global.get $table)))
  (elem (global.get $table) func $entry)
  (data (global.get $memory) "\\00\\00\\00\\00\\00\\00\\00\\00\\{flags}\\00\\00\\00\\00\\00\\00\\00")
  (data (i32.const 32) "name\\00"))
"""


@pytest.mark.parametrize(
    ("flags", "parameters", "is_right"),
    [
        ("04", 2, True),  # METH_NOARGS
        ("04", 1, False),
        ("08", 2, True),  # METH_O
        ("01", 2, True),  # METH_VARARGS
        ("01", 3, False),
        ("03", 3, True),  # with keywords
        ("80", 3, True),  # METH_FASTCALL
        ("82", 4, True),
        ("14", 2, True),  # METH_NOARGS | METH_CLASS
        ("14", 1, False),
    ],
)
def test_methods(flags: str, parameters: int, is_right: bool) -> None:
    signature = f"(param {' '.join(['i32'] * parameters)}) (result i32)"
    text = METHODS.replace("{signature}", signature).replace("{flags}", flags)
    report = check(bytes(wasmtime.wat2wasm(text)))
    assert report.checked == 1
    assert bool(report.wrong) is not is_right
    if not is_right:
        assert "method name" in report.wrong[0]


def test_the_tables_shorthand() -> None:
    assert (wanted("2v"), wanted("1"), wanted("-")) == (("ii", ""), ("i", "i"), None)
