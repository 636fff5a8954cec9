//! How a recording begins: a new session, or one that goes on.

use std::sync::Arc;

use reenact::limits::{CONFIG_BYTES_MAX, DISK_BYTES_MAX};
use reenact::{Recorder, SessionStarted};
use reenact_store::session::{SessionId, SessionWriter, StoredInputs};
use reenact_wasm::Setup;

use super::parts::Parts;
use super::protocol::{Opening, read_base64, read_module_hash};
use super::recorders::Lease;
use super::refusal::{Refusal, RefusalCode, refuse_append, refuse_load};
use crate::app::App;
use crate::error::chain;
use crate::modules::{ModuleError, Modules};
use crate::work::off_the_runtime;

/// A recorder that may begin.
pub(super) struct Opened {
    pub(super) session: SessionId,
    pub(super) lease: Lease,
    pub(super) writer: SessionWriter,
    pub(super) parts: Parts,
    pub(super) recorder: Recorder,
}

/// Chunks are closed by the clock and by their size, not by a count of ticks.
const CHUNK_TICKS: u32 = u32::MAX;

/// Does what the first message asks for.
pub(super) async fn open(app: &Arc<App>, opening: String) -> Result<Opened, Refusal> {
    let opening = serde_json::from_str(&opening)
        .map_err(|error| Refusal::malformed(format!("the first message is no start or resume: {error}")))?;
    match opening {
        Opening::Start { module, seed, config, disk, hash_every } => {
            let setup = Setup {
                seed: seed.parse().map_err(|_| Refusal::malformed("the seed is no number of 64 bits"))?,
                config: read_base64("config", &config, CONFIG_BYTES_MAX)?,
                disk: read_base64("disk", &disk, DISK_BYTES_MAX)?,
            };
            start(app, started(app, &module, setup, hash_every).await?).await
        }
        Opening::Resume { session, key } => resume(app, &session, &key).await,
    }
}

/// The start of a session of a module, which may have to be compiled first.
async fn started(app: &App, module: &str, setup: Setup, hash_every: u32) -> Result<SessionStarted, Refusal> {
    let module = read_module_hash(module)?;
    let find = move |modules: &Modules| {
        modules.of_new_session(module).map(|module| module.session(setup, hash_every))
    };
    let found = app.compiling(find).await;
    let found = found.map_err(|error| Refusal::new(RefusalCode::Internal, error.detail))?;
    found.map_err(|error| {
        let code = match error {
            ModuleError::Missing { .. } => RefusalCode::UnknownModule,
            ModuleError::Blob(_) => RefusalCode::Internal,
            _ => RefusalCode::ModuleRefused,
        };
        Refusal::new(code, chain(&error))
    })
}

async fn start(app: &App, started: SessionStarted) -> Result<Opened, Refusal> {
    let session = SessionId::generate();
    let lease = app.recorders.attach(&session).await?;
    let recorder = Recorder::resume(started.clone(), CHUNK_TICKS, reenact::Tick::ZERO);
    let parts = Parts::new(started.schema.clone(), None);
    let store = Arc::clone(&app.data.store);
    let writer = SessionWriter::start(store, session.clone(), started.clone(), None).await;
    let writer = writer.map_err(|error| refuse_append(app, &error))?;
    app.library.begin(&session, started);
    Ok(Opened { session, lease, writer, parts, recorder })
}

async fn resume(app: &App, session: &str, key: &str) -> Result<Opened, Refusal> {
    let unknown = |_| Refusal::new(RefusalCode::UnknownSession, "no session has such an id");
    let session: SessionId = session.parse().map_err(unknown)?;
    // Two hashes are compared in the same time, however much of them is equal.
    let right = blake3::Hash::from_hex(key).is_ok_and(|key| key == app.data.key_of(&session));
    if !right {
        return Err(Refusal::new(RefusalCode::WrongKey, format!("the key is not that of {session}")));
    }
    let lease = app.recorders.attach(&session).await?;
    let writer = SessionWriter::resume(Arc::clone(&app.data.store), session.clone(), None);
    let writer = off_the_runtime(writer).await;
    let writer = writer.map_err(|error| Refusal::new(RefusalCode::Internal, error.detail))?;
    let writer = writer.map_err(|error| refuse_load(&error))?;
    let stored = writer.session().clone();
    if let Some(ended) = stored.ended() {
        let detail = format!("the session has ended at tick {}", ended.last_tick);
        return Err(Refusal::new(RefusalCode::SessionEnded, detail));
    }
    let started = stored.started().clone();
    let recorder = Recorder::resume(started.clone(), CHUNK_TICKS, stored.tick());
    let stored = StoredInputs::new(Arc::clone(&app.data.store), session.clone(), stored);
    let parts = Parts::new(started.schema, Some(stored));
    Ok(Opened { session, lease, writer, parts, recorder })
}
