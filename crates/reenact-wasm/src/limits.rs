//! Every limit on a guest module, in one place.

/// Bytes in one page of linear memory.
pub const PAGE_BYTES: usize = 65_536;
/// Bytes of a module as handed in.
pub const MODULE_BYTES_MAX: usize = 16 << 20;
/// Functions a module may define: 100,000 empty ones take seven seconds to compile.
pub const FUNCTIONS_MAX: u32 = 20_000;
/// Bytes of one function body: one of 2.5 MB takes four seconds to compile.
pub const FUNCTION_BYTES_MAX: usize = 512 << 10;
/// Bytes of all function bodies together: the slowest straight code found takes 12 seconds a MiB to compile.
pub const CODE_BYTES_MAX: usize = 1 << 20;
/// What compiling may cost beyond its bytes, in units of one to four microseconds: each place where control
/// flow joins costs something for each local, at the head of a loop more the deeper it is nested. Without this
/// limit four kilobytes of nested loops take half a minute.
pub const COMPILE_COST_MAX: u64 = 2_000_000;
/// Bytes of one function body after rewriting: canonical NaNs make float code longer, and browsers refuse
/// long functions too.
pub const REWRITTEN_FUNCTION_BYTES_MAX: usize = 2 * FUNCTION_BYTES_MAX;
/// Bytes of all function bodies together after rewriting.
pub const REWRITTEN_CODE_BYTES_MAX: usize = 2 * CODE_BYTES_MAX;
/// Locals a function declares, besides its parameters.
pub const LOCALS_MAX: u32 = 4_096;
/// Parameters of one function type; a real cart has 101.
pub const PARAMETERS_MAX: usize = 256;
/// Results of one function type, and parameters of one block: a block with 1,000 of either costs a compiler
/// 1,000 variables for three bytes of code.
pub const RESULTS_MAX: usize = 64;
/// Types, imports and exports a module may declare, each.
pub const DECLARATIONS_MAX: u32 = 10_000;
/// Globals a module may define.
pub const GLOBALS_MAX: u32 = 4_096;
/// Data segments, and element segments, each.
pub const SEGMENTS_MAX: u32 = 10_000;
/// Tables a module may define.
pub const TABLES_MAX: u32 = 16;
/// Elements of all tables together, and of all element segments together.
pub const TABLE_ELEMENTS_MAX: u64 = 65_536;
/// Pages of memory that a session's limits may allow: 64 MiB.
pub const MEMORY_PAGES_MAX: u32 = 1_024;
/// Bytes of stack, as the rewriter counts them, that a session's limits may allow: half of the native stack.
pub const GUEST_STACK_BYTES_MAX: u32 = 512 << 10;
/// Fuel that a session's limits may allow, of initialisation and of a tick, each: a few seconds.
pub const FUEL_MAX: u64 = 4_000_000_000;
/// Bytes of stack that the rewriter can count: with it, no sum of the rewriter's counter overflows.
pub const STACK_BYTES_MAX: u32 = 1 << 30;
/// Bytes of the section `reenact.schema`.
pub const SCHEMA_BYTES_MAX: usize = 64 << 10;
/// Numbers in all fields of a schema together.
pub const SCHEMA_FIELD_ELEMENTS_MAX: u32 = 65_536;
/// Pixels of either side of a picture.
pub const PICTURE_SIDE_MAX: u16 = 4_096;
/// Fields of a schema.
pub const SCHEMA_FIELDS_MAX: usize = 1_024;
/// Bytes of text that a guest may log in one tick.
pub const LOG_BYTES_PER_TICK_MAX: usize = 64 << 10;
