use wasm_encoder::{CodeSection, Function, FunctionSection, Module, TypeSection};

use super::*;
use crate::limits;

#[track_caller]
fn check(original: &[u8], message: &str) {
    let error = admit(original).expect_err(message).to_string();
    assert!(error.starts_with(message), "{error:?} does not begin with {message:?}");
}

/// The instruction or proposal is named, whichever byte it stands at.
#[track_caller]
fn check_unsupported(lines: &str, name: &str) {
    match admit(&reenact1(lines)) {
        Err(AdmitError::Unsupported { what, .. }) => assert_eq!(what, name, "{lines}"),
        other => panic!("{lines}: {other:?}"),
    }
}

#[test]
fn proposals_are_refused_by_name() {
    check_unsupported(
        "(func (param v128) (drop (f32x4.relaxed_min (local.get 0) (local.get 0))))",
        "relaxed simd",
    );
    check_unsupported("(func (drop (i32.atomic.load (i32.const 0))))", "threads");
    check_unsupported("(memory $second 1)", "several memories");
    check_unsupported("(func $f return_call $f)", "tail calls");
    check_unsupported("(tag $t) (func throw $t)", "exceptions");
    check_unsupported("(type (struct))", "garbage collection");
    check_unsupported("(func (param externref))", "externref");
    check_unsupported(
        "(type $t (func)) (func (param (ref $t)) (call_ref $t (local.get 0)))",
        "typed function references",
    );
    check_unsupported("(global i32 (i32.add (i32.const 1) (i32.const 1)))", "extended constant expressions");
    let wide = "(func (result i64 i64) (i64.add128 (i64.const 0) (i64.const 0) (i64.const 0) (i64.const 0)))";
    check_unsupported(wide, "wide arithmetic");
    let memory = |ty| wat(&format!(r#"(module (memory (export "memory") {ty}) {REENACT1})"#));
    check(&memory("i64 1"), "64-bit memory at byte");
    check(&memory("1 1 shared"), "threads at byte");
    check(&memory("1 1 (pagesize 1)"), "custom page sizes at byte");
    check(&wat("(component)"), "component model at byte");
}

#[test]
fn instructions_are_refused_by_name() {
    let check = |instruction: &str, name: &str| {
        let lines = "(table $t 1 funcref) (elem $e func $f) (data $d \"x\") (func $f";
        check_unsupported(&format!("{lines} {instruction})"), name);
    };
    let three = "(i32.const 0) (i32.const 0) (i32.const 0)";
    check("(table.set $t (i32.const 0) (ref.func $f))", "table.set");
    check("(drop (table.grow $t (ref.func $f) (i32.const 0)))", "table.grow");
    check("(table.fill $t (i32.const 0) (ref.func $f) (i32.const 0))", "table.fill");
    check(&format!("(table.copy $t $t {three})"), "table.copy");
    check(&format!("(table.init $t $e {three})"), "table.init");
    check("(data.drop $d)", "data.drop");
    check("(elem.drop $e)", "elem.drop");
    let global = "mutable vector or reference global";
    check_unsupported("(global (mut v128) (v128.const i64x2 0 0))", global);
    check_unsupported("(global (mut funcref) (ref.null func))", global);
}

#[test]
fn consoles_and_their_imports() {
    check(&wat("(module)"), "neither a `reenact.abi` section");
    check(&reenact1(r#"(import "env" "now" (func))"#), "unknown import `env.now`");
    check(&reenact1(r#"(import "env" "g" (global i32))"#), "unknown import `env.g`");
    check(&wasm4(r#"(import "env" "table" (table 1 funcref))"#), "unknown import `env.table`");
    check(&wasm4(r#"(import "reenact1" "mark" (func))"#), "unknown import `reenact1.mark`");
    check(
        &reenact1(r#"(import "reenact1" "mark" (func (param i32)))"#),
        "import `reenact1.mark` is (i32) -> (), expected (i32, i32, i32) -> ()",
    );
    check(&wasm4(r#"(import "env" "rect" (func (param v128)))"#), "import `env.rect` is (v128) -> ()");
    check(&wasm4(r#"(import "env" "rect" (global i32))"#), "import `env.rect` is not a function");
    check(&wat(r#"(module (@custom "reenact.abi" "\02\00\00\00"))"#), "abi version 2, supported is 1");
    check(&wat(r#"(module (@custom "reenact.abi" "\01"))"#), "section `reenact.abi` has 1 bytes, expected 4");
    let schema = r#"(@custom "reenact.schema" "bot")"#;
    assert!(admit(&reenact1(schema)).unwrap().schema.unwrap().bot);
    check(&reenact1(&schema.repeat(2)), "section `reenact.schema`");
}

#[test]
fn exports() {
    let memory = r#"(module (import "env" "memory" (memory 1))"#;
    check(&wat(&format!("{memory})")), "missing export `update`");
    check(
        &wat(&format!(r#"{memory} (global (export "update") i32 (i32.const 0)))"#)),
        "export `update` is an immutable i32 global, expected a function of numbers",
    );
    check(&wat(&format!("(module (memory 1) {REENACT1})")), "missing export `memory`");
    check(
        &wat(&format!(r#"(module (func (export "memory")) (memory 1) {REENACT1})"#)),
        "export `memory` is () -> ()",
    );
    let abi = r#"(module (@custom "reenact.abi" "\01\00\00\00") (memory (export "memory") 1)"#;
    check(&wat(&format!("{abi})")), "missing export `reenact1_input`");
    check(
        &wat(&format!(r#"{abi} (func (export "reenact1_input") (param i64)))"#)),
        "export `reenact1_input` is (i64) -> (), expected (i32) -> (i32)",
    );
    check(&reenact1(r#"(func (export "reenact1_view"))"#), "export `reenact1_view` is () -> ()");
    check(&reenact1(r#"(func (export "_initialize") (param i32))"#), "export `_initialize` is (i32) -> ()");
    check(
        &reenact1(r#"(global (export "reenact_state") (mut i32) (i32.const 0))"#),
        "export `reenact_state` is a mutable i32 global, expected an immutable i32 global",
    );
    check(&reenact1(r#"(func (export "reenact!x"))"#), "export `reenact!x` begins with `reenact!`");
}

#[test]
fn counts_are_refused_before_validation() {
    let many = |line: &str, count: u32| reenact1(&line.repeat(count as usize));
    check(&vec![0; limits::MODULE_BYTES_MAX + 1], "module bytes: 16777217 is above the limit of 16777216");
    check(&many("(func)", 100_000), "functions: 100003 is above the limit of 20000");
    check(&many("(type (func))", limits::DECLARATIONS_MAX), "types: ");
    check(&many("(global i32 (i32.const 0))", limits::GLOBALS_MAX + 1), "globals: 4097");
    check(&many("(data \"\")", limits::SEGMENTS_MAX + 1), "data segments: 10001");
    check(&many("(elem func)", limits::SEGMENTS_MAX + 1), "element segments: 10001");
    check(&many("(table 0 funcref)", limits::TABLES_MAX + 1), "tables: 17");
    check(&many("(table 40000 funcref)", 2), "table elements: 80000 is above the limit of 65536");
    check(&many("(table 0xffffffff funcref)", 1), "table elements: 4294967295");
    let items = format!("(func $f) (elem func {})", "$f ".repeat(65_537));
    check(&reenact1(&items), "elements of segments: 65537");
    check(&reenact1("(import \"reenact1\" \"log\" (func))".repeat(10_001).as_str()), "imports: 10001");
    let exports: Vec<_> = (0..10_000).map(|n| format!("(export \"e{n}\" (func 0))")).collect();
    check(&reenact1(&exports.concat()), "exports: 10004");
    check(&reenact1(&format!("(type (func (param {})))", "i32 ".repeat(257))), "parameters of a type: 257");
    check(&reenact1(&format!("(type (func (result {})))", "i32 ".repeat(65))), "results of a type: 65");
    check(&reenact1(&format!("(func (local {}))", "i32 ".repeat(4097))), "locals of a function: 4097");
}

/// A module of functions that do nothing at length.
fn nops(functions: u32, bytes: usize) -> Vec<u8> {
    let mut types = TypeSection::new();
    types.ty().function([], []);
    let (mut section, mut code) = (FunctionSection::new(), CodeSection::new());
    let mut body = Function::new([]);
    body.raw(std::iter::repeat_n(0x01, bytes)).instruction(&wasm_encoder::Instruction::End);
    for _ in 0..functions {
        section.function(0);
        code.function(&body);
    }
    let mut module = Module::new();
    module.section(&types).section(&section).section(&code);
    module.finish()
}

#[test]
fn large_functions_are_refused() {
    check(&nops(1, 2_500_000), "function body bytes: 2500002 is above the limit of 524288");
    check(&nops(3, 500_000), "code bytes: 1500006 is above the limit of 1048576");
    check(
        &reenact1(&format!("(func {} drop)", "i32.const 0 ".repeat(100_000))),
        "stack bytes of a function: ",
    );
    let sqrt = format!("(func (param f32) (result f32) local.get 0 {})", "f32.sqrt ".repeat(200_000));
    check(&reenact1(&sqrt), "rewritten function bytes: ");
    let params = "i32 ".repeat(65);
    let block = format!("(func unreachable (block (param {params}) unreachable) unreachable)");
    check(&reenact1(&block), "parameters of a block: 65");
}

#[test]
fn memory_is_limited() {
    let memory = |ty: &str| wat(&format!(r#"(module (memory (export "memory") {ty}) {REENACT1})"#));
    let pages = |ty| admit(&memory(ty)).map(|module| (module.memory_pages_min, module.memory_pages_max));
    assert_eq!(pages("2"), Ok((2, 16)));
    assert_eq!(pages("2 4"), Ok((2, 4)));
    assert_eq!(pages("2 1000"), Ok((2, 16)));
    check(&memory("65536"), "memory pages: 65536 is above the limit of 16");
    let cart =
        |ty| wat(&format!(r#"(module (import "env" "memory" (memory {ty})) (func (export "update")))"#));
    let pages = |ty| admit(&cart(ty)).map(|module| (module.memory_pages_min, module.memory_pages_max));
    assert_eq!((pages("0"), pages("1 2")), (Ok((1, 1)), Ok((1, 1))));
    check(&cart("2"), "memory pages: 2 is above the limit of 1");
}

/// Headers that declare what is not there cost nothing.
#[test]
fn declared_counts_are_not_believed() {
    let mut module = Module::new();
    let mut types = TypeSection::new();
    types.ty().function([], []);
    let (mut functions, mut code) = (FunctionSection::new(), CodeSection::new());
    functions.function(0);
    // A body with 2^32 - 1 locals in each of four groups.
    code.function(&Function::new((0..4).map(|_| (u32::MAX, wasm_encoder::ValType::I64))));
    module.section(&types).section(&functions).section(&code);
    check(&module.finish(), "locals of a function: 4294967295 is above the limit of 4096");
    check(b"\0asm\x01\0\0\0\x01\x05\xff\xff\xff\xff\x0f", "types: 4294967295");
}

#[test]
fn damaged_modules_do_not_panic() {
    check(b"", "malformed module at byte 0: ");
    check(b"garbage", "malformed module at byte 0: ");
    let module = reenact1(
        r#"(import "reenact1" "log" (func (param i32 i32 i32))) (table 2 funcref) (elem (i32.const 0) func 0 0)
        (global (mut f32) (f32.const 1)) (data "abc") (start 1) (func (call 0 (i32.const 0) (i32.const 0) (i32.const 0)))
        (func (param f32) (result f32 i32) (block (br_if 0 (i32.const 1)) (return (local.get 0) (i32.const 1)))
            (memory.init 0 (i32.const 0) (i32.const 0) (i32.const 0))
            (f32.add (local.get 0) (local.get 0)) (i32.const 7))"#,
    );
    admit(&module).unwrap();
    for length in 0..module.len() {
        // What is left may be a module of no console, but none of this one.
        assert!(admit(&module[..length]).is_err(), "{length}");
    }
    let mut flipped = module.clone();
    for index in 0..module.len() {
        for bit in 0..8 {
            flipped[index] ^= 1 << bit;
            let _ = admit(&flipped);
            flipped[index] = module[index];
        }
        flipped[index] = 0xff;
        let _ = admit(&flipped);
        flipped[index] = module[index];
    }
}
