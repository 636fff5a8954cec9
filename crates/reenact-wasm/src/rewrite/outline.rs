//! The sections of a module, found and counted before anything is validated.
//!
//! Counts and lengths stand in the headers, so that a module built to exhaust its reader is refused after a
//! walk that allocates nothing by declared counts.

use wasmparser::{
    BinaryReader, DataSectionReader, ElementItems, ElementSectionReader, Encoding, ExportSectionReader,
    FunctionBody, FunctionSectionReader, GlobalSectionReader, ImportSectionReader, Parser, Payload,
    TableSectionReader, TypeSectionReader,
};

use crate::error::AdmitError;
use crate::limits;

/// Where everything is. Each section is the last of its kind; that there is one only is the validator's to
/// say.
#[derive(Default)]
pub(crate) struct Outline<'a> {
    pub(crate) types: Option<TypeSectionReader<'a>>,
    pub(crate) imports: Option<ImportSectionReader<'a>>,
    pub(crate) functions: Option<FunctionSectionReader<'a>>,
    pub(crate) tables: Option<TableSectionReader<'a>>,
    pub(crate) globals: Option<GlobalSectionReader<'a>>,
    pub(crate) exports: Option<ExportSectionReader<'a>>,
    pub(crate) start: Option<u32>,
    pub(crate) elements: Option<ElementSectionReader<'a>>,
    pub(crate) data_count: Option<u32>,
    pub(crate) bodies: Vec<FunctionBody<'a>>,
    pub(crate) data: Option<DataSectionReader<'a>>,
    /// The contents of `reenact.abi` sections.
    pub(crate) abi: Vec<&'a [u8]>,
    /// The contents of `reenact.schema` sections.
    pub(crate) schema: Vec<&'a [u8]>,
}

impl<'a> Outline<'a> {
    /// Walks the headers of `module` and holds every count and length against its limit.
    pub(crate) fn read(module: &'a [u8]) -> Result<Self, AdmitError> {
        AdmitError::check("module bytes", module.len(), limits::MODULE_BYTES_MAX)?;
        let mut outline = Self::default();
        let mut code_bytes = 0;
        for payload in Parser::new(0).parse_all(module) {
            match payload? {
                Payload::Version { encoding: Encoding::Component, range, .. } => {
                    return Err(AdmitError::Unsupported { what: "component model", offset: range.start });
                }
                Payload::CodeSectionEntry(body) => outline.body(body, &mut code_bytes)?,
                other => outline.section(other)?,
            }
        }
        Ok(outline)
    }

    fn section(&mut self, payload: Payload<'a>) -> Result<(), AdmitError> {
        let count = AdmitError::check;
        match payload {
            Payload::TypeSection(section) => {
                count("types", section.count(), limits::DECLARATIONS_MAX)?;
                check_types(section.clone())?;
                self.types = Some(section);
            }
            Payload::ImportSection(section) => {
                count("imports", section.count(), limits::DECLARATIONS_MAX)?;
                self.imports = Some(section);
            }
            Payload::FunctionSection(section) => {
                count("functions", section.count(), limits::FUNCTIONS_MAX)?;
                self.functions = Some(section);
            }
            Payload::TableSection(section) => {
                count("tables", section.count(), limits::TABLES_MAX)?;
                check_tables(section.clone())?;
                self.tables = Some(section);
            }
            Payload::GlobalSection(section) => {
                count("globals", section.count(), limits::GLOBALS_MAX)?;
                self.globals = Some(section);
            }
            Payload::ExportSection(section) => {
                count("exports", section.count(), limits::DECLARATIONS_MAX)?;
                self.exports = Some(section);
            }
            Payload::StartSection { func, .. } => self.start = Some(func),
            Payload::ElementSection(section) => {
                count("element segments", section.count(), limits::SEGMENTS_MAX)?;
                check_elements(section.clone())?;
                self.elements = Some(section);
            }
            Payload::DataCountSection { count, .. } => self.data_count = Some(count),
            Payload::CodeSectionStart { count: functions, .. } => {
                count("functions", functions, limits::FUNCTIONS_MAX)?;
            }
            Payload::DataSection(section) => {
                count("data segments", section.count(), limits::SEGMENTS_MAX)?;
                self.data = Some(section);
            }
            Payload::CustomSection(section) => match section.name() {
                "reenact.abi" => self.abi.push(section.data()),
                "reenact.schema" => self.schema.push(section.data()),
                _ => {}
            },
            _ => {}
        }
        Ok(())
    }

    fn body(&mut self, body: FunctionBody<'a>, code_bytes: &mut usize) -> Result<(), AdmitError> {
        let bytes = body.range().len();
        *code_bytes += bytes;
        AdmitError::check("function body bytes", bytes, limits::FUNCTION_BYTES_MAX)?;
        AdmitError::check("code bytes", *code_bytes, limits::CODE_BYTES_MAX)?;
        let mut locals = 0;
        for group in body.get_locals_reader()? {
            locals += u64::from(group?.0);
            AdmitError::check("locals of a function", locals, limits::LOCALS_MAX)?;
        }
        self.bodies.push(body);
        AdmitError::check("functions", self.bodies.len(), limits::FUNCTIONS_MAX)
    }

    /// The ABI version the module declares, if it declares one.
    pub(crate) fn abi(&self) -> Result<Option<u32>, AdmitError> {
        match self.abi.as_slice() {
            [] => Ok(None),
            [bytes] if bytes.len() == 4 => Ok(Some(BinaryReader::new(bytes, 0).read_u32()?)),
            several => Err(AdmitError::AbiSection { found: several.iter().map(|bytes| bytes.len()).sum() }),
        }
    }
}

fn check_types(section: TypeSectionReader) -> Result<(), AdmitError> {
    for group in section {
        for ty in group?.types() {
            // Types other than functions are the validator's to refuse.
            if let wasmparser::CompositeInnerType::Func(ty) = &ty.composite_type.inner {
                AdmitError::check("parameters of a type", ty.params().len(), limits::PARAMETERS_MAX)?;
                AdmitError::check("results of a type", ty.results().len(), limits::RESULTS_MAX)?;
            }
        }
    }
    Ok(())
}

fn check_tables(section: TableSectionReader) -> Result<(), AdmitError> {
    let mut elements = 0_u64;
    for table in section {
        elements = elements.saturating_add(table?.ty.initial);
        AdmitError::check("table elements", elements, limits::TABLE_ELEMENTS_MAX)?;
    }
    Ok(())
}

fn check_elements(section: ElementSectionReader) -> Result<(), AdmitError> {
    let mut elements = 0;
    for segment in section {
        elements += match segment?.items {
            ElementItems::Functions(items) => u64::from(items.count()),
            ElementItems::Expressions(_, items) => u64::from(items.count()),
        };
        AdmitError::check("elements of segments", elements, limits::TABLE_ELEMENTS_MAX)?;
    }
    Ok(())
}
