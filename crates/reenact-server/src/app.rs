//! What all requests share.

use std::sync::{Arc, Mutex};

use axum::body::Bytes;
use reenact::session::{SessionPayload, SessionStarted, SimulationId};
use reenact_store::session::{SessionId, from_event};
use reenact_store::{AppendError, Direction, Event, Sequence};
use tokio::sync::{Semaphore, SemaphorePermit, watch};

use crate::data::DataDir;
use crate::documents::{
    LimitsDocument, ModuleDocument, SessionDocument, SimulationDocument, SummaryDocument, console_and_module,
};
use crate::error::{ApiError, Code, chain};
use crate::keyframer::{Keyframer, keyframes_of};
use crate::library::{Entry, Library};
use crate::limits::{COMPILATIONS_MAX, EVENTS_PER_READ, READERS_MAX, UPLOADS_MAX};
use crate::modules::Modules;
use crate::record::recorders::Recorders;
use crate::work::{blocking, lock};

#[derive(Debug)]
pub(crate) struct App {
    pub(crate) data: DataDir,
    pub(crate) library: Library,
    pub(crate) recorders: Recorders,
    pub(crate) keyframer: Keyframer,
    on_loopback: bool,
    stopping: watch::Sender<bool>,
    readers: Semaphore,
    uploads: Semaphore,
    compilations: Semaphore,
    /// Why the store did not take the last events that it was given.
    refused: Mutex<Option<String>>,
}

impl App {
    pub(crate) fn new(data: DataDir, library: Library, keyframer: Keyframer, on_loopback: bool) -> Self {
        Self {
            data,
            library,
            recorders: Recorders::default(),
            keyframer,
            on_loopback,
            stopping: watch::Sender::new(false),
            readers: Semaphore::new(READERS_MAX),
            uploads: Semaphore::new(UPLOADS_MAX),
            compilations: Semaphore::new(COMPILATIONS_MAX),
            refused: Mutex::default(),
        }
    }

    pub(crate) fn on_loopback(&self) -> bool {
        self.on_loopback
    }

    /// Tells every recorder that the server stops.
    pub(crate) fn stop(&self) {
        self.stopping.send_replace(true);
    }

    /// Returns when the server stops.
    pub(crate) async fn stopped(&self) {
        // The sender lives as long as the application does.
        let mut stopping = self.stopping.subscribe();
        let _stop = stopping.wait_for(|stop| *stop).await;
    }

    /// Why no recordings are taken, if none are.
    pub(crate) fn obstacle(&self) -> Option<String> {
        if *self.stopping.borrow() {
            return Some("the server stops".into());
        }
        lock(&self.refused).clone()
    }

    /// Remembers what came of the last append. A conflict or a wrong size says nothing about the store.
    pub(crate) fn note(&self, error: Option<&AppendError>) {
        match error {
            None => *lock(&self.refused) = None,
            Some(
                error @ (AppendError::Full { .. }
                | AppendError::Unavailable { .. }
                | AppendError::Poisoned { .. }),
            ) => *lock(&self.refused) = Some(error.to_string()),
            Some(_) => {}
        }
    }

    /// A turn to read a whole session.
    pub(crate) fn reader(&self) -> Result<SemaphorePermit<'_>, ApiError> {
        let busy = |_| ApiError::new(Code::Busy, format!("{READERS_MAX} sessions are being read already"));
        self.readers.try_acquire().map_err(busy)
    }

    /// A turn to hand in a module, whose bytes are read only then.
    pub(crate) fn uploader(&self) -> Result<SemaphorePermit<'_>, ApiError> {
        let busy =
            |_| ApiError::new(Code::Busy, format!("{UPLOADS_MAX} modules are being handed in already"));
        self.uploads.try_acquire().map_err(busy)
    }

    /// Admits a module, one at a time, where it holds up nobody; and whether it is new.
    pub(crate) async fn admit(&self, bytes: Bytes) -> Result<(Arc<ModuleDocument>, bool), ApiError> {
        let admitted = self.compiling(move |modules| modules.admit(&bytes)).await??;
        // Sessions may have waited for it.
        self.take_missing_keyframes();
        Ok(admitted)
    }

    /// Does what compiles a module, one at a time, where it holds up nobody.
    pub(crate) async fn compiling<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Modules) -> T + Send + 'static,
    ) -> Result<T, ApiError> {
        let _turn = self.compilations.acquire().await.map_err(|closed| ApiError::internal(&closed))?;
        let modules = Arc::clone(&self.data.modules);
        blocking(move || Ok(work(&modules))).await
    }

    pub(crate) fn summary(&self, session: &SessionId, entry: &Entry) -> SummaryDocument {
        entry.summary(session, self.recorders.is_attached(session))
    }

    /// The start of a session, whole.
    pub(crate) async fn started(&self, session: &SessionId) -> Result<SessionStarted, ApiError> {
        let first = self.data.store.read(session.stream(), Sequence::FIRST, Direction::Forward, 1).await?;
        match first.first().map(|event| from_event(None, event)) {
            Some(Ok(SessionPayload::Started(started))) => Ok(started),
            Some(Err(error)) => Err(ApiError::new(Code::NotReplayable, chain(&error))),
            _ => Err(ApiError::new(Code::UnknownSession, format!("there is no {session}"))),
        }
    }

    /// Everything about a session but its tracks. It may rewrite a module.
    pub(crate) fn session_document(
        &self,
        session: &SessionId,
        entry: &Entry,
        started: &SessionStarted,
    ) -> SessionDocument {
        let (console, module) = console_and_module(&started.simulation);
        let (rewritten, obstacle) = match self.data.modules.rewritten_of(started) {
            Ok(blob) => (Some(blob.to_string()), None),
            Err(error) => (None, Some(chain(&error))),
        };
        let pinned = match &started.simulation {
            SimulationId::Wasm(id) => Some(*id),
            SimulationId::Native { .. } => None,
        };
        let simulation = SimulationDocument {
            console,
            module,
            rewriter_version: pinned.map_or(0, |id| id.rewriter_version),
            limits: pinned.map(|id| LimitsDocument::from(id.limits)),
            rewritten,
            obstacle,
        };
        let module = pinned.and_then(|id| self.data.modules.get(id.module));
        SessionDocument::new(self.summary(session, entry), started, simulation, module.as_deref())
    }

    /// Shows each event of a session's stream, in order.
    pub(crate) async fn each_event(
        &self,
        session: &SessionId,
        mut see: impl FnMut(&Event) -> Result<(), ApiError>,
    ) -> Result<(), ApiError> {
        let mut from = Sequence::FIRST;
        loop {
            let read = self.data.store.read(session.stream(), from, Direction::Forward, EVENTS_PER_READ);
            let events = read.await?;
            let Some(last) = events.last() else { return Ok(()) };
            from = last.sequence.plus(1);
            events.iter().try_for_each(&mut see)?;
            // A read of the store is work for this thread, and others have requests too.
            tokio::task::yield_now().await;
        }
    }

    /// Shows each payload of one kind of a session's stream, in order.
    pub(crate) async fn each_payload(
        &self,
        session: &SessionId,
        entry: &Entry,
        kind: &str,
        mut see: impl FnMut(SessionPayload),
    ) -> Result<(), ApiError> {
        self.each_event(session, |event| {
            if event.kind.as_str() == kind {
                let payload = from_event(Some(&entry.started.schema), event);
                see(payload.map_err(|error| ApiError::new(Code::NotReplayable, chain(&error)))?);
            }
            Ok(())
        })
        .await
    }

    /// Asks for the keyframes of ended sessions that have none yet.
    pub(crate) fn take_missing_keyframes(&self) {
        for session in self.library.ended() {
            if keyframes_of(&self.data.lists, &session).is_none() {
                self.keyframer.take(&session);
            }
        }
    }
}
