//! Bytes by their hash.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use reenact_store::blob::BlobHash;

use super::Segment;
use crate::app::App;
use crate::error::{ApiError, Code};
use crate::work::blocking;

pub(super) async fn blob(
    State(app): State<Arc<App>>,
    Segment(hash): Segment,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let blob = read_hash(&hash)?;
    immutable(&hash, &headers, "application/octet-stream", async {
        let bytes = blocking(move || app.data.blobs.get(blob).map_err(ApiError::from)).await?;
        bytes.ok_or_else(|| ApiError::new(Code::UnknownBlob, format!("there is no blob {hash}")))
    })
    .await
}

pub(super) fn read_hash(text: &str) -> Result<BlobHash, ApiError> {
    let lowercase = !text.bytes().any(|byte| byte.is_ascii_uppercase());
    let hash = BlobHash::from_hex(text).filter(|_| lowercase);
    hash.ok_or_else(|| ApiError::bad_request("a hash has 64 digits of 0-9 and a-f"))
}

/// Answers with bytes that their address names, and so never change; not at all to who has them.
pub(super) async fn immutable(
    hash: &str,
    headers: &HeaderMap,
    content_type: &'static str,
    bytes: impl Future<Output = Result<Vec<u8>, ApiError>>,
) -> Result<Response, ApiError> {
    let etag = format!("\"{hash}\"");
    let known = headers.get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == etag.as_bytes());
    let common =
        [(header::ETAG, etag), (header::CACHE_CONTROL, "public, max-age=31536000, immutable".to_owned())];
    if known {
        return Ok((StatusCode::NOT_MODIFIED, common).into_response());
    }
    Ok((common, [(header::CONTENT_TYPE, content_type)], bytes.await?).into_response())
}
