//! What goes wrong over HTTP: one error, and one table from codes to statuses.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use reenact_store::ReadError;
use reenact_store::blob::BlobError;
use reenact_store::session::LoadError;
use serde::Serialize;
use thiserror::Error;

use crate::modules::ModuleError;

/// What programs match on; the table of `docs/spec/service.md`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the table of docs/spec/service.md")]
pub enum Code {
    NotFound,
    MethodNotAllowed,
    UnknownSession,
    UnknownModule,
    UnknownBlob,
    BadRequest,
    ForeignOrigin,
    TooLarge,
    ModuleRefused,
    NotReplayable,
    Busy,
    StoreUnavailable,
    Internal,
}

impl Code {
    /// Name, status and title.
    fn row(self) -> (&'static str, StatusCode, &'static str) {
        match self {
            Self::NotFound => ("not_found", StatusCode::NOT_FOUND, "There is nothing at this address"),
            Self::MethodNotAllowed => {
                ("method_not_allowed", StatusCode::METHOD_NOT_ALLOWED, "This address has other methods")
            }
            Self::UnknownSession => ("unknown_session", StatusCode::NOT_FOUND, "There is no such session"),
            Self::UnknownModule => ("unknown_module", StatusCode::NOT_FOUND, "The module is not here"),
            Self::UnknownBlob => ("unknown_blob", StatusCode::NOT_FOUND, "The blob is not here"),
            Self::BadRequest => ("bad_request", StatusCode::BAD_REQUEST, "The request makes no sense"),
            Self::ForeignOrigin => {
                ("foreign_origin", StatusCode::FORBIDDEN, "Only pages of this server may ask")
            }
            Self::TooLarge => ("too_large", StatusCode::PAYLOAD_TOO_LARGE, "The body is too large"),
            Self::ModuleRefused => {
                ("module_refused", StatusCode::UNPROCESSABLE_ENTITY, "The module is refused")
            }
            Self::NotReplayable => ("not_replayable", StatusCode::CONFLICT, "The session cannot be replayed"),
            Self::Busy => ("busy", StatusCode::SERVICE_UNAVAILABLE, "Too much is under way"),
            Self::StoreUnavailable => {
                ("store_unavailable", StatusCode::SERVICE_UNAVAILABLE, "The event store does not answer")
            }
            Self::Internal => ("internal", StatusCode::INTERNAL_SERVER_ERROR, "Something here is broken"),
        }
    }
}

/// An error as a client sees it: problem details of RFC 9457.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{detail}")]
pub struct ApiError {
    /// What programs match on.
    pub code: Code,
    /// What people read.
    pub detail: String,
}

impl ApiError {
    pub(crate) fn new(code: Code, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into() }
    }

    pub(crate) fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(Code::BadRequest, detail)
    }

    /// Something of ours is broken; the whole chain of causes is told, since nobody else can tell it.
    pub(crate) fn internal(error: &dyn std::error::Error) -> Self {
        Self::new(Code::Internal, chain(error))
    }
}

/// An error and what it came from, in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |error| error.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

#[derive(Serialize)]
struct Problem<'a> {
    r#type: String,
    title: &'a str,
    status: u16,
    detail: &'a str,
    code: &'a str,
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let (code, status, title) = self.code.row();
        let problem = Problem {
            r#type: format!("/problems/{code}"),
            title,
            status: status.as_u16(),
            detail: &self.detail,
            code,
        };
        let mut response = (status, Json(problem)).into_response();
        let problem_json = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(header::CONTENT_TYPE, problem_json);
        response
    }
}

impl From<ReadError> for ApiError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Unavailable { .. } => Self::new(Code::StoreUnavailable, chain(&error)),
            _ => Self::internal(&error),
        }
    }
}

impl From<LoadError> for ApiError {
    fn from(error: LoadError) -> Self {
        match error {
            LoadError::Read { source, .. } => source.into(),
            LoadError::Unknown { .. } => Self::new(Code::UnknownSession, chain(&error)),
            _ => Self::new(Code::NotReplayable, chain(&error)),
        }
    }
}

impl From<BlobError> for ApiError {
    fn from(error: BlobError) -> Self {
        Self::internal(&error)
    }
}

impl From<ModuleError> for ApiError {
    fn from(error: ModuleError) -> Self {
        let code = match &error {
            ModuleError::Blob(_) => Code::Internal,
            ModuleError::Full { .. } => Code::Busy,
            _ => Code::ModuleRefused,
        };
        Self::new(code, chain(&error))
    }
}
