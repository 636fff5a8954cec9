//! Why the server ends a recorder's connection.

use reenact_store::AppendError;
use reenact_store::session::{LoadError, WriteError};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::app::App;
use crate::error::chain;

/// Why the server ends a recorder's connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the table of docs/spec/service.md")]
pub enum RefusalCode {
    Malformed,
    MessageTooLarge,
    UnknownModule,
    ModuleRefused,
    UnknownSession,
    WrongKey,
    SessionEnded,
    Superseded,
    TickGap,
    InputsDiffer,
    TooLarge,
    RecorderFull,
    SessionFull,
    Busy,
    Silent,
    StoreFull,
    StoreUnavailable,
    StorePoisoned,
    ServerStopping,
    Internal,
}

impl RefusalCode {
    /// The WebSocket close code that goes with it (RFC 6455, section 7.4).
    pub fn close_code(self) -> u16 {
        match self {
            Self::MessageTooLarge => 1009,
            Self::Busy | Self::RecorderFull => 1013,
            Self::StoreFull | Self::StoreUnavailable | Self::StorePoisoned | Self::Internal => 1011,
            Self::ServerStopping => 1001,
            _ => 1008,
        }
    }
}

/// A refusal: its code, and the sentence for people.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{detail}")]
pub struct Refusal {
    /// What programs match on.
    pub code: RefusalCode,
    /// What people read.
    pub detail: String,
}

impl Refusal {
    pub(crate) fn new(code: RefusalCode, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into() }
    }

    pub(crate) fn malformed(detail: impl Into<String>) -> Self {
        Self::new(RefusalCode::Malformed, detail)
    }
}

/// Why the store did not take what a recorder said.
pub(super) fn refuse_append(app: &App, error: &WriteError) -> Refusal {
    let WriteError::Store(append) = error else {
        return Refusal::malformed(chain(error));
    };
    app.note(Some(append));
    let code = match append {
        AppendError::Full { .. } => RefusalCode::StoreFull,
        AppendError::Unavailable { .. } => RefusalCode::StoreUnavailable,
        AppendError::Poisoned { .. } => RefusalCode::StorePoisoned,
        AppendError::WrongExpectedSequence { .. } => RefusalCode::Superseded,
        _ => RefusalCode::Internal,
    };
    Refusal::new(code, chain(error))
}

/// Why a session cannot be gone on with.
pub(super) fn refuse_load(error: &LoadError) -> Refusal {
    let code = match error {
        LoadError::Unknown { .. } => RefusalCode::UnknownSession,
        _ => RefusalCode::Internal,
    };
    Refusal::new(code, chain(error))
}
