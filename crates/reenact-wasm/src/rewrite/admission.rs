//! What the two consoles demand of a validated module's imports and exports.

use wasmparser::types::Types;
use wasmparser::{Export, ExternalKind, FuncType, TypeRef, ValType};

use super::outline::Outline;
use super::{Import, Number, names};
use crate::error::AdmitError;
use reenact::session::Console;

/// The ABI version that a `reenact1` module declares.
const ABI_VERSION: u32 = 1;

const WASM4_IMPORTS: [&str; 17] = [
    "blit",
    "blitSub",
    "line",
    "hline",
    "vline",
    "oval",
    "rect",
    "text",
    "textUtf8",
    "textUtf16",
    "tone",
    "diskr",
    "diskw",
    "trace",
    "traceUtf8",
    "traceUtf16",
    "tracef",
];
const REENACT1_IMPORTS: [&str; 2] = ["mark", "log"];
const REENACT1_IMPORT: Signature = (&[ValType::I32, ValType::I32, ValType::I32], &[]);

/// Parameters and results.
type Signature = (&'static [ValType], &'static [ValType]);

struct Required {
    name: &'static str,
    signature: Signature,
    optional: bool,
}

/// The function exports of `reenact1`.
const REENACT1_EXPORTS: [Required; 5] = {
    use ValType::{I32, I64};
    [
        Required { name: "reenact1_input", signature: (&[I32], &[I32]), optional: false },
        Required { name: "reenact1_init", signature: (&[I64, I32, I32], &[I32]), optional: false },
        Required { name: "reenact1_step", signature: (&[I32], &[I32]), optional: false },
        Required { name: "reenact1_view", signature: (&[I32, I32], &[I64]), optional: true },
        Required { name: "_initialize", signature: (&[], &[]), optional: true },
    ]
};

/// The limits of the module's one memory in pages.
#[derive(Debug, Clone, Copy)]
pub(super) struct MemoryPages {
    pub(super) min: u32,
    pub(super) max: u32,
}

/// Which console the module is for.
pub(super) fn detect(outline: &Outline) -> Result<Console, AdmitError> {
    match outline.abi()? {
        Some(ABI_VERSION) => return Ok(Console::Reenact1),
        Some(found) => return Err(AdmitError::AbiVersion { found, supported: ABI_VERSION }),
        None => {}
    }
    let imports = outline.imports.clone().into_iter().flat_map(wasmparser::SectionLimited::into_imports);
    for import in imports {
        let import = import?;
        if is_wasm4_memory(&import) {
            return Ok(Console::Wasm4);
        }
    }
    Err(AdmitError::UnknownConsole)
}

fn is_wasm4_memory(import: &wasmparser::Import) -> bool {
    import.module == "env" && import.name == "memory" && matches!(import.ty, TypeRef::Memory(_))
}

/// Checks the imports and gives those of functions, in order.
pub(super) fn check_imports(
    console: Console,
    outline: &Outline,
    types: &Types,
) -> Result<Vec<Import>, AdmitError> {
    let Some(section) = outline.imports.clone() else { return Ok(Vec::new()) };
    let mut functions = Vec::new();
    for import in section.into_imports() {
        let import = import?;
        if console == Console::Wasm4 && is_wasm4_memory(&import) {
            continue;
        }
        let known = match console {
            Console::Reenact1 => import.module == "reenact1" && REENACT1_IMPORTS.contains(&import.name),
            Console::Wasm4 => import.module == "env" && WASM4_IMPORTS.contains(&import.name),
        };
        if !known {
            let (module, name) = (import.module.to_owned(), import.name.to_owned());
            return Err(AdmitError::UnknownImport { module, name });
        }
        functions.push(check_import(console, &import, types)?);
    }
    Ok(functions)
}

fn check_import(console: Console, import: &wasmparser::Import, types: &Types) -> Result<Import, AdmitError> {
    let (module, name) = (import.module.to_owned(), import.name.to_owned());
    let expected = match console {
        Console::Reenact1 => describe(REENACT1_IMPORT.0, REENACT1_IMPORT.1),
        Console::Wasm4 => "a function of numbers with at most one result".to_owned(),
    };
    let TypeRef::Func(index) = import.ty else {
        let actual = "not a function".to_owned();
        return Err(AdmitError::ImportSignature { module, name, expected, actual });
    };
    let ty = types[types.as_ref().core_type_at_in_module(index)].unwrap_func();
    // A browser's host cannot see how many results a module declares, and so cannot give several.
    let fits = match console {
        Console::Reenact1 => is(ty, REENACT1_IMPORT),
        Console::Wasm4 => ty.results().len() <= 1,
    };
    match (numbers(ty.params()), numbers(ty.results())) {
        (Some(params), Some(results)) if fits => Ok(Import { module, name, params, results }),
        _ => {
            let actual = describe(ty.params(), ty.results());
            Err(AdmitError::ImportSignature { module, name, expected, actual })
        }
    }
}

fn numbers(types: &[ValType]) -> Option<Vec<Number>> {
    types.iter().map(|ty| Number::from_wasm(*ty)).collect()
}

/// Checks the exports against the contract of the console.
pub(super) fn check_exports(console: Console, outline: &Outline, types: &Types) -> Result<(), AdmitError> {
    let exports = outline.exports.clone().into_iter().flatten().collect::<Result<Vec<_>, _>>()?;
    if let Some(export) = exports.iter().find(|export| export.name.starts_with(names::PREFIX)) {
        return Err(AdmitError::ReservedExport { name: export.name.to_owned() });
    }
    match console {
        Console::Reenact1 => check_reenact1_exports(&exports, types),
        Console::Wasm4 => check_wasm4_exports(&exports, types),
    }
}

fn check_reenact1_exports(exports: &[Export], types: &Types) -> Result<(), AdmitError> {
    match find(exports, "memory") {
        Some(export) if export.kind == ExternalKind::Memory => {}
        Some(export) => return Err(wrong("memory", "a memory", export, types)),
        None => return Err(AdmitError::MissingExport { name: "memory" }),
    }
    for Required { name, signature, optional } in REENACT1_EXPORTS {
        match find(exports, name) {
            Some(export) if function(export, types).is_some_and(|ty| is(ty, signature)) => {}
            Some(export) => return Err(wrong(name, &describe(signature.0, signature.1), export, types)),
            None if optional => {}
            None => return Err(AdmitError::MissingExport { name }),
        }
    }
    match find(exports, "reenact_state") {
        Some(export) if !is_constant_i32(export, types) => {
            Err(wrong("reenact_state", "an immutable i32 global", export, types))
        }
        _ => Ok(()),
    }
}

/// The host calls these with zeros for parameters, so any numbers will do.
fn check_wasm4_exports(exports: &[Export], types: &Types) -> Result<(), AdmitError> {
    for name in ["update", "start", "_start", "_initialize"] {
        let Some(export) = find(exports, name) else { continue };
        let callable = function(export, types)
            .is_some_and(|ty| numbers(ty.params()).is_some() && numbers(ty.results()).is_some());
        if !callable {
            return Err(wrong(name, "a function of numbers", export, types));
        }
    }
    find(exports, "update").map(|_| ()).ok_or(AdmitError::MissingExport { name: "update" })
}

fn find<'a>(exports: &'a [Export<'a>], name: &str) -> Option<&'a Export<'a>> {
    exports.iter().find(|export| export.name == name)
}

fn function<'a>(export: &Export, types: &'a Types) -> Option<&'a FuncType> {
    let is_function = export.kind == ExternalKind::Func;
    is_function.then(|| types[types.as_ref().core_function_at(export.index)].unwrap_func())
}

fn is(ty: &FuncType, (params, results): Signature) -> bool {
    ty.params() == params && ty.results() == results
}

fn is_constant_i32(export: &Export, types: &Types) -> bool {
    export.kind == ExternalKind::Global && {
        let global = types.as_ref().global_at(export.index);
        global.content_type == ValType::I32 && !global.mutable
    }
}

fn wrong(name: &'static str, expected: &str, export: &Export, types: &Types) -> AdmitError {
    let actual = match function(export, types) {
        Some(ty) => describe(ty.params(), ty.results()),
        None if export.kind == ExternalKind::Memory => "a memory".to_owned(),
        None if export.kind == ExternalKind::Table => "a table".to_owned(),
        None => {
            let global = types.as_ref().global_at(export.index);
            let mutable = if global.mutable { "a mutable" } else { "an immutable" };
            format!("{mutable} {} global", global.content_type)
        }
    };
    AdmitError::ExportSignature { name, expected: expected.to_owned(), actual }
}

/// A signature as text: `(i32, i32) -> (i64)`.
fn describe(params: &[ValType], results: &[ValType]) -> String {
    let list = |types: &[ValType]| types.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    format!("({}) -> ({})", list(params), list(results))
}

/// Checks the module's memory and gives the limits it shall have.
pub(super) fn check_memory(
    console: Console,
    types: &Types,
    memory_pages_max: u32,
) -> Result<MemoryPages, AdmitError> {
    // Both consoles have exactly one memory: the one that `reenact1` exports, the one that `wasm4` imports.
    let memory = types.as_ref().memory_at(0);
    let limit = match console {
        Console::Reenact1 => memory_pages_max,
        Console::Wasm4 => 1,
    };
    AdmitError::check("memory pages", memory.initial, limit)?;
    Ok(match console {
        Console::Reenact1 => MemoryPages {
            // Within the limit, as checked above.
            min: memory.initial as u32,
            max: memory.maximum.map_or(limit, |declared| declared.min(u64::from(limit)) as u32),
        },
        Console::Wasm4 => MemoryPages { min: 1, max: 1 },
    })
}

/// The mutable globals in index order, with their indices. Imports of globals have been refused before.
pub(super) fn check_globals(types: &Types) -> Result<Vec<(u32, Number)>, AdmitError> {
    let types = types.as_ref();
    (0..types.global_count())
        .map(|index| (index, types.global_at(index)))
        .filter(|(_, global)| global.mutable)
        .map(|(index, global)| match Number::from_wasm(global.content_type) {
            Some(number) => Ok((index, number)),
            None => Err(AdmitError::Unsupported { what: "mutable vector or reference global", offset: 0 }),
        })
        .collect()
}
