//! Why a module is refused.

use crate::schema::SchemaError;

/// A module was refused at admission.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AdmitError {
    /// The module has more of something than [`crate::limits`] allows.
    #[error("{what}: {found} is above the limit of {limit}")]
    Limit {
        /// What is limited, with its unit.
        what: &'static str,
        /// How much the module has, or has at least.
        found: u64,
        /// How much is allowed.
        limit: u64,
    },
    /// The bytes are not a valid module.
    #[error("malformed module at byte {offset}: {reason}")]
    Malformed {
        /// Where in the module as handed in.
        offset: usize,
        /// What the validator says.
        reason: String,
    },
    /// The module uses a proposal, a type or an instruction that is not supported.
    #[error("{what} at byte {offset}: not supported")]
    Unsupported {
        /// The name of the proposal, the type or the instruction.
        what: &'static str,
        /// Where in the module as handed in.
        offset: usize,
    },
    /// The module speaks no contract: it has no `reenact.abi` section and imports no `env.memory`.
    #[error("neither a `reenact.abi` section nor an import of `env.memory`")]
    UnknownConsole,
    /// The console offers no such import.
    #[error("unknown import `{module}.{name}`")]
    UnknownImport {
        /// The import's module.
        module: String,
        /// The import's name.
        name: String,
    },
    /// An import of the console is declared as something else than it is.
    #[error("import `{module}.{name}` is {actual}, expected {expected}")]
    ImportSignature {
        /// The import's module.
        module: String,
        /// The import's name.
        name: String,
        /// What the console offers.
        expected: String,
        /// What the module declares.
        actual: String,
    },
    /// The console needs an export that is not there.
    #[error("missing export `{name}`")]
    MissingExport {
        /// The export's name.
        name: &'static str,
    },
    /// An export of the console's contract is something else than the contract says.
    #[error("export `{name}` is {actual}, expected {expected}")]
    ExportSignature {
        /// The export's name.
        name: &'static str,
        /// What the contract says.
        expected: String,
        /// What the module has.
        actual: String,
    },
    /// The module exports a name that the rewriter keeps for itself.
    #[error("export `{name}` begins with `reenact!`, which is reserved")]
    ReservedExport {
        /// The export's name.
        name: String,
    },
    /// The `reenact.abi` section is not one u32.
    #[error("section `reenact.abi` has {found} bytes, expected 4")]
    AbiSection {
        /// Its length in bytes, that of all together if it is there several times.
        found: usize,
    },
    /// The module is made for another version of the ABI.
    #[error("abi version {found}, supported is {supported}")]
    AbiVersion {
        /// The version in the section `reenact.abi`.
        found: u32,
        /// The version that this host speaks.
        supported: u32,
    },
    /// The engine does not compile a module that passed every check.
    #[error("the engine refuses the module: {reason}")]
    Engine {
        /// What the engine says.
        reason: String,
    },
    /// The `reenact.schema` section cannot be read.
    #[error("section `reenact.schema`")]
    Schema(#[from] SchemaError),
}

impl AdmitError {
    /// Refuses more than `limit` of `what`.
    pub(crate) fn check(
        what: &'static str,
        found: impl TryInto<u64>,
        limit: impl TryInto<u64>,
    ) -> Result<(), Self> {
        // What does not fit into 64 bits is above every limit.
        let (found, limit) = (found.try_into().unwrap_or(u64::MAX), limit.try_into().unwrap_or(u64::MAX));
        if found > limit { Err(Self::Limit { what, found, limit }) } else { Ok(()) }
    }
}

impl From<wasmparser::Error> for AdmitError {
    fn from(error: wasmparser::Error) -> Self {
        // The validator breaks some of its messages into lines.
        let reason: Vec<&str> = error.message().split_whitespace().collect();
        Self::Malformed { offset: error.offset(), reason: reason.join(" ") }
    }
}

impl From<wasm_encoder::reencode::Error> for AdmitError {
    fn from(error: wasm_encoder::reencode::Error) -> Self {
        match error {
            wasm_encoder::reencode::Error::ParseError(error) => error.into(),
            other => Self::Malformed { offset: 0, reason: other.to_string() },
        }
    }
}
