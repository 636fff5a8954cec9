//! Who records what: a session has one recorder at a time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use reenact_store::session::SessionId;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use super::refusal::{Refusal, RefusalCode};
use crate::limits::{RECORDERS_MAX, TAKEOVER_TIMEOUT};
use crate::work::lock;

/// The recorders that are attached.
#[derive(Clone, Debug, Default)]
pub(crate) struct Recorders(Arc<Mutex<HashMap<SessionId, watch::Sender<bool>>>>);

/// The right to record a session, until it is dropped.
#[derive(Debug)]
pub(crate) struct Lease {
    recorders: Recorders,
    session: SessionId,
    superseded: watch::Receiver<bool>,
}

impl Recorders {
    pub(crate) fn is_attached(&self, session: &SessionId) -> bool {
        lock(&self.0).contains_key(session)
    }

    pub(crate) fn count(&self) -> usize {
        lock(&self.0).len()
    }

    /// Attaches a recorder; the one before is told, and let go first.
    pub(crate) async fn attach(&self, session: &SessionId) -> Result<Lease, Refusal> {
        let deadline = Instant::now() + TAKEOVER_TIMEOUT;
        loop {
            let before = match self.try_attach(session)? {
                Ok(lease) => return Ok(lease),
                Err(before) => before,
            };
            before.send_replace(true);
            if timeout_at(deadline, before.closed()).await.is_err() {
                let detail = format!("the recorder before does not let go of {session}");
                return Err(Refusal::new(RefusalCode::Busy, detail));
            }
        }
    }

    /// The lease, or the bell of the recorder that has it.
    fn try_attach(&self, session: &SessionId) -> Result<Result<Lease, watch::Sender<bool>>, Refusal> {
        let mut attached = lock(&self.0);
        if let Some(before) = attached.get(session) {
            return Ok(Err(before.clone()));
        }
        if attached.len() >= RECORDERS_MAX {
            let detail = format!("{RECORDERS_MAX} recorders are attached already");
            return Err(Refusal::new(RefusalCode::Busy, detail));
        }
        let (bell, superseded) = watch::channel(false);
        attached.insert(session.clone(), bell);
        Ok(Ok(Lease { recorders: self.clone(), session: session.clone(), superseded }))
    }
}

impl Lease {
    /// Returns when another recorder wants the session.
    pub(crate) async fn superseded(&mut self) {
        // The bell hangs in the registry as long as the lease lasts.
        let _rung = self.superseded.wait_for(|rung| *rung).await;
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        lock(&self.recorders.0).remove(&self.session);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_newest_recorder_gets_the_session_once_the_one_before_lets_go() {
        let (recorders, session) = (Recorders::default(), SessionId::generate());
        let mut first = recorders.attach(&session).await.unwrap();
        let second = tokio::spawn({
            let (recorders, session) = (recorders.clone(), session.clone());
            async move { recorders.attach(&session).await }
        });
        first.superseded().await;
        assert!(!second.is_finished());
        drop(first);
        let lease = second.await.unwrap().unwrap();
        assert!(recorders.is_attached(&session));
        drop(lease);
        assert!(!recorders.is_attached(&session));
    }

    #[tokio::test(start_paused = true)]
    async fn a_recorder_that_does_not_let_go_keeps_the_session() {
        let (recorders, session) = (Recorders::default(), SessionId::generate());
        let _first = recorders.attach(&session).await.unwrap();
        let refusal = recorders.attach(&session).await.unwrap_err();
        assert_eq!(refusal.code, RefusalCode::Busy);
    }
}
