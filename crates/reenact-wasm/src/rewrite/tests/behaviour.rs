use std::fmt::Write;

use wasmi::{Engine, Instance, Linker, Module, Store, Val};

use super::*;
use crate::rewrite::Number;
use reenact::session::Console;

/// A module that runs; what it imports does nothing.
struct Running {
    store: Store<()>,
    instance: Instance,
}

impl Running {
    fn new(wasm: &[u8]) -> Self {
        let engine = Engine::default();
        let module = Module::new(&engine, wasm).unwrap();
        let mut store = Store::new(&engine, ());
        let mut linker = Linker::new(&engine);
        if module.imports().any(|import| import.name() == "memory") {
            let memory = wasmi::Memory::new(&mut store, wasmi::MemoryType::new(1, Some(1))).unwrap();
            linker.define("env", "memory", memory).unwrap();
        }
        let instance = linker.instantiate_and_start(&mut store, &module).unwrap();
        Self { store, instance }
    }

    /// The results of an export as text, or `trap`.
    fn call(&mut self, name: &str, args: &[Val]) -> String {
        let function = self.instance.get_func(&self.store, name).unwrap();
        let mut results: Vec<Val> =
            function.ty(&self.store).results().iter().map(|ty| Val::default_for_ty(*ty)).collect();
        match function.call(&mut self.store, args, &mut results) {
            Ok(()) => format!("{results:?}"),
            Err(_) => "trap".to_owned(),
        }
    }

    fn stack(&self) -> i32 {
        let global = self.instance.get_global(&self.store, "reenact!stack").unwrap();
        global.get(&self.store).i32().unwrap()
    }

    fn memory(&self) -> &[u8] {
        self.instance.get_memory(&self.store, "reenact!memory").unwrap().data(&self.store)
    }
}

/// The rewritten function does what the original does, and leaves the stack counter at zero.
#[track_caller]
fn check_same(lines: &str, args: &[i32]) {
    let original = reenact1(lines);
    let mut before = Running::new(&original);
    let mut after = Running::new(&admit(&original).unwrap().wasm);
    for arg in args {
        let expected = before.call("f", &[Val::I32(*arg)]);
        assert_eq!(after.call("f", &[Val::I32(*arg)]), expected, "argument {arg}");
        if expected != "trap" {
            assert_eq!(after.stack(), 0, "argument {arg}");
        }
    }
}

/// A function is counted only if it calls something.
const CALLEE: &str = "(func $nothing)";

#[test]
fn ways_out_of_a_function() {
    let f = |text: &str| format!("{CALLEE} (func $f (export \"f\") (param i32) {text})");
    let nested = "(result i32) call $nothing (block (block (loop
        (if (i32.eq (local.get 0) (i32.const 1)) (then (return (i32.const 10))))
        (br_if 1 (i32.eq (local.get 0) (i32.const 2)))
        (br_if 3 (i32.const 30) (i32.eq (local.get 0) (i32.const 3))) drop
        (br_if 2 (i32.eq (local.get 0) (i32.const 4)))
        (local.set 0 (i32.sub (local.get 0) (i32.const 1))) (br 0)))
        (return (i32.const 20))) (i32.const 40)";
    check_same(&f(nested), &[1, 2, 3, 4, 5, 9]);
    let table = "(result i32 i64) call $nothing
        (block (result i32 i64) (i32.const 7) (i64.const 8) (br_table 0 1 1 (local.get 0)))
        drop drop (i32.const 1) (i64.const 2)";
    check_same(&f(table), &[0, 1, 2, -1]);
    let several = "(result i32 f64 i64) call $nothing (if (local.get 0)
        (then (return (i32.const 1) (f64.const 2) (i64.const 3)) (drop) (drop) unreachable))
        (i32.const 4) (f64.const 5) (i64.const 6)";
    check_same(&f(several), &[0, 1]);
    check_same(&f("call $nothing (br_if 0 (local.get 0)) unreachable"), &[1, 2, 0]);
    let factorial = "(result i32) (if (i32.eqz (local.get 0)) (then (return (i32.const 1))))
        (i32.mul (local.get 0) (call $f (i32.sub (local.get 0) (i32.const 1))))";
    check_same(&f(factorial), &[0, 1, 5, 10]);
}

#[test]
fn dead_code_and_indirect_calls() {
    let lines = r#"(table 2 funcref) (elem (i32.const 0) $a $f) (type $t (func (param i32) (result i32)))
        (func $a (param i32) (result i32) (i32.add (local.get 0) (i32.const 1)))
        (func $f (export "f") (param i32) (result i32)
            (if (i32.gt_s (local.get 0) (i32.const 5)) (then
                (return (call_indirect (type $t) (local.get 0) (i32.const 0))) f32.add drop return))
            (call_indirect (type $t) (i32.add (local.get 0) (i32.const 3)) (i32.const 1)) br 0 i32.add)"#;
    check_same(lines, &[0, 5, 6, 7]);
}

#[test]
fn endless_recursion_is_told_from_other_traps() {
    let lines = r#"(func $f (export "f") (param i32) (call $f (local.get 0)) (call $f (local.get 0)))
        (func (export "g") (call $h)) (func $h unreachable)"#;
    let limits = RewriteLimits { stack_bytes_max: 10_000, ..LIMITS };
    let mut module = Running::new(&rewrite(&reenact1(lines), &limits).unwrap().wasm);
    assert_eq!(module.call("f", &[Val::I32(0)]), "trap");
    // One parameter and one operand: each call costs 160 bytes, and the 63rd is above the limit.
    assert_eq!(module.stack(), 63 * 160);
    let mut module = Running::new(&rewrite(&reenact1(lines), &limits).unwrap().wasm);
    assert_eq!(module.call("g", &[]), "trap");
    assert_eq!(module.stack(), 128);
}

#[test]
fn nans_are_canonical() {
    const F32: &[&str] = &[
        "f32.add",
        "f32.sub",
        "f32.mul",
        "f32.div",
        "f32.min",
        "f32.max",
        "f32.sqrt",
        "f32.ceil",
        "f32.floor",
        "f32.trunc",
        "f32.nearest",
    ];
    let mut lines = String::new();
    let mut names = Vec::new();
    for (n, f32) in F32.iter().enumerate() {
        let operands = if n < 6 { 2 } else { 1 };
        for (operator, int, value) in [
            ((*f32).to_owned(), "i32.reinterpret_f32", "f32.const -nan:0x600001"),
            (f32.replace("f32", "f64"), "i64.reinterpret_f64", "f64.const -nan:0xc000000000001"),
            (
                f32.replace("f32", "f32x4"),
                "i64x2.extract_lane 1",
                "v128.const f32x4 nan:0x1 nan:0x1 -nan:0x1 nan:0x500000",
            ),
            (f32.replace("f32", "f64x2"), "i64x2.extract_lane 1", "v128.const f64x2 nan:0x1 -nan:0x1"),
        ] {
            let ty = if int.starts_with("i32") { "i32" } else { "i64" };
            let value = format!("({value}) ").repeat(operands);
            write!(lines, "(func (export \"{operator}\") (result {ty}) ({int} ({operator} {value})))")
                .unwrap();
            names.push(operator);
        }
    }
    lines += r#"(func (export "f32.demote_f64") (result i32)
            (i32.reinterpret_f32 (f32.demote_f64 (f64.const -nan:0xf000000000001))))
        (func (export "f64.promote_f32") (result i64)
            (i64.reinterpret_f64 (f64.promote_f32 (f32.const -nan:0x600001))))
        (func (export "f64x2.promote") (result i64)
            (i64x2.extract_lane 1 (f64x2.promote_low_f32x4 (v128.const f32x4 0 -nan:0x600001 0 0))))
        (func (export "f32x4.demote") (result i32)
            (i32x4.extract_lane 1 (f32x4.demote_f64x2_zero (v128.const f64x2 0 -nan:0xf000000000001))))
        (func (export "f32 zero") (result i32) (i32.reinterpret_f32 (f32.div (f32.const 0) (f32.const -0))))"#;
    names.extend(
        ["f32.demote_f64", "f64.promote_f32", "f64x2.promote", "f32x4.demote", "f32 zero"].map(str::to_owned),
    );

    let mut module = Running::new(&admit(&reenact1(&lines)).unwrap().wasm);
    for name in names {
        let expected = match &name[..4] {
            "f64." | "f64x" => format!("[I64({})]", 0x7ff8_0000_0000_0000_i64),
            "f32x" if name != "f32x4.demote" => format!("[I64({})]", 0x7fc0_0000_7fc0_0000_i64),
            _ => format!("[I32({})]", 0x7fc0_0000),
        };
        assert_eq!(module.call(&name, &[]), expected, "{name}");
    }
}

#[test]
fn numbers_that_are_no_nans_stay() {
    let lines = r#"(func (export "f") (param i32) (result f32 f64 i64)
        (f32.mul (f32.convert_i32_s (local.get 0)) (f32.const 0.1))
        (f64.sqrt (f64.convert_i32_u (local.get 0)))
        (i64x2.extract_lane 0 (f32x4.add (f32x4.splat (f32.const 3)) (f32x4.convert_i32x4_s (i32x4.splat (local.get 0))))))"#;
    check_same(lines, &[0, 1, 7, -1, i32::MAX]);
}

#[test]
fn globals_are_reachable() {
    let lines = r"(global i32 (i32.const 5)) (global (mut f32) (f32.const nan:0x1)) (global (mut i64) (i64.const -2))
        (global (mut f64) (f64.const -nan:0x4000000000001)) (global (mut i32) (i32.const 9))";
    let rewritten = admit(&reenact1(lines)).unwrap();
    assert_eq!(rewritten.console, Console::Reenact1);
    assert_eq!(rewritten.globals, [Number::F32, Number::I64, Number::F64, Number::I32]);
    let mut module = Running::new(&rewritten.wasm);
    assert_eq!(module.call("reenact!get0", &[]), format!("[I32({})]", 0x7f80_0001));
    assert_eq!(module.call("reenact!get2", &[]), format!("[I64({})]", 0xfff4_0000_0000_0001_u64 as i64));
    module.call("reenact!set0", &[Val::I32(-1)]);
    module.call("reenact!set2", &[Val::I64(-1)]);
    assert_eq!(module.call("reenact!get0", &[]), "[I32(-1)]");
    assert_eq!(module.call("reenact!get2", &[]), "[I64(-1)]");
    let global =
        |name| module.instance.get_global(&module.store, name).map(|global| global.get(&module.store));
    assert_eq!(global("reenact!g1").unwrap().i64(), Some(-2));
    assert_eq!(global("reenact!g3").unwrap().i32(), Some(9));
    assert!(global("reenact!g4").is_none());
}

#[test]
fn carts_have_the_consoles_memory() {
    let two = r#"(import "env" "trace" (func)) (import "env" "trace" (func (param f64) (result i32)))"#;
    let imports = admit(&wasm4(two)).unwrap().imports;
    let signature = |n: usize| (imports[n].params.as_slice(), imports[n].results.as_slice());
    assert_eq!((signature(0), signature(1)), ((&[][..], &[][..]), (&[Number::F64][..], &[Number::I32][..])));

    let rewritten = admit(&wasm4(CART)).unwrap();
    assert_eq!((rewritten.console, rewritten.has_start), (Console::Wasm4, true));
    let mut module = Running::new(&rewritten.wasm);
    let palette = [0x00e0_f8cf_u32, 0x0086_c06c, 0x0030_6850, 0x0007_1821].map(u32::to_le_bytes).concat();
    assert_eq!(module.memory()[0x04..0x14], palette);
    // Draw colours, pads of which the cart presets one, mouse.
    assert_eq!(module.memory()[0x14..0x1e], [0x03, 0x12, 0, 0, 1, 0, 0xff, 0x7f, 0xff, 0x7f]);
    assert_eq!(module.memory()[200], 0);
    module.call("reenact!start", &[]);
    assert_eq!(module.memory()[200], 1);
    assert_eq!(module.call("f", &[Val::I32(300)]), "[]");
    assert_eq!(&module.memory()[300..303], b"bc\0");
    assert_eq!(module.memory()[310..313], [7, 7, 0]);
    assert_eq!(&module.memory()[320..323], b"bc\0");
    assert_eq!(module.call("f", &[Val::I32(65_535)]), "trap");
}

const CART: &str = r#"(data (i32.const 0x18) "\01") (data $d "abcd") (start $s)
    (func $s (i32.store8 (i32.const 200) (i32.const 1)))
    (func (export "f") (param i32)
        (memory.init $d (local.get 0) (i32.const 1) (i32.const 2))
        (memory.fill (i32.const 310) (i32.const 7) (i32.const 2))
        (memory.copy (i32.const 320) (local.get 0) (i32.const 2)))"#;

#[test]
fn bulk_memory_is_charged() {
    let module = reenact1(
        r#"(func (export "f") (param i32) (memory.fill (i32.const 0) (i32.const 0) (local.get 0)))"#,
    );
    let wasm = admit(&module).unwrap().wasm;
    let fuel = |bytes: i32| {
        let engine = Engine::new(wasmi::Config::default().consume_fuel(true));
        let mut store = Store::new(&engine, ());
        store.set_fuel(1_000_000).unwrap();
        let module = Module::new(&engine, &wasm).unwrap();
        let instance = Linker::new(&engine).instantiate_and_start(&mut store, &module).unwrap();
        let function = instance.get_func(&store, "f").unwrap();
        let _ = function.call(&mut store, &[Val::I32(bytes)], &mut []);
        store.get_fuel().unwrap()
    };
    // One round more for 256 bytes and for 257, none for 255.
    let round = fuel(0) - fuel(1);
    assert!(round > 0);
    // The engine charges for the bytes as well, less than a round.
    assert!(fuel(1) - fuel(256) < round && fuel(256) - fuel(257) >= round);
    assert!(fuel(-1) < round, "four gigabytes take all fuel before the access is out of bounds");
}

#[test]
fn tables_are_closed_and_output_is_stable() {
    let module = reenact1("(table 3 funcref) (table 5 9 funcref) (func (export \"f\"))");
    let wasm = admit(&module).unwrap().wasm;
    assert_eq!(wasm, admit(&module).unwrap().wasm);
    let tables: Vec<_> = wasmparser::Parser::new(0)
        .parse_all(&wasm)
        .filter_map(|payload| match payload.unwrap() {
            wasmparser::Payload::TableSection(section) => Some(section),
            _ => None,
        })
        .flatten()
        .map(|table| (table.as_ref().unwrap().ty.initial, table.unwrap().ty.maximum))
        .collect();
    assert_eq!(tables, [(3, Some(3)), (5, Some(5))]);
}
