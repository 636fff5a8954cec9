//! Modules: the list, upload, and the bytes.

use std::error::Error as _;
use std::sync::Arc;

use axum::Json;
use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use http_body_util::LengthLimitError;
use reenact::ModuleHash;
use serde::Serialize;

use super::Segment;
use super::blobs::{immutable, read_hash};
use crate::app::App;
use crate::documents::ModuleDocument;
use crate::error::{ApiError, Code};
use crate::limits::{MODULE_BYTES_MAX, UPLOAD_TIMEOUT};
use crate::work::blocking;

#[derive(Serialize)]
pub(super) struct List {
    modules: Vec<ModuleDocument>,
}

pub(super) async fn list(State(app): State<Arc<App>>) -> Json<List> {
    Json(List { modules: app.data.modules.list().iter().map(|module| (**module).clone()).collect() })
}

pub(super) async fn upload(State(app): State<Arc<App>>, body: Body) -> Result<Response, ApiError> {
    let _turn = app.uploader()?;
    let read = tokio::time::timeout(UPLOAD_TIMEOUT, to_bytes(body, MODULE_BYTES_MAX)).await;
    let slow = |_| {
        let seconds = UPLOAD_TIMEOUT.as_secs();
        ApiError::bad_request(format!("the body did not come within {seconds} s"))
    };
    let bytes = read.map_err(slow)?.map_err(|error| broken(&error))?;
    let (module, new) = app.admit(bytes).await?;
    let status = if new { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(&*module)).into_response())
}

fn broken(error: &axum::Error) -> ApiError {
    let mut cause = error.source();
    while let Some(error) = cause {
        if error.is::<LengthLimitError>() {
            return ApiError::new(Code::TooLarge, format!("a module has at most {MODULE_BYTES_MAX} bytes"));
        }
        cause = error.source();
    }
    ApiError::bad_request("the body breaks off")
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
