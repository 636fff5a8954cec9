//! A data directory: the event log, and beside it modules, blobs, lists of keyframes and a secret.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use reenact::session::{EndReason, SessionEnded, SessionPayload, SessionStarted, SimulationId};
use reenact::{Attachments, Keyframe, StateHash, Tick, replay_from_session};
use reenact_store::EventStore;
use reenact_store::blob::{BlobDir, BlobError};
use reenact_store::derived::{DerivedDir, DerivedError};
use reenact_store::log::{EventLog, OpenReport};
use reenact_store::session::{SessionId, load};
use thiserror::Error;

use crate::documents::KeyframeDocument;
use crate::error::{ApiError, Code};
use crate::keyframer::keyframes_of;
use crate::modules::{Modules, ModulesError, blob_of_state};
use crate::work::{blocking, off_the_runtime};

/// Everything that lies in a data directory, opened.
#[derive(Clone, Debug)]
pub struct DataDir {
    /// The events.
    pub store: Arc<dyn EventStore>,
    /// The modules that sessions are of.
    pub modules: Arc<Modules>,
    /// Keyframes and rewritten modules: whatever can be made again.
    pub blobs: Arc<BlobDir>,
    /// The lists of keyframes, by session; they can be made again too.
    pub(crate) lists: Arc<DerivedDir>,
    secret: [u8; 32],
}

/// Why a data directory cannot be opened.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DataError {
    /// The event log.
    #[error("failed to open the event log")]
    Log(#[from] reenact_store::log::OpenError),
    /// The modules.
    #[error(transparent)]
    Modules(#[from] ModulesError),
    /// The blobs.
    #[error("failed to open the blobs")]
    Blobs(#[from] BlobError),
    /// The lists of keyframes.
    #[error("failed to open the lists of keyframes")]
    Lists(#[from] DerivedError),
    /// Some other file.
    #[error("failed to use {path}")]
    File {
        /// Which.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The file of the secret is damaged. Without it no recorder can resume; removed, it is made anew.
    #[error("{path} is damaged: it is not a secret and its BLAKE3 hash")]
    Secret {
        /// Which file.
        path: PathBuf,
    },
}

impl DataDir {
    /// Opens `path`, which is made unless it is there; and what recovery found. It may take a while: call it
    /// where that holds up nobody.
    ///
    /// # Errors
    /// Another process has it, something is damaged, or the system refuses.
    pub fn open(path: &Path) -> Result<(Self, OpenReport), DataError> {
        // The log makes the directory, durably, and its lock guards the whole of it.
        let log = EventLog::open(path.join("log"))?;
        let report = log.report().clone();
        let blobs = Arc::new(BlobDir::open(path.join("blobs"))?);
        let modules = Arc::new(Modules::open(&path.join("modules"), Arc::clone(&blobs))?);
        let lists = Arc::new(DerivedDir::open(path.join("keyframes"))?);
        let secret = secret(&path.join("secret"))?;
        Ok((Self { store: Arc::new(log), modules, blobs, lists, secret }, report))
    }

    /// What lets a recorder resume a session: nobody who does not know the secret can work it out.
    pub(crate) fn key_of(&self, session: &SessionId) -> blake3::Hash {
        blake3::keyed_hash(&self.secret, session.stream().as_str().as_bytes())
    }

    /// The replay file of a session, with its module and its keyframes if they are here. A session that has
    /// not ended is cut after what was acknowledged.
    ///
    /// # Errors
    /// The session is not there, or its stream is no whole session.
    pub async fn export(&self, session: &SessionId) -> Result<Vec<u8>, ApiError> {
        let (state, mut payloads) = {
            let (store, session) = (Arc::clone(&self.store), session.clone());
            off_the_runtime(async move { load(&*store, &session).await }).await??
        };
        if !matches!(payloads.last(), Some(SessionPayload::Ended(_))) {
            let ended = SessionEnded { last_tick: state.tick(), reason: EndReason::Truncated };
            payloads.push(SessionPayload::Ended(ended));
        }
        let data = self.clone();
        let session = session.clone();
        let write = move || {
            let attachments = data.attachments(state.started(), &session);
            replay_from_session(payloads, &attachments)
                .map_err(|error| ApiError::new(Code::NotReplayable, error.to_string()))
        };
        blocking(write).await
    }

    /// Neither a module nor a keyframe that cannot be read keeps a session from being exported.
    fn attachments(&self, started: &SessionStarted, session: &SessionId) -> Attachments {
        let module = match &started.simulation {
            SimulationId::Wasm(id) => self.modules.original(id.module).ok().flatten(),
            SimulationId::Native { .. } => None,
        };
        let keyframe = |keyframe: &KeyframeDocument| {
            let state = self.blobs.get(blob_of_state(StateHash::from_hex(&keyframe.state)?)).ok()??;
            Keyframe::new(Tick(keyframe.tick), &state)
        };
        let keyframes = keyframes_of(&self.lists, session).unwrap_or_default().keyframes;
        Attachments { module, keyframes: keyframes.iter().filter_map(keyframe).collect() }
    }
}

/// A secret that its hash follows.
fn read_secret(bytes: &[u8]) -> Option<[u8; 32]> {
    let (secret, hash) = bytes.split_first_chunk::<32>()?;
    (hash == blake3::hash(secret).as_bytes()).then_some(*secret)
}

/// The secret in the file `path`, which only its owner may read; a new one if there is none.
fn secret(path: &Path) -> Result<[u8; 32], DataError> {
    let failed = |source| DataError::File { path: path.into(), source };
    match std::fs::read(path) {
        Ok(bytes) => return read_secret(&bytes).ok_or_else(|| DataError::Secret { path: path.into() }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(failed(error)),
    }
    let mut secret = [0; 32];
    getrandom::fill(&mut secret).map_err(|error| failed(std::io::Error::other(error)))?;
    // Renamed into place, so that a crash leaves no part of one.
    let new = path.with_extension("new");
    let mut options = std::fs::OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&new).map_err(failed)?;
    let bytes = [secret, *blake3::hash(&secret).as_bytes()];
    file.write_all(bytes.as_flattened()).and_then(|()| file.sync_all()).map_err(failed)?;
    std::fs::rename(&new, path).map_err(failed)?;
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)?;
    Ok(secret)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flip_and_every_cut_of_a_secret_is_seen() {
        let secret = [7; 32];
        let bytes = [secret, *blake3::hash(&secret).as_bytes()].concat();
        assert_eq!(read_secret(&bytes), Some(secret));
        for bit in 0..bytes.len() * 8 {
            let mut other = bytes.clone();
            other[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(read_secret(&other), None, "bit {bit}");
        }
        assert!((0..bytes.len()).all(|length| read_secret(&bytes[..length]).is_none()));
    }
}
