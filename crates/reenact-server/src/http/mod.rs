//! The routes: a handler parses, calls, and maps the error.

mod blobs;
mod guard;
mod modules;
mod page;
mod sessions;

use std::sync::Arc;

use axum::Router;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::{FromRequestParts, Path, State, WebSocketUpgrade};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};

use crate::app::App;
use crate::error::{ApiError, Code};
use crate::limits::{ANSWER_BYTES_MAX, WIRE_BYTES_MAX};
use crate::record;

/// All routes.
pub(crate) fn router(app: Arc<App>) -> Router {
    Router::new()
        .route("/", get(page::index))
        .route("/web/{*path}", get(page::file))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/v1/modules", get(modules::list).merge(post(modules::upload)))
        .route("/v1/modules/{hash}", get(modules::original))
        .route("/v1/blobs/{hash}", get(blobs::blob))
        .route("/v1/sessions", get(sessions::list))
        .route("/v1/sessions/{session}", get(sessions::session))
        .route("/v1/sessions/{session}/inputs", get(sessions::inputs))
        .route("/v1/sessions/{session}/hashes", get(sessions::hashes))
        .route("/v1/sessions/{session}/marks", get(sessions::marks))
        .route("/v1/sessions/{session}/keyframes", get(sessions::keyframes))
        .route("/v1/sessions/{session}/replay", get(sessions::replay))
        .route("/v1/record", get(upgrade))
        .fallback(|| async { ApiError::new(Code::NotFound, "see docs/spec/service.md for what there is") })
        .method_not_allowed_fallback(|| async {
            ApiError::new(Code::MethodNotAllowed, "see docs/spec/service.md for what there is")
        })
        .layer(axum::middleware::from_fn_with_state(Arc::clone(&app), guard::guard))
        .with_state(app)
}

/// A part of the path, as text.
struct Segment(String);

impl<S: Send + Sync> FromRequestParts<S> for Segment {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        match Path::<String>::from_request_parts(parts, state).await {
            Ok(Path(text)) => Ok(Self(text)),
            Err(error) => Err(ApiError::bad_request(error.body_text())),
        }
    }
}

async fn ready(State(app): State<Arc<App>>) -> Response {
    match app.obstacle() {
        None => "ready\n".into_response(),
        Some(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")).into_response(),
    }
}

async fn upgrade(
    State(app): State<Arc<App>>,
    socket: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, ApiError> {
    let no_socket = |error| ApiError::bad_request(format!("a recorder is a WebSocket: {error}"));
    let socket = socket.map_err(no_socket)?.max_message_size(WIRE_BYTES_MAX).max_frame_size(WIRE_BYTES_MAX);
    let socket = socket.max_write_buffer_size(ANSWER_BYTES_MAX);
    Ok(socket.on_upgrade(move |socket| record::connection::serve(app, socket)))
}
