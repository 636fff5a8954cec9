//! The modules that are here: admitted, kept, described, and compiled when somebody needs them.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use reenact::session::{Limits, SessionStarted, SimulationId, WasmId};
use reenact::{ModuleHash, StateHash};
use reenact_store::blob::{BlobDir, BlobError, BlobHash};
use reenact_wasm::rewrite::{REWRITER_VERSION, RewriteLimits, rewrite};
use reenact_wasm::{AdmitError, Engine, EngineError, Module, OpenError};
use thiserror::Error;

use crate::documents::ModuleDocument;
use crate::limits::{COMPILED_MAX, MODULES_MAX};
use crate::work::lock;

/// Why a module cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ModuleError {
    /// It is not here.
    #[error("module {module} is not here; upload the file with this BLAKE3 hash")]
    Missing {
        /// The hash that is asked for.
        module: ModuleHash,
    },
    /// No more modules are kept.
    #[error("{modules} modules are here, where at most {limit} are kept")]
    Full {
        /// How many are here.
        modules: usize,
        /// [`MODULES_MAX`].
        limit: usize,
    },
    /// It is refused.
    #[error("the module is refused")]
    Admit(#[from] AdmitError),
    /// The session cannot be run here.
    #[error("the session cannot be run here")]
    Open(#[from] OpenError),
    /// Its file cannot be read or written.
    #[error("failed to keep or read a module")]
    Blob(#[from] BlobError),
}

/// The modules of a data directory.
#[derive(Debug)]
pub struct Modules {
    engine: Engine,
    originals: BlobDir,
    /// Where rewritten modules go.
    blobs: Arc<BlobDir>,
    known: Mutex<BTreeMap<ModuleHash, Arc<ModuleDocument>>>,
    /// The last ones used, the newest at the end.
    compiled: Mutex<Vec<Module>>,
    rewritten: Mutex<Vec<(WasmId, BlobHash)>>,
}

/// Why the modules of a data directory cannot be opened.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ModulesError {
    /// The engine does not start.
    #[error("failed to start the engine")]
    Engine(#[from] EngineError),
    /// The folder cannot be read.
    #[error("failed to open the modules")]
    Blob(#[from] BlobError),
}

impl Modules {
    /// Opens the folder `path`. A module there that is damaged, or that this version refuses, is passed over:
    /// whoever asks for it is told.
    ///
    /// # Errors
    /// The engine does not start, or the folder cannot be read.
    pub fn open(path: &Path, blobs: Arc<BlobDir>) -> Result<Self, ModulesError> {
        let originals = BlobDir::open(path)?;
        let mut known = BTreeMap::new();
        for hash in originals.list()? {
            let Ok(Some(bytes)) = originals.get(hash) else { continue };
            if let Ok(document) = describe(&bytes) {
                known.insert(ModuleHash(hash.0), Arc::new(document));
            }
        }
        Ok(Self {
            engine: Engine::new()?,
            originals,
            blobs,
            known: Mutex::new(known),
            compiled: Mutex::default(),
            rewritten: Mutex::default(),
        })
    }

    /// What is here, by name of the game.
    pub fn list(&self) -> Vec<Arc<ModuleDocument>> {
        let mut all: Vec<_> = lock(&self.known).values().cloned().collect();
        all.sort_by(|a, b| (&a.game, &a.module).cmp(&(&b.game, &b.module)));
        all
    }

    /// A module that is here.
    pub fn get(&self, module: ModuleHash) -> Option<Arc<ModuleDocument>> {
        lock(&self.known).get(&module).cloned()
    }

    /// Admits a module under the default limits and keeps it; and whether it is new.
    ///
    /// # Errors
    /// It is refused, or cannot be kept.
    pub fn admit(&self, bytes: &[u8]) -> Result<(Arc<ModuleDocument>, bool), ModuleError> {
        let hash = ModuleHash::of(bytes);
        if let Some(known) = self.get(hash) {
            // Mends the file, if it has been damaged meanwhile.
            self.originals.put(bytes)?;
            return Ok((known, false));
        }
        let modules = lock(&self.known).len();
        if modules >= MODULES_MAX {
            return Err(ModuleError::Full { modules, limit: MODULES_MAX });
        }
        // Admission is not over before the engine has compiled the module.
        let module = Module::admit(&self.engine, bytes, Limits::default())?;
        let document = Arc::new(describe(bytes)?);
        self.originals.put(bytes)?;
        lock(&self.known).insert(hash, Arc::clone(&document));
        self.keep_compiled(module);
        Ok((document, true))
    }

    /// A module as it was handed in.
    ///
    /// # Errors
    /// Its file cannot be read, or is damaged.
    pub fn original(&self, module: ModuleHash) -> Result<Option<Vec<u8>>, BlobError> {
        self.originals.get(BlobHash(module.0))
    }

    /// The compiled module of a session, under the limits that the session names.
    ///
    /// # Errors
    /// It is not here, or cannot be run here.
    pub fn of_session(&self, started: &SessionStarted) -> Result<Module, ModuleError> {
        let known = lock(&self.compiled)
            .iter()
            .find(|module| started.simulation == SimulationId::Wasm(module.id()))
            .cloned();
        if let Some(module) = known {
            return Ok(module);
        }
        let bytes = self.bytes_of(started)?;
        let module = Module::admit_for(&self.engine, started, &bytes)?;
        self.keep_compiled(module.clone());
        Ok(module)
    }

    /// The compiled module of a new session, under the default limits.
    ///
    /// # Errors
    /// It is not here, or this version refuses it.
    pub fn of_new_session(&self, module: ModuleHash) -> Result<Module, ModuleError> {
        let wanted = |known: &&Module| known.id().module == module && known.id().limits == Limits::default();
        let known = lock(&self.compiled).iter().find(wanted).cloned();
        if let Some(known) = known {
            return Ok(known);
        }
        let bytes = self.original(module)?.ok_or(ModuleError::Missing { module })?;
        let admitted = Module::admit(&self.engine, &bytes, Limits::default())?;
        self.keep_compiled(admitted.clone());
        Ok(admitted)
    }

    /// The blob of a session's rewritten module, which is made unless it is there.
    ///
    /// # Errors
    /// The module is not here, or cannot be run here.
    pub fn rewritten_of(&self, started: &SessionStarted) -> Result<BlobHash, ModuleError> {
        let id = pinned(started)?;
        if let Some((_, blob)) = lock(&self.rewritten).iter().find(|(known, _)| *known == id) {
            return Ok(*blob);
        }
        let bytes = self.bytes_of(started)?;
        if id.rewriter_version != REWRITER_VERSION {
            let (expected, actual) = (id.rewriter_version, REWRITER_VERSION);
            return Err(OpenError::Rewriter { expected, actual }.into());
        }
        let blob = self.blobs.put(&rewrite(&bytes, &limits_of(id.limits))?.wasm)?;
        let mut rewritten = lock(&self.rewritten);
        if rewritten.len() == MODULES_MAX {
            rewritten.remove(0);
        }
        rewritten.push((id, blob));
        Ok(blob)
    }

    fn bytes_of(&self, started: &SessionStarted) -> Result<Vec<u8>, ModuleError> {
        let module = pinned(started)?.module;
        self.original(module)?.ok_or(ModuleError::Missing { module })
    }

    fn keep_compiled(&self, module: Module) {
        let mut compiled = lock(&self.compiled);
        if compiled.len() == COMPILED_MAX {
            compiled.remove(0);
        }
        compiled.push(module);
    }
}

/// What pins a session's module.
fn pinned(started: &SessionStarted) -> Result<WasmId, ModuleError> {
    match &started.simulation {
        SimulationId::Wasm(id) => Ok(*id),
        SimulationId::Native { name, build } => {
            Err(OpenError::Native { name: name.clone(), build: build.clone() }.into())
        }
    }
}

fn limits_of(limits: Limits) -> RewriteLimits {
    RewriteLimits { memory_pages_max: limits.memory_pages, stack_bytes_max: limits.stack_bytes }
}

fn describe(bytes: &[u8]) -> Result<ModuleDocument, AdmitError> {
    let rewritten = rewrite(bytes, &limits_of(Limits::default()))?;
    Ok(ModuleDocument::new(ModuleHash::of(bytes).to_string(), bytes.len(), &rewritten))
}

/// A state's blob has the state's hash.
pub(crate) fn blob_of_state(state: StateHash) -> BlobHash {
    BlobHash(state.0)
}
