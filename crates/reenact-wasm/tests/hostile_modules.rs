//! Whatever a module tries, it ends in a typed error that names the limit or the thing; never in a panic, a
//! hang or an unbounded use of anything.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::time::{Duration, Instant};

use reenact::input::Inputs;
use reenact::session::Limits;
use reenact::{Failure, Simulation, Tick};
use reenact_wasm::{AdmitError, Engine, Module, Setup, StartError};

/// Far above what any of these takes even on a busy machine: it tells an end from none.
const PATIENCE: Duration = Duration::from_mins(2);

fn fixture(name: &str) -> Vec<u8> {
    let path = format!("{}/../../games/broken/{name}.wat", env!("CARGO_MANIFEST_DIR"));
    wat::parse_file(path).unwrap()
}

fn admit(bytes: &[u8]) -> Result<Module, AdmitError> {
    Module::admit(&Engine::new().unwrap(), bytes, Limits::default())
}

/// How a module ends: refused, at its start, or at a tick.
fn ending(name: &str) -> String {
    let begin = Instant::now();
    let end = match admit(&fixture(name)) {
        Err(error) => format!("refused: {error}"),
        Ok(module) => match module.simulation(&Setup::default()) {
            Err(StartError::Failed(failure)) => format!("start: {failure}"),
            Err(other) => panic!("{name}: {other}"),
            Ok(mut simulation) => {
                let inputs = Inputs::absent(module.input_schema());
                let mut marks = Vec::new();
                let step =
                    |tick| simulation.step(Tick(tick), &inputs, &mut marks).err().map(|error| (tick, error));
                match (0..1_000).find_map(step) {
                    Some((tick, failure)) => format!("tick {tick}: {failure}"),
                    None => "runs".to_owned(),
                }
            }
        },
    };
    assert!(begin.elapsed() < PATIENCE, "{name} took {:?}", begin.elapsed());
    end
}

#[track_caller]
fn check(name: &str, expected: &str) {
    assert_eq!(ending(name), expected, "{name}");
}

#[test]
fn endless_loops_run_out_of_fuel() {
    check("loop_in_step", "tick 0: fuel of a tick above the limit of 4000000000");
    check("loop_in_init", "start: fuel of initialisation above the limit of 1000000000");
    check("loop_in_start", "start: fuel of initialisation above the limit of 1000000000");
    check("memory_fill_loop", "tick 0: fuel of a tick above the limit of 4000000000");
    check("wasm4_blit_loop", "tick 0: fuel of a tick above the limit of 4000000000");
}

#[test]
fn bombs_are_refused_by_their_limit() {
    check("memory_bomb", "refused: memory pages: 65536 is above the limit of 1024");
    check("table_bomb", "refused: table elements: 10000000 is above the limit of 65536");
    check("deep_recursion", "tick 0: bytes of stack above the limit of 524288");
    check("marks_flood", "tick 0: marks a tick above the limit of 256");
    check("log_flood", "tick 0: bytes of log a tick above the limit of 65536");
    check("wasm4_huge_oval", "tick 0: pixels of an oval's width or height above the limit of 8192");
}

#[test]
fn what_is_bounded_by_itself_goes_on() {
    // Growing past the maximum gives the guest -1, and a line of any length is cut to the screen.
    check("memory_grow_bomb", "runs");
    check("wasm4_huge_line", "runs");
    check("wasm4_wide_result", "runs");
}

#[test]
fn what_is_not_supported_is_refused_by_name() {
    let starts = |name: &str, expected: &str| {
        let end = ending(name);
        assert!(end.starts_with(expected), "{name}: {end}");
    };
    starts("unknown_import", "refused: unknown import `");
    starts("relaxed_simd", "refused: relaxed simd");
    starts("threads", "refused: threads");
    starts("mutable_v128_global", "refused: mutable vector or reference global");
    starts("table_set", "refused: table.set");
    starts("data_drop", "refused: data.drop");
    starts("not_a_game", "refused: neither a `reenact.abi` section");
    starts("abi_version_2", "refused: abi version 2, supported is 1");
    starts("bad_schema", "refused: section `reenact.schema`");
    starts("wasm4_many_results", "refused: import `env.diskr` is");
}

#[test]
fn a_games_own_traps_are_told_from_limits() {
    check("trap_in_step", "tick 100: trap: unreachable");
    check("wasm4_text_out_of_bounds", "tick 0: trap: memory out of bounds");
}

#[test]
fn garbage_is_refused_wherever_it_is_cut() {
    let arena =
        std::fs::read(format!("{}/../../games/arena/arena.wasm", env!("CARGO_MANIFEST_DIR"))).unwrap();
    for length in [0, 4, 8, 100, arena.len() / 2, arena.len() - 1] {
        assert!(admit(&arena[..length]).is_err(), "{length} bytes were admitted");
    }
    assert!(admit(b"not a module").is_err());
    assert!(matches!(admit(&vec![0; (16 << 20) + 1]), Err(AdmitError::Limit { .. })));
}

/// A module whose code section holds `bodies`.
fn with_functions(bodies: impl Iterator<Item = Vec<u8>>) -> Vec<u8> {
    let bodies: Vec<_> = bodies.collect();
    let count = leb(bodies.len());
    let functions = [count.clone(), vec![0; bodies.len()]].concat();
    let code: Vec<u8> = bodies.into_iter().flat_map(|body| [leb(body.len()), body].concat()).collect();
    let section = |id: u8, content: Vec<u8>| [vec![id], leb(content.len()), content].concat();
    let types = section(1, vec![1, 0x60, 0, 0]);
    [b"\0asm\x01\0\0\0".to_vec(), types, section(3, functions), section(10, [count, code].concat())].concat()
}

fn leb(mut value: usize) -> Vec<u8> {
    let mut out = Vec::new();
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
    out
}

#[test]
fn compile_bombs_are_refused_at_once() {
    let check = |bytes: &[u8], what: &str| {
        let error = admit(bytes).unwrap_err();
        assert!(error.to_string().starts_with(what), "{error}");
    };
    check(&with_functions((0..100_000).map(|_| vec![0, 0x0b])), "functions: 100000");
    let nops = |bytes: usize| [vec![0], vec![0x01; bytes], vec![0x0b]].concat();
    check(&with_functions(std::iter::once(nops(2_500_000))), "function body bytes");
    check(&with_functions((0..9).map(|_| nops(500_000))), "code bytes");
}

/// A body of `sequential` nests of `depth` loops, each of which sets `sets` of `locals` locals.
fn loops(locals: usize, sets: usize, depth: usize, sequential: usize) -> Vec<u8> {
    let nest = |nest: usize| {
        let set = move |n| [vec![0x20], leb((n + 1) % locals), vec![0x21], leb((n + nest) % locals)].concat();
        let open = [vec![0x03, 0x40], (0..sets).flat_map(set).collect()].concat();
        let close = [0x20, 0, 0x0d, 0, 0x0b];
        [open.repeat(depth), close.repeat(depth)].concat()
    };
    [vec![1], leb(locals), vec![0x7f], (0..sequential).flat_map(nest).collect(), vec![0x0b]].concat()
}

#[test]
fn costly_control_flow_is_refused_before_it_is_compiled() {
    let check = |bytes: &[u8]| {
        let error = admit(bytes).unwrap_err();
        assert!(error.to_string().starts_with("compile cost: "), "{error}");
    };
    check(&with_functions(std::iter::once(loops(240, 240, 240, 1))));
    check(&with_functions(std::iter::once(loops(500, 10, 1, 4_000))));
    // Many ways to one place, and many places where two ways join.
    let row = |open: &[u8], code: &[u8], times, close: &[u8]| {
        [&[1][..], &leb(2_000), &[0x7f], open, &code.repeat(times), close, &[0x0b]].concat()
    };
    let branches = row(&[0x02, 0x40], &[0x20, 0, 0x22, 1, 0x0d, 0], 20_000, &[0x0b]);
    check(&with_functions(std::iter::once(branches)));
    let joins = row(&[], &[0x20, 0, 0x04, 0x40, 0x20, 1, 0x21, 2, 0x0b], 15_900, &[]);
    check(&with_functions(std::iter::once(joins)));
    let idle = || [vec![1], leb(4_096), vec![0x7f, 0x0b]].concat();
    check(&with_functions((0..19_990).map(|_| idle())));
}

#[test]
fn after_a_failure_the_state_can_be_restored() {
    for name in ["deep_recursion", "loop_in_step", "trap_in_step"] {
        let module = admit(&fixture(name)).unwrap();
        let inputs = Inputs::absent(module.input_schema());
        let mut simulation = module.simulation(&Setup::default()).unwrap();
        let mut state = Vec::new();
        simulation.save(&mut state);
        let mut first = None;
        for _ in 0..2 {
            let end = (0..200)
                .find_map(|tick| simulation.step(Tick(tick), &inputs, &mut Vec::new()).err())
                .unwrap();
            assert_eq!(first.get_or_insert_with(|| end.clone()), &end, "{name}");
            simulation.restore(&state).unwrap();
            let mut again = Vec::new();
            simulation.save(&mut again);
            assert_eq!(again, state, "{name}");
        }
    }
}

#[test]
fn limits_are_the_sessions_own() {
    let bytes = fixture("loop_in_step");
    let engine = Engine::new().unwrap();
    let limits = Limits { tick_fuel: 1_000, ..Limits::default() };
    let module = Module::admit(&engine, &bytes, limits).unwrap();
    let mut simulation = module.simulation(&Setup::default()).unwrap();
    let failure = simulation.step(Tick::ZERO, &Inputs::absent(module.input_schema()), &mut Vec::new());
    assert_eq!(failure, Err(Failure::Limit { what: "fuel of a tick".into(), limit: 1_000 }));
    for limits in [
        Limits { memory_pages: 1_025, ..Limits::default() },
        Limits { stack_bytes: u32::MAX, ..Limits::default() },
        Limits { tick_fuel: u64::MAX, ..Limits::default() },
        Limits { init_fuel: u64::MAX, ..Limits::default() },
    ] {
        assert!(matches!(Module::admit(&engine, &bytes, limits), Err(AdmitError::Limit { .. })));
    }
}
