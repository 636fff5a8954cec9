//! Modules: the list, upload, and the bytes.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use reenact::ModuleHash;
use serde::Serialize;

use super::Segment;
use super::blobs::{immutable, read_hash};
use super::sessions::blocking;
use crate::app::App;
use crate::documents::ModuleDocument;
use crate::error::{ApiError, Code};
use crate::limits::MODULE_BYTES_MAX;

#[derive(Serialize)]
pub(super) struct List {
    modules: Vec<ModuleDocument>,
}

pub(super) async fn list(State(app): State<Arc<App>>) -> Json<List> {
    Json(List { modules: app.data.modules.list().iter().map(|module| (**module).clone()).collect() })
}

pub(super) async fn upload(
    State(app): State<Arc<App>>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, ApiError> {
    let bytes = body.map_err(|error| match error.status() {
        StatusCode::PAYLOAD_TOO_LARGE => {
            ApiError::new(Code::TooLarge, format!("a module has at most {MODULE_BYTES_MAX} bytes"))
        }
        _ => ApiError::bad_request("the body breaks off"),
    })?;
    let (module, new) = app.admit(bytes).await?;
    let status = if new { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(&*module)).into_response())
}

pub(super) async fn original(
    State(app): State<Arc<App>>,
    Segment(hash): Segment,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let module = ModuleHash(read_hash(&hash)?.0);
    immutable(&hash, &headers, "application/wasm", async {
        let bytes = blocking(move || app.data.modules.original(module).map_err(ApiError::from)).await?;
        bytes.ok_or_else(|| ApiError::new(Code::UnknownModule, format!("module {hash} is not here")))
    })
    .await
}
