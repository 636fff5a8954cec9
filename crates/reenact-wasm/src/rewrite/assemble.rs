//! The new module, section by section.

use std::collections::BTreeMap;

use wasm_encoder::reencode::{Reencode, RoundtripReencoder};
use wasm_encoder::{
    BlockType, CodeSection, ConstExpr, DataCountSection, DataSection, ElementSection, ExportKind,
    ExportSection, FunctionSection, GlobalSection, GlobalType, ImportSection, MemorySection, MemoryType,
    Module, Section, TableSection, TypeSection, ValType,
};
use wasmparser::types::Types;

use super::admission::MemoryPages;
use super::function::{Shared, rewrite_body};
use super::outline::Outline;
use super::validate::Frame;
use super::{Number, helpers, names};
use crate::error::AdmitError;
use crate::limits;
use reenact::session::Console;

/// Where the WASM-4 console puts its initial data.
const WASM4_DATA_ADDRESS: i32 = 0x04;

/// The initial data of the WASM-4 console, from the palette to the mouse.
#[rustfmt::skip]
const WASM4_DATA: [u8; 26] = [
    0xcf, 0xf8, 0xe0, 0x00,  0x6c, 0xc0, 0x86, 0x00,  0x50, 0x68, 0x30, 0x00,  0x21, 0x18, 0x07, 0x00,
    0x03, 0x12,
    0x00, 0x00, 0x00, 0x00,
    0xff, 0x7f, 0xff, 0x7f,
];

/// An admitted module, ready to be written.
pub(super) struct Plan<'a> {
    pub(super) console: Console,
    pub(super) outline: &'a Outline<'a>,
    pub(super) types: &'a Types,
    /// The frames of the functions that the module defines.
    pub(super) frames: &'a [Frame],
    pub(super) memory: MemoryPages,
    /// The mutable globals with their indices.
    pub(super) globals: &'a [(u32, Number)],
}

/// The sections that more than one step appends to.
#[derive(Default)]
struct Sections {
    types: TypeSection,
    functions: FunctionSection,
    exports: ExportSection,
    code: CodeSection,
    /// Bytes of code so far.
    code_bytes: usize,
}

impl Sections {
    /// Adds a function of the rewriter's own.
    fn add_helper(&mut self, params: &[ValType], results: &[ValType], body: &wasm_encoder::Function) {
        self.functions.function(self.types.len());
        self.types.ty().function(params.iter().copied(), results.iter().copied());
        self.code.function(body);
    }

    /// Adds a rewritten function, of the length that is allowed.
    fn add_body(&mut self, body: &wasm_encoder::Function) -> Result<(), AdmitError> {
        let bytes = body.byte_len();
        self.code_bytes += bytes;
        AdmitError::check("rewritten function bytes", bytes, limits::REWRITTEN_FUNCTION_BYTES_MAX)?;
        AdmitError::check("rewritten code bytes", self.code_bytes, limits::REWRITTEN_CODE_BYTES_MAX)?;
        self.code.function(body);
        Ok(())
    }
}

impl Plan<'_> {
    /// Writes the module.
    pub(super) fn assemble(&self, stack_bytes_max: u32) -> Result<Vec<u8>, AdmitError> {
        let mut sections = Sections::default();
        if let Some(section) = self.outline.types.clone() {
            RoundtripReencoder.parse_type_section(&mut sections.types, section)?;
        }
        if let Some(section) = self.outline.exports.clone() {
            RoundtripReencoder.parse_export_section(&mut sections.exports, section)?;
        }
        self.rewrite_functions(&mut sections, stack_bytes_max)?;
        sections.add_helper(&[ValType::I32], &[ValType::I32], &helpers::charge());
        self.export_state(&mut sections);

        let data = self.data()?;
        let mut module = Module::new();
        section(&mut module, &sections.types, sections.types.is_empty());
        let imports = self.imports()?;
        section(&mut module, &imports, imports.is_empty());
        section(&mut module, &sections.functions, sections.functions.is_empty());
        let tables = self.tables()?;
        section(&mut module, &tables, tables.is_empty());
        module.section(&self.memories());
        module.section(&self.globals()?);
        module.section(&sections.exports);
        if let Some(elements) = self.outline.elements.clone() {
            let mut section = ElementSection::new();
            RoundtripReencoder.parse_element_section(&mut section, elements)?;
            module.section(&section);
        }
        if self.outline.data_count.is_some() {
            module.section(&DataCountSection { count: data.len() });
        }
        module.section(&sections.code);
        section(&mut module, &data, data.is_empty());
        Ok(module.finish())
    }

    /// Functions and their bodies; the types of blocks that leave several results are added to the types.
    fn rewrite_functions(&self, sections: &mut Sections, stack_bytes_max: u32) -> Result<(), AdmitError> {
        let types = self.types.as_ref();
        let shared = Shared {
            stack_global: self.stack_global(),
            stack_bytes_max,
            charge_function: types.function_count(),
            data_shift: self.data_shift(),
        };
        let mut several = BTreeMap::new();
        let indices = self.outline.functions.clone().into_iter().flatten();
        for ((index, body), frame) in indices.zip(&self.outline.bodies).zip(self.frames) {
            let index = index?;
            sections.functions.function(index);
            let ty = self.types[types.core_type_at_in_module(index)].unwrap_func();
            let results = RoundtripReencoder.func_type(ty.clone())?;
            let block = match *results.results() {
                [] => BlockType::Empty,
                [result] => BlockType::Result(result),
                ref results => BlockType::FunctionType(*several.entry(index).or_insert_with(|| {
                    sections.types.ty().function([], results.iter().copied());
                    sections.types.len() - 1
                })),
            };
            sections.add_body(&rewrite_body(body, *frame, block, &shared)?)?;
        }
        Ok(())
    }

    /// Exports everything that is state, and what the host must reach besides.
    fn export_state(&self, sections: &mut Sections) {
        sections.exports.export(names::MEMORY, ExportKind::Memory, 0);
        sections.exports.export(names::STACK, ExportKind::Global, self.stack_global());
        if let Some(start) = self.outline.start {
            sections.exports.export(names::START, ExportKind::Func, start);
        }
        // The function that charges for bulk memory work comes first.
        let mut function = self.types.as_ref().function_count() + 1;
        for (n, &(global, number)) in self.globals.iter().enumerate() {
            sections.exports.export(&names::global(n), ExportKind::Global, global);
            if let Some(bits) = number.bits() {
                sections.add_helper(&[], &[bits], &helpers::get_bits(global, number));
                sections.exports.export(&format!("reenact!get{n}"), ExportKind::Func, function);
                sections.add_helper(&[bits], &[], &helpers::set_bits(global, number));
                sections.exports.export(&format!("reenact!set{n}"), ExportKind::Func, function + 1);
                function += 2;
            }
        }
    }

    /// The imports but for the memory.
    fn imports(&self) -> Result<ImportSection, AdmitError> {
        let mut section = ImportSection::new();
        for import in
            self.outline.imports.clone().into_iter().flat_map(wasmparser::SectionLimited::into_imports)
        {
            let import = import?;
            if !matches!(import.ty, wasmparser::TypeRef::Memory(_)) {
                RoundtripReencoder.parse_import(&mut section, import)?;
            }
        }
        Ok(section)
    }

    /// Tables cannot grow, as `table.grow` is refused; that their maximum says so spares engines room.
    fn tables(&self) -> Result<TableSection, AdmitError> {
        let mut section = TableSection::new();
        for table in self.outline.tables.clone().into_iter().flatten() {
            let mut ty = RoundtripReencoder.table_type(table?.ty)?;
            ty.maximum = Some(ty.minimum);
            section.table(ty);
        }
        Ok(section)
    }

    fn memories(&self) -> MemorySection {
        let mut section = MemorySection::new();
        section.memory(MemoryType {
            minimum: self.memory.min.into(),
            maximum: Some(self.memory.max.into()),
            memory64: false,
            shared: false,
            page_size_log2: None,
        });
        section
    }

    fn globals(&self) -> Result<GlobalSection, AdmitError> {
        let mut section = GlobalSection::new();
        if let Some(globals) = self.outline.globals.clone() {
            RoundtripReencoder.parse_global_section(&mut section, globals)?;
        }
        section.global(
            GlobalType { val_type: ValType::I32, mutable: true, shared: false },
            &ConstExpr::i32_const(0),
        );
        Ok(section)
    }

    /// The hidden global that counts the stack comes after all others.
    fn stack_global(&self) -> u32 {
        self.types.as_ref().global_count()
    }

    fn data_shift(&self) -> u32 {
        u32::from(self.console == Console::Wasm4)
    }

    /// The data segments; those of a cart may overwrite what the console puts before them.
    fn data(&self) -> Result<DataSection, AdmitError> {
        let mut section = DataSection::new();
        if self.console == Console::Wasm4 {
            section.active(0, &ConstExpr::i32_const(WASM4_DATA_ADDRESS), WASM4_DATA);
        }
        if let Some(data) = self.outline.data.clone() {
            RoundtripReencoder.parse_data_section(&mut section, data)?;
        }
        Ok(section)
    }
}

fn section(module: &mut Module, section: &impl Section, is_empty: bool) {
    if !is_empty {
        module.section(section);
    }
}
