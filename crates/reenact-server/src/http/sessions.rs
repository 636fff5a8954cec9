//! Sessions: the list, what a page needs to simulate one, and the replay file.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use reenact::session::SessionPayload;
use reenact_store::session::{SessionId, kinds};
use serde::{Deserialize, Serialize};

use super::Segment;
use crate::app::App;
use crate::documents::{KeyframesDocument, MarkDocument, SessionDocument, SummaryDocument};
use crate::error::{ApiError, Code};
use crate::keyframer::keyframes_of;
use crate::library::Entry;
use crate::limits::{SESSIONS_PER_PAGE_DEFAULT, SESSIONS_PER_PAGE_MAX};
use crate::work::blocking;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Page {
    limit: Option<usize>,
    after: Option<String>,
}

#[derive(Serialize)]
pub(super) struct List {
    sessions: Vec<SummaryDocument>,
    next: Option<String>,
}

pub(super) async fn list(
    State(app): State<Arc<App>>,
    page: Result<Query<Page>, QueryRejection>,
) -> Result<Json<List>, ApiError> {
    let Query(page) = page.map_err(|error| ApiError::bad_request(error.body_text()))?;
    let limit = page.limit.unwrap_or(SESSIONS_PER_PAGE_DEFAULT);
    if !(1..=SESSIONS_PER_PAGE_MAX).contains(&limit) {
        let detail = format!("a limit of {limit}, where 1 to {SESSIONS_PER_PAGE_MAX} are allowed");
        return Err(ApiError::bad_request(detail));
    }
    let after = page.after.as_deref().map(read_id).transpose()?;
    let mut entries = app.library.newest(after.as_ref(), limit + 1);
    let more = entries.len() > limit;
    entries.truncate(limit);
    let next = entries.last().filter(|_| more).map(|(id, _)| id.to_string());
    let sessions = entries.iter().map(|(id, entry)| app.summary(id, entry)).collect();
    Ok(Json(List { sessions, next }))
}

pub(super) async fn session(
    State(app): State<Arc<App>>,
    Segment(session): Segment,
) -> Result<Json<SessionDocument>, ApiError> {
    let (id, entry) = find(&app, &session)?;
    let started = app.started(&id).await?;
    let document = blocking(move || Ok(app.session_document(&id, &entry, &started))).await?;
    Ok(Json(document))
}

pub(super) async fn inputs(
    State(app): State<Arc<App>>,
    Segment(session): Segment,
) -> Result<Response, ApiError> {
    let (id, _) = find(&app, &session)?;
    let mut body = Vec::new();
    let _turn = app.reader()?;
    app.each_event(&id, |event| {
        if event.kind.as_str() == kinds::INPUTS {
            body.extend_from_slice(&(event.payload.len() as u32).to_le_bytes());
            body.extend_from_slice(&event.payload);
        }
        Ok(())
    })
    .await?;
    Ok(([(header::CONTENT_TYPE, "application/octet-stream")], body).into_response())
}

#[derive(Serialize)]
pub(super) struct Hashes {
    hashes: Vec<(u32, String)>,
}

pub(super) async fn hashes(
    State(app): State<Arc<App>>,
    Segment(session): Segment,
) -> Result<Json<Hashes>, ApiError> {
    let (id, entry) = find(&app, &session)?;
    let mut hashes = Vec::new();
    let _turn = app.reader()?;
    app.each_payload(&id, &entry, kinds::HASHES, |payload| {
        if let SessionPayload::HashesRecorded(recorded) = payload {
            hashes.extend(recorded.into_iter().map(|(tick, hash)| (tick.0, hash.to_string())));
        }
    })
    .await?;
    Ok(Json(Hashes { hashes }))
}

#[derive(Serialize)]
pub(super) struct Marks {
    marks: Vec<MarkDocument>,
}

pub(super) async fn marks(
    State(app): State<Arc<App>>,
    Segment(session): Segment,
) -> Result<Json<Marks>, ApiError> {
    let (id, entry) = find(&app, &session)?;
    let mut marks = Vec::new();
    let _turn = app.reader()?;
    app.each_payload(&id, &entry, kinds::MARKED, |payload| {
        if let SessionPayload::Marked(tick, mark) = payload {
            marks.push(MarkDocument::new(tick, &mark));
        }
    })
    .await?;
    Ok(Json(Marks { marks }))
}

pub(super) async fn keyframes(
    State(app): State<Arc<App>>,
    Segment(session): Segment,
) -> Result<Json<KeyframesDocument>, ApiError> {
    let (id, _) = find(&app, &session)?;
    let list = blocking(move || Ok(keyframes_of(&app.data.lists, &id))).await?;
    Ok(Json(list.unwrap_or_default()))
}

pub(super) async fn replay(
    State(app): State<Arc<App>>,
    Segment(session): Segment,
) -> Result<Response, ApiError> {
    let (id, entry) = find(&app, &session)?;
    let _turn = app.reader()?;
    let file = app.data.export(&id).await?;
    let name: String = entry.started.game.chars().filter(char::is_ascii_alphanumeric).take(40).collect();
    let name = if name.is_empty() { "session".to_owned() } else { name };
    let disposition = format!("attachment; filename=\"{name}-{id}.replay\"");
    let headers = [
        (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
        (header::CONTENT_DISPOSITION, disposition),
    ];
    Ok((headers, file).into_response())
}

fn read_id(text: &str) -> Result<SessionId, ApiError> {
    text.parse().map_err(|_| {
        let shown: String = text.chars().take(80).collect();
        ApiError::bad_request(format!("{shown:?} is no id of a session"))
    })
}

fn find(app: &App, session: &str) -> Result<(SessionId, Entry), ApiError> {
    let id = read_id(session)?;
    let entry = app.library.get(&id);
    let entry = entry.ok_or_else(|| ApiError::new(Code::UnknownSession, format!("there is no {id}")))?;
    Ok((id, entry))
}
