"""Reading dynamic libraries, on ones written here."""

from __future__ import annotations

import pytest
import wasmtime

from sidecars.python.build.wasm_module import ModuleError, Pointer, Reader, To, parse, pointers

LIBRARY = """
(module
  (import "env" "memory" (memory 1))
  (import "env" "__memory_base" (global $memory i32))
  (import "env" "__table_base" (global $table i32))
  (import "env" "__indirect_function_table" (table 1 funcref))
  (import "GOT.func" "elsewhere" (global $elsewhere (mut i32)))
  (import "env" "known" (func $known (param i32)))
  (func $one (param i32 i32) (result i32) i32.const 0)
  (func $two (param i32))
  (func $fill (export "__wasm_apply_data_relocs")
    (i32.store offset=4 (i32.add (global.get $memory) (i32.const 0)) (i32.add (global.get $memory) (i32.const 12)))
    (i32.store offset=8 (global.get $memory) (i32.add (i32.const 1) (global.get $table)))
    call $more)
  (func $more (i32.store offset=20 (global.get $memory) (global.get $elsewhere)))
  (elem (global.get $table) func $one $two)
  (data (global.get $memory) "abcdefghijklname\\00"))
"""


def test_words_are_followed_to_what_they_point_to() -> None:
    module = parse(bytes(wasmtime.wat2wasm(LIBRARY)))
    assert module.memory()[12:16] == b"name"
    assert (module.signature(0), module.signature(1), module.signature(2)) == (
        ("ii", "i"),
        ("i", ""),
        None,
    )
    assert pointers(module) == {
        4: Pointer(To.MEMORY, 12),
        8: Pointer(To.FUNCTION, 1),
        20: Pointer(To.IMPORTED_FUNCTION),
    }


def test_numbers_are_read_as_the_specification_has_them() -> None:
    assert Reader(b"\xe5\x8e\x26").number() == 624_485
    assert Reader(b"\xc0\xbb\x78").number(is_signed=True) == -123_456


@pytest.mark.parametrize("content", [b"", b"no module"])
def test_what_is_no_module_is_told(content: bytes) -> None:
    with pytest.raises(ModuleError):
        parse(content)


def test_an_unknown_instruction_is_told() -> None:
    text = '(module (func (export "__wasm_apply_data_relocs") (drop (i64.const 1))))'
    with pytest.raises(ModuleError, match="instruction"):
        pointers(parse(bytes(wasmtime.wat2wasm(text))))
