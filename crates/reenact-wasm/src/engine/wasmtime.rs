//! The compiling engine.

use std::sync::Arc;

use reenact::{Failure, Trap};
use wasmtime::{
    AsContextMut, Caller, Config, Extern, ExternType, Func, FuncType, Global, Instance as Inner, Memory,
    Module, OptLevel, ResourceLimiter, Store, Val, ValType,
};

use super::{
    CompileError, Compiled, EngineError, Function, Instance, NATIVE_STACK_BYTES, Value, arguments,
    host_functions, wrap_float,
};
use crate::guest::{Guest, HostFunction};
use crate::limits::{PAGE_BYTES, TABLE_ELEMENTS_MAX, TABLES_MAX};
use crate::rewrite::{Number, Rewritten, names};

/// The engine with its settings.
#[derive(Clone)]
pub(super) struct Engine(wasmtime::Engine);

impl Engine {
    pub(super) fn new(optimise: bool) -> Result<Self, EngineError> {
        let mut config = Config::new();
        config
            .consume_fuel(true)
            .max_wasm_stack(NATIVE_STACK_BYTES)
            .wasm_relaxed_simd(false)
            .wasm_memory64(false)
            .wasm_multi_memory(false)
            .wasm_tail_call(false)
            .wasm_extended_const(false)
            // Nobody reads a guest's backtrace, and it would be walked on each failure.
            .wasm_backtrace_max_frames(None)
            .cranelift_opt_level(if optimise { OptLevel::Speed } else { OptLevel::None });
        let engine = wasmtime::Engine::new(&config);
        engine.map(Self).map_err(|error| EngineError { reason: format!("{error:#}") })
    }

    pub(super) fn compile(&self, rewritten: &Rewritten) -> Result<Box<dyn Compiled>, CompileError> {
        let module = Module::from_binary(&self.0, &rewritten.wasm);
        let module = module.map_err(|error| CompileError(format!("{error:#}")))?;
        Ok(Box::new(CompiledModule {
            module,
            imports: host_functions(rewritten)?,
            globals: rewritten.globals.clone().into(),
            memory_bytes: rewritten.memory_pages_max as usize * PAGE_BYTES,
            stack_bytes_max: rewritten.stack_bytes_max,
        }))
    }
}

struct CompiledModule {
    module: Module,
    /// In the order of the module's imports.
    imports: Arc<[HostFunction]>,
    globals: Arc<[Number]>,
    memory_bytes: usize,
    stack_bytes_max: u32,
}

/// What a store holds.
struct Data {
    guest: Guest,
    limits: GuestLimits,
    /// Set as soon as the instance is there; the guest cannot call before.
    memory: Option<Memory>,
}

/// What a store may allocate.
struct GuestLimits {
    memory_bytes: usize,
}

impl ResourceLimiter for GuestLimits {
    fn memory_growing(&mut self, _: usize, wanted: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        Ok(wanted <= self.memory_bytes && maximum.is_none_or(|maximum| wanted <= maximum))
    }

    /// Growth that the guest may have and the machine does not give: a guest that went on with less would have
    /// another state here than elsewhere.
    fn memory_grow_failed(&mut self, error: wasmtime::Error) -> wasmtime::Result<()> {
        let what = format!("the machine's memory ({error})").into();
        Err(Stop(Failure::Limit { what, limit: self.memory_bytes as u64 }).into())
    }

    fn table_growing(&mut self, _: usize, wanted: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        Ok(wanted as u64 <= TABLE_ELEMENTS_MAX)
    }

    fn instances(&self) -> usize {
        1
    }

    fn memories(&self) -> usize {
        1
    }

    fn tables(&self) -> usize {
        TABLES_MAX as usize
    }
}

/// Why a host function stopped the guest.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
struct Stop(Failure);

impl Compiled for CompiledModule {
    fn instantiate(&self, guest: Guest) -> Result<Box<dyn Instance>, Failure> {
        let limits = GuestLimits { memory_bytes: self.memory_bytes };
        let mut store = Store::new(self.module.engine(), Data { guest, limits, memory: None });
        store.limiter(|data| &mut data.limits);
        let imports = self.link(&mut store);
        let stack = StackLimit { counter: None, limit: self.stack_bytes_max };
        let mut running = Running::new(store, stack, self.globals.clone());
        let inner = Inner::new(&mut running.store, &self.module, &imports);
        let inner = inner.map_err(|error| running.failure(&error))?;
        running.attach(&inner)?;
        Ok(Box::new(running))
    }
}

impl CompiledModule {
    fn link(&self, store: &mut Store<Data>) -> Vec<Extern> {
        let types = self.module.imports().map(|import| import.ty());
        let link = |(ty, function): (ExternType, &HostFunction)| match ty {
            ExternType::Func(ty) => lend(store, *function, ty).into(),
            other => unreachable!("the rewriter leaves no import but functions, and this is {other:?}"),
        };
        types.zip(self.imports.iter()).map(link).collect()
    }
}

/// Wraps a host function for a signature of as many i32 as there are names.
macro_rules! typed {
    ($store:expr, $function:expr, $results:expr, $($arg:ident),*) => {
        if $results == 0 {
            Func::wrap($store, move |caller: Caller<'_, Data>, $($arg: i32),*| -> wasmtime::Result<()> {
                host_call(caller, $function, &[$($arg),*]).map(|_| ())
            })
        } else {
            Func::wrap($store, move |caller: Caller<'_, Data>, $($arg: i32),*| -> wasmtime::Result<i32> {
                host_call(caller, $function, &[$($arg),*])
            })
        }
    };
}

/// A host function under the signature that the guest declares. Those of a few i32 are called directly,
/// any others through a list of values.
fn lend(store: &mut Store<Data>, function: HostFunction, ty: FuncType) -> Func {
    let all_i32 = ty.params().chain(ty.results()).all(|ty| matches!(ty, ValType::I32));
    let (params, results) = (ty.params().len(), ty.results().len());
    match params {
        _ if !all_i32 || results > 1 => lend_untyped(store, function, ty),
        2 => typed!(store, function, results, a, b),
        3 => typed!(store, function, results, a, b, c),
        4 => typed!(store, function, results, a, b, c, d),
        5 => typed!(store, function, results, a, b, c, d, e),
        6 => typed!(store, function, results, a, b, c, d, e, f),
        9 => typed!(store, function, results, a, b, c, d, e, f, g, h, i),
        _ => lend_untyped(store, function, ty),
    }
}

fn lend_untyped(store: &mut Store<Data>, function: HostFunction, ty: FuncType) -> Func {
    let declared: Vec<ValType> = ty.results().collect();
    Func::new(store, ty, move |caller, params, results| {
        let args: Vec<i32> = params.iter().map(|value| to_i32(*value)).collect();
        let result = host_call(caller, function, &args)?;
        // Admission sees to it that there is at most one.
        for (slot, ty) in results.iter_mut().zip(&declared) {
            *slot = match ty {
                ValType::I64 => Val::I64(result.into()),
                ValType::F32 => Val::F32((result as f32).to_bits()),
                ValType::F64 => Val::F64(f64::from(result).to_bits()),
                _ => Val::I32(result),
            };
        }
        Ok(())
    })
}

/// A number as the console takes it: whole, its low 32 bits, 0 where there is none.
fn to_i32(value: Val) -> i32 {
    match value {
        Val::I32(value) => value,
        Val::I64(value) => value as i32,
        Val::F32(bits) => wrap_float(f32::from_bits(bits).into()),
        Val::F64(bits) => wrap_float(f64::from_bits(bits)),
        _ => 0,
    }
}

fn host_call(mut caller: Caller<'_, Data>, function: HostFunction, given: &[i32]) -> wasmtime::Result<i32> {
    let memory = caller.data().memory.expect("the guest runs only after the instance is attached");
    let (bytes, data) = memory.data_and_store_mut(&mut caller);
    let called = data.guest.call(function, &arguments(given), bytes).map_err(Stop)?;
    let Some(left) = caller.get_fuel()?.checked_sub(called.fuel) else {
        return Err(wasmtime::Trap::OutOfFuel.into());
    };
    caller.set_fuel(left)?;
    Ok(called.result)
}

/// The hidden global that counts the guest's stack.
struct StackLimit {
    counter: Option<Global>,
    limit: u32,
}

struct Running {
    store: Store<Data>,
    stack: StackLimit,
    instance: Option<Inner>,
    memory: Option<Memory>,
    globals: Vec<Global>,
    numbers: Arc<[Number]>,
    functions: Vec<ResolvedFunction>,
    /// How the fuel limit is called, and its value.
    fuel: (&'static str, u64),
}

struct ResolvedFunction {
    function: Func,
    params: Vec<Val>,
    results: Vec<Val>,
}

impl Running {
    fn new(store: Store<Data>, stack: StackLimit, numbers: Arc<[Number]>) -> Self {
        Self {
            store,
            stack,
            instance: None,
            memory: None,
            globals: Vec::new(),
            numbers,
            functions: Vec::new(),
            fuel: ("fuel", 0),
        }
    }

    fn attach(&mut self, inner: &Inner) -> Result<(), Failure> {
        let missing = || Failure::Limit { what: "exports of the rewriter".into(), limit: 0 };
        let memory = inner.get_memory(&mut self.store, names::MEMORY).ok_or_else(missing)?;
        self.memory = Some(memory);
        self.store.data_mut().memory = Some(memory);
        let counter = inner.get_global(&mut self.store, names::STACK);
        self.stack.counter = Some(counter.ok_or_else(missing)?);
        for n in 0..self.numbers.len() {
            let global = inner.get_global(&mut self.store, &names::global(n)).ok_or_else(missing)?;
            self.globals.push(global);
        }
        self.instance = Some(*inner);
        Ok(())
    }

    fn inner(&self) -> Inner {
        self.instance.expect("an instance is handed out only after it is attached")
    }

    /// What an engine's error means.
    fn failure(&mut self, error: &wasmtime::Error) -> Failure {
        if let Some(Stop(failure)) = error.downcast_ref() {
            return failure.clone();
        }
        let limit = |what: &'static str, limit: u64| Failure::Limit { what: what.into(), limit };
        let stack = u64::from(self.stack.limit);
        match error.downcast_ref::<wasmtime::Trap>() {
            Some(wasmtime::Trap::OutOfFuel) => limit(self.fuel.0, self.fuel.1),
            Some(wasmtime::Trap::StackOverflow) => limit("bytes of stack", stack),
            Some(wasmtime::Trap::UnreachableCodeReached) if self.stack_exhausted() => {
                limit("bytes of stack", stack)
            }
            Some(trap) => match trap_class(*trap) {
                Some(class) => Failure::Trap(class),
                None => Failure::Limit { what: format!("the engine: {trap}").into(), limit: 0 },
            },
            None => Failure::Limit { what: format!("the engine: {error:#}").into(), limit: 0 },
        }
    }

    fn stack_exhausted(&mut self) -> bool {
        let counter = self.stack.counter.map(|counter| counter.get(&mut self.store));
        matches!(counter, Some(Val::I32(bytes)) if bytes as u32 > self.stack.limit)
    }
}

fn trap_class(trap: wasmtime::Trap) -> Option<Trap> {
    Some(match trap {
        wasmtime::Trap::UnreachableCodeReached => Trap::Unreachable,
        wasmtime::Trap::MemoryOutOfBounds | wasmtime::Trap::HeapMisaligned => Trap::MemoryOutOfBounds,
        wasmtime::Trap::TableOutOfBounds => Trap::TableOutOfBounds,
        wasmtime::Trap::IndirectCallToNull => Trap::IndirectCallToNull,
        wasmtime::Trap::BadSignature => Trap::BadSignature,
        wasmtime::Trap::IntegerOverflow => Trap::IntegerOverflow,
        wasmtime::Trap::IntegerDivisionByZero => Trap::IntegerDivisionByZero,
        wasmtime::Trap::BadConversionToInteger => Trap::BadConversionToInteger,
        _ => return None,
    })
}

impl Instance for Running {
    fn function(&mut self, name: &str) -> Option<Function> {
        let function = self.inner().get_func(&mut self.store, name)?;
        let ty = function.ty(&self.store);
        let zeros = |ty: ValType| Val::default_for_ty(&ty);
        let params = ty.params().map(zeros).collect::<Option<Vec<_>>>()?;
        let results = ty.results().map(zeros).collect::<Option<Vec<_>>>()?;
        self.functions.push(ResolvedFunction { function, params, results });
        Some(Function(self.functions.len() - 1))
    }

    fn constant(&mut self, name: &str) -> Option<u32> {
        let global = self.inner().get_global(&mut self.store, name)?;
        global.get(&mut self.store).i32().map(|value| value as u32)
    }

    fn refuel(&mut self, what: &'static str, fuel: u64) {
        self.fuel = (what, fuel);
        self.store.set_fuel(fuel).expect("the engine is configured to count fuel");
    }

    fn call(&mut self, function: Function, args: &[Value]) -> Result<Option<Value>, Failure> {
        let resolved = &mut self.functions[function.0];
        for (slot, arg) in resolved.params.iter_mut().zip(args) {
            *slot = to_val(*arg);
        }
        let called =
            resolved.function.call(self.store.as_context_mut(), &resolved.params, &mut resolved.results);
        match called {
            Ok(()) => Ok(resolved.results.first().and_then(|value| from_val(*value))),
            Err(error) => Err(self.failure(&error)),
        }
    }

    fn memory(&mut self) -> &mut [u8] {
        let memory = self.memory.expect("an instance is handed out only after it is attached");
        memory.data_mut(&mut self.store)
    }

    fn grow(&mut self, pages: u32) -> bool {
        let memory = self.memory.expect("an instance is handed out only after it is attached");
        memory.grow(&mut self.store, pages.into()).is_ok()
    }

    fn global(&mut self, n: usize) -> u64 {
        let value = self.globals[n].get(&mut self.store);
        from_val(value).map_or(0, Value::bits)
    }

    fn set_global(&mut self, n: usize, bits: u64) -> bool {
        let value = Value::from_bits(self.numbers[n], bits);
        value.is_some_and(|value| self.globals[n].set(&mut self.store, to_val(value)).is_ok())
    }

    fn reset_stack(&mut self) {
        if let Some(counter) = self.stack.counter {
            counter.set(&mut self.store, Val::I32(0)).expect("the counter is a mutable i32");
        }
    }

    fn guest(&mut self) -> &mut Guest {
        &mut self.store.data_mut().guest
    }
}

fn to_val(value: Value) -> Val {
    match value {
        Value::I32(value) => Val::I32(value),
        Value::I64(value) => Val::I64(value),
        Value::F32(bits) => Val::F32(bits),
        Value::F64(bits) => Val::F64(bits),
    }
}

fn from_val(value: Val) -> Option<Value> {
    match value {
        Val::I32(value) => Some(Value::I32(value)),
        Val::I64(value) => Some(Value::I64(value)),
        Val::F32(bits) => Some(Value::F32(bits)),
        Val::F64(bits) => Some(Value::F64(bits)),
        _ => None,
    }
}
