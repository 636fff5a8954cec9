//! The interpreter.

use std::sync::Arc;

use reenact::{Failure, Trap};
use wasmi::{
    AsContext, Caller, Config, Extern, ExternType, F32, F64, Func, FuncType, Global, Instance as Inner,
    Memory, Module, Store, TrapCode, Val,
};

use super::{CompileError, Compiled, Function, Instance, Value, arguments, host_functions, wrap_float};
use crate::guest::{Guest, HostFunction};
use crate::rewrite::{Number, Rewritten, names};

/// The interpreter reckons more fuel for the same work: a real cart that kept within its limit on the compiling
/// engine did not here. The factor is generous, since a limit only ends what would not end.
const FUEL_FACTOR: u64 = 8;

/// The interpreter with its settings.
#[derive(Clone)]
pub(super) struct Engine(wasmi::Engine);

impl Engine {
    pub(super) fn new() -> Self {
        let mut config = Config::default();
        config.consume_fuel(true);
        Self(wasmi::Engine::new(&config))
    }

    pub(super) fn compile(&self, rewritten: &Rewritten) -> Result<Box<dyn Compiled>, CompileError> {
        let module = Module::new(&self.0, &rewritten.wasm);
        let module = module.map_err(|error| CompileError(error.to_string()))?;
        Ok(Box::new(CompiledModule {
            module,
            imports: host_functions(rewritten)?,
            globals: rewritten.globals.clone().into(),
            stack_bytes_max: rewritten.stack_bytes_max,
        }))
    }
}

struct CompiledModule {
    module: Module,
    /// In the order of the module's imports.
    imports: Arc<[HostFunction]>,
    globals: Arc<[Number]>,
    stack_bytes_max: u32,
}

/// What a store holds.
struct Data {
    guest: Guest,
    /// Set as soon as the instance is there; the guest cannot call before.
    memory: Option<Memory>,
}

/// Why a host function stopped the guest.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
struct Stop(Failure);

impl wasmi::errors::HostError for Stop {}

impl Compiled for CompiledModule {
    fn instantiate(&self, guest: Guest) -> Result<Box<dyn Instance>, Failure> {
        let mut store = Store::new(self.module.engine(), Data { guest, memory: None });
        let link = |(import, function): (wasmi::ImportType<'_>, &HostFunction)| match import.ty() {
            ExternType::Func(ty) => Extern::Func(lend(&mut store, *function, ty.clone())),
            other => unreachable!("the rewriter leaves no import but functions, and this is {other:?}"),
        };
        let imports: Vec<Extern> = self.module.imports().zip(self.imports.iter()).map(link).collect();
        let inner = Inner::new(&mut store, &self.module, &imports);
        let inner = inner.map_err(|error| failure(&error, ("fuel", 0), false, self.stack_bytes_max))?;
        let missing = || Failure::Limit { what: "exports of the rewriter".into(), limit: 0 };
        let memory = inner.get_memory(&store, names::MEMORY).ok_or_else(missing)?;
        store.data_mut().memory = Some(memory);
        let global = |n| inner.get_global(&store, &names::global(n));
        let globals: Option<Vec<_>> = (0..self.globals.len()).map(global).collect();
        let counter = inner.get_global(&store, names::STACK);
        Ok(Box::new(Running {
            inner,
            memory,
            globals: globals.ok_or_else(missing)?,
            numbers: self.globals.clone(),
            counter: counter.ok_or_else(missing)?,
            stack_bytes_max: self.stack_bytes_max,
            functions: Vec::new(),
            fuel: ("fuel", 0),
            store,
        }))
    }
}

fn lend(store: &mut Store<Data>, function: HostFunction, ty: FuncType) -> Func {
    Func::new(store, ty, move |caller, params, results| {
        let args: Vec<i32> = params.iter().map(to_i32).collect();
        let result = host_call(caller, function, &args)?;
        if let Some(slot) = results.first_mut() {
            *slot = match slot {
                Val::I64(_) => Val::I64(result.into()),
                Val::F32(_) => Val::F32(F32::from_float(result as f32)),
                Val::F64(_) => Val::F64(F64::from_float(result.into())),
                _ => Val::I32(result),
            };
        }
        Ok(())
    })
}

fn to_i32(value: &Val) -> i32 {
    match value {
        Val::I32(value) => *value,
        Val::I64(value) => *value as i32,
        Val::F32(value) => wrap_float(value.to_float().into()),
        Val::F64(value) => wrap_float(value.to_float()),
        _ => 0,
    }
}

fn host_call(
    mut caller: Caller<'_, Data>,
    function: HostFunction,
    given: &[i32],
) -> Result<i32, wasmi::Error> {
    let memory = caller.data().memory.expect("the guest runs only after the instance is attached");
    let (bytes, data) = memory.data_and_store_mut(&mut caller);
    let called = data.guest.call(function, &arguments(given), bytes);
    let called = called.map_err(|failure| wasmi::Error::host(Stop(failure)))?;
    let Some(left) = caller.get_fuel()?.checked_sub(called.fuel) else {
        return Err(TrapCode::OutOfFuel.into());
    };
    caller.set_fuel(left)?;
    Ok(called.result)
}

struct Running {
    store: Store<Data>,
    inner: Inner,
    memory: Memory,
    globals: Vec<Global>,
    numbers: Arc<[Number]>,
    /// The hidden global that counts the guest's stack.
    counter: Global,
    stack_bytes_max: u32,
    functions: Vec<ResolvedFunction>,
    /// How the fuel limit is called, and its value.
    fuel: (&'static str, u64),
}

struct ResolvedFunction {
    function: Func,
    params: Vec<Val>,
    results: Vec<Val>,
}

/// What an interpreter's error means.
fn failure(error: &wasmi::Error, fuel: (&'static str, u64), exhausted: bool, stack: u32) -> Failure {
    if let Some(Stop(failure)) = error.downcast_ref() {
        return failure.clone();
    }
    let limit = |what: &'static str, limit: u64| Failure::Limit { what: what.into(), limit };
    let class = match error.as_trap_code() {
        Some(TrapCode::OutOfFuel) => return limit(fuel.0, fuel.1),
        Some(TrapCode::StackOverflow) => return limit("bytes of stack", stack.into()),
        Some(TrapCode::UnreachableCodeReached) if exhausted => return limit("bytes of stack", stack.into()),
        Some(TrapCode::UnreachableCodeReached) => Trap::Unreachable,
        Some(TrapCode::MemoryOutOfBounds) => Trap::MemoryOutOfBounds,
        Some(TrapCode::TableOutOfBounds) => Trap::TableOutOfBounds,
        Some(TrapCode::IndirectCallToNull) => Trap::IndirectCallToNull,
        Some(TrapCode::BadSignature) => Trap::BadSignature,
        Some(TrapCode::IntegerOverflow) => Trap::IntegerOverflow,
        Some(TrapCode::IntegerDivisionByZero) => Trap::IntegerDivisionByZero,
        Some(TrapCode::BadConversionToInteger) => Trap::BadConversionToInteger,
        _ => return Failure::Limit { what: format!("the engine: {error}").into(), limit: 0 },
    };
    Failure::Trap(class)
}

impl Instance for Running {
    fn function(&mut self, name: &str) -> Option<Function> {
        let function = self.inner.get_func(&self.store, name)?;
        let ty = function.ty(&self.store);
        let params = ty.params().iter().map(|ty| Val::default_for_ty(*ty)).collect();
        let results = ty.results().iter().map(|ty| Val::default_for_ty(*ty)).collect();
        self.functions.push(ResolvedFunction { function, params, results });
        Some(Function(self.functions.len() - 1))
    }

    fn constant(&mut self, name: &str) -> Option<u32> {
        let global = self.inner.get_global(&self.store, name)?;
        global.get(self.store.as_context()).i32().map(|value| value as u32)
    }

    fn refuel(&mut self, what: &'static str, fuel: u64) {
        self.fuel = (what, fuel);
        let fuel = fuel.saturating_mul(FUEL_FACTOR);
        self.store.set_fuel(fuel).expect("the interpreter is configured to count fuel");
    }

    fn call(&mut self, function: Function, args: &[Value]) -> Result<Option<Value>, Failure> {
        let resolved = &mut self.functions[function.0];
        for (slot, arg) in resolved.params.iter_mut().zip(args) {
            *slot = to_val(*arg);
        }
        match resolved.function.call(&mut self.store, &resolved.params, &mut resolved.results) {
            Ok(()) => Ok(resolved.results.first().and_then(from_val)),
            Err(error) => {
                let counted = self.counter.get(&self.store).i32().map_or(0, |bytes| bytes as u32);
                let exhausted = counted > self.stack_bytes_max;
                Err(failure(&error, self.fuel, exhausted, self.stack_bytes_max))
            }
        }
    }

    fn memory(&mut self) -> &mut [u8] {
        self.memory.data_mut(&mut self.store)
    }

    fn grow(&mut self, pages: u32) -> bool {
        self.memory.grow(&mut self.store, pages.into()).is_ok()
    }

    fn global(&mut self, n: usize) -> u64 {
        from_val(&self.globals[n].get(&self.store)).map_or(0, Value::bits)
    }

    fn set_global(&mut self, n: usize, bits: u64) -> bool {
        let value = Value::from_bits(self.numbers[n], bits);
        value.is_some_and(|value| self.globals[n].set(&mut self.store, to_val(value)).is_ok())
    }

    fn reset_stack(&mut self) {
        self.counter.set(&mut self.store, Val::I32(0)).expect("the counter is a mutable i32");
    }

    fn guest(&mut self) -> &mut Guest {
        &mut self.store.data_mut().guest
    }
}

fn to_val(value: Value) -> Val {
    match value {
        Value::I32(value) => Val::I32(value),
        Value::I64(value) => Val::I64(value),
        Value::F32(bits) => Val::F32(F32::from_bits(bits)),
        Value::F64(bits) => Val::F64(F64::from_bits(bits)),
    }
}

fn from_val(value: &Val) -> Option<Value> {
    match value {
        Val::I32(value) => Some(Value::I32(*value)),
        Val::I64(value) => Some(Value::I64(*value)),
        Val::F32(value) => Some(Value::F32(value.to_bits())),
        Val::F64(value) => Some(Value::F64(value.to_bits())),
        _ => None,
    }
}
