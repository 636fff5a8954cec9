//! One recorder: it owns the session's `Recorder`, and appends what that yields.
//!
//! What the store has not taken yet waits in the `Recorder`. When that is half full nothing more is read, so
//! that the rest waits with whoever plays, who has it anyway until it is acknowledged; and when that lasts, the
//! recorder is sent away, to resume later. One append is under way at a time.

use std::sync::Arc;

use axum::extract::ws::{CloseFrame, Message, WebSocket};
use reenact::session::{EndReason, SessionEnded, SessionPayload};
use reenact::{Recorder, Tick};
use reenact_store::session::{SessionId, SessionWriter, WriteError};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until, timeout};

use super::opening::{Opened, open};
use super::parts::Parts;
use super::protocol::Answer;
use super::recorders::Lease;
use super::refusal::{Refusal, RefusalCode, refuse_append};
use crate::app::App;
use crate::documents::reason_name;
use crate::limits::{
    CLOSE_TIMEOUT, FLUSH_EVERY, MESSAGE_BYTES_MAX, OPENING_BYTES_MAX, OPENING_TIMEOUT, SEND_TIMEOUT,
    SILENCE_TIMEOUT, STALL_TIMEOUT, WAITING_BYTES_MAX,
};

/// How a connection ends.
#[derive(Debug)]
enum Close {
    /// The session's end is durable.
    Ended(SessionEnded),
    /// The recorder is told why.
    Refused(Refusal),
    /// The recorder has been told already.
    Told(RefusalCode),
    /// The recorder has gone without a word.
    Gone,
}

impl From<Refusal> for Close {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// Serves one recorder until it ends.
pub(crate) async fn serve(app: Arc<App>, mut socket: WebSocket) {
    let close = match converse(&app, &mut socket).await {
        Ok(close) | Err(close) => close,
    };
    let _unheard = timeout(CLOSE_TIMEOUT, say_goodbye(socket, close)).await;
}

async fn converse(app: &Arc<App>, socket: &mut WebSocket) -> Result<Close, Close> {
    let opening = first_message(app, socket).await?;
    let Opened { session, lease, writer, parts, recorder } = open(app, opening).await?;
    let ready = Answer::Ready {
        session: session.to_string(),
        key: app.data.key_of(&session).to_hex().to_string(),
        next_tick: recorder.tick().0,
    };
    send(socket, &ready).await?;
    let connection = Connection {
        app: Arc::clone(app),
        socket,
        session,
        lease,
        parts,
        recorder,
        heard: Instant::now(),
        stalled: None,
        flush_due: false,
        closing: None,
    };
    Ok(connection.run(writer).await)
}

async fn first_message(app: &App, socket: &mut WebSocket) -> Result<String, Close> {
    let next = async {
        loop {
            match socket.recv().await {
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                other => return other,
            }
        }
    };
    let message = tokio::select! {
        message = timeout(OPENING_TIMEOUT, next) => message,
        () = app.stopped() => return Err(server_stopping().into()),
    };
    let silent = || Refusal::new(RefusalCode::Silent, "the recorder did not say what it records");
    match message.map_err(|_| silent())? {
        Some(Ok(Message::Text(text))) => {
            check_size(text.len(), OPENING_BYTES_MAX)?;
            Ok(text.as_str().to_owned())
        }
        Some(Ok(Message::Binary(_))) => {
            Err(Refusal::malformed("the first message is text: start or resume").into())
        }
        _ => Err(Close::Gone),
    }
}

fn server_stopping() -> Refusal {
    Refusal::new(RefusalCode::ServerStopping, "the server stops; everything acknowledged is kept")
}

fn check_size(actual: usize, limit: usize) -> Result<(), Refusal> {
    if actual <= limit {
        return Ok(());
    }
    let detail = format!("a message of {actual} bytes, where at most {limit} are allowed");
    Err(Refusal::new(RefusalCode::MessageTooLarge, detail))
}

async fn send(socket: &mut WebSocket, answer: &Answer) -> Result<(), Close> {
    let text = serde_json::to_string(answer).expect("answers have text keys and whole numbers");
    match timeout(SEND_TIMEOUT, socket.send(Message::Text(text.into()))).await {
        Ok(Ok(())) => Ok(()),
        _ => Err(Close::Gone),
    }
}

/// Says how it ended and waits until the recorder has heard: a socket that is closed while something unread
/// waits in it is reset, and what was said last is lost.
async fn say_goodbye(mut socket: WebSocket, close: Close) {
    let (answer, code) = match close {
        Close::Gone => return,
        Close::Told(code) => (None, code.close_code()),
        Close::Ended(ended) => {
            let reason = reason_name(&ended.reason).into();
            (Some(Answer::Ended { last_tick: ended.last_tick.0, reason }), 1000)
        }
        Close::Refused(Refusal { code, detail }) => {
            (Some(Answer::Refused { code, detail }), code.close_code())
        }
    };
    let frame = CloseFrame { code, reason: "".into() };
    let said = match answer {
        Some(answer) => send(&mut socket, &answer).await.is_ok(),
        None => true,
    };
    let sent = said && socket.send(Message::Close(Some(frame))).await.is_ok();
    while sent && socket.recv().await.is_some_and(|message| message.is_ok()) {}
}

/// A recorder that is attached to its session.
struct Connection<'a> {
    app: Arc<App>,
    socket: &'a mut WebSocket,
    session: SessionId,
    lease: Lease,
    parts: Parts,
    recorder: Recorder,
    /// When something last came from the recorder.
    heard: Instant,
    /// Nothing is read because too much waits for the store, which has until then to take something.
    stalled: Option<Instant>,
    /// Whether what the recorder holds is to be appended, however little it is.
    flush_due: bool,
    /// Nothing more is read; what is there is appended, then the connection ends so.
    closing: Option<Close>,
}

/// An append that is under way, and the writer that comes back from it.
type Appending = std::pin::Pin<Box<dyn Future<Output = (SessionWriter, Appended)> + Send>>;

struct Appended {
    /// The first tick whose inputs were not in the chunk, if any were.
    next_tick: Option<Tick>,
    ended: Option<SessionEnded>,
    result: Result<(), WriteError>,
}

impl Connection<'_> {
    async fn run(mut self, writer: SessionWriter) -> Close {
        let app = Arc::clone(&self.app);
        let mut flush = interval(FLUSH_EVERY);
        flush.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut idle, mut appending): (_, Option<Appending>) = (Some(writer), None);
        loop {
            if let Some(writer) = idle.take() {
                match self.next_chunk() {
                    Some(chunk) => appending = Some(Box::pin(append(writer, chunk))),
                    None => match self.closing.take() {
                        Some(close) => return close,
                        None => idle = Some(writer),
                    },
                }
            }
            let open = self.closing.is_none();
            let reading = open && self.has_room();
            tokio::select! {
                (writer, appended) = under_way(&mut appending) => {
                    let (writer, told) = self.appended(writer, appended).await;
                    if let Some(close) = told {
                        return close;
                    }
                    (idle, appending) = (Some(writer), None);
                }
                message = self.socket.recv(), if reading => self.heard(message).await,
                () = sleep_until(self.heard + SILENCE_TIMEOUT), if reading => self.close(silent()),
                () = until(self.stalled), if open => self.refuse_now(recorder_full()).await,
                () = self.lease.superseded(), if open => self.close(superseded()),
                () = app.stopped(), if open => self.close(server_stopping()),
                _ = flush.tick(), if open => self.flush_due = true,
            }
        }
    }

    /// Whether more may be read before the store has taken something.
    fn has_room(&mut self) -> bool {
        let room = self.recorder.pending_bytes() <= WAITING_BYTES_MAX;
        match (room, self.stalled) {
            (true, Some(_)) => (self.stalled, self.heard) = (None, Instant::now()),
            (false, None) => self.stalled = Some(Instant::now() + STALL_TIMEOUT),
            _ => {}
        }
        room
    }

    /// Tells the recorder at once, although what it said still waits for the store.
    async fn refuse_now(&mut self, refusal: Refusal) {
        let Refusal { code, detail } = refusal;
        let close = match send(self.socket, &Answer::Refused { code, detail }).await {
            Ok(()) => Close::Told(code),
            Err(gone) => gone,
        };
        self.close(close);
    }

    /// Reads no more; what is there is appended before the connection ends.
    fn close(&mut self, close: impl Into<Close>) {
        self.recorder.flush();
        self.closing.get_or_insert(close.into());
    }

    async fn heard(&mut self, message: Option<Result<Message, axum::Error>>) {
        self.heard = Instant::now();
        let taken = match message {
            Some(Ok(Message::Binary(bytes))) => match check_size(bytes.len(), MESSAGE_BYTES_MAX) {
                Ok(()) => self.parts.take(&mut self.recorder, &bytes).await,
                Err(refusal) => Err(refusal),
            },
            Some(Ok(Message::Text(_))) => Err(Refusal::malformed("text after the first message")),
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => Ok(None),
            Some(Ok(Message::Close(_)) | Err(_)) | None => return self.close(Close::Gone),
        };
        match taken {
            Ok(None) => {}
            Ok(Some(ended)) => self.close(Close::Ended(ended)),
            Err(refusal) => self.close(refusal),
        }
    }

    /// What is appended next: a chunk of inputs with the hashes and marks that belong to it.
    fn next_chunk(&mut self) -> Option<Vec<SessionPayload>> {
        if self.flush_due && self.recorder.peek().is_none() {
            self.recorder.flush();
            self.flush_due = false;
        }
        let mut chunk = vec![self.recorder.poll()?];
        while let Some(next) = self.recorder.peek()
            && !matches!(next, SessionPayload::InputsRecorded(_))
        {
            chunk.extend(self.recorder.poll());
        }
        Some(chunk)
    }

    /// Tells what came of an append; how the connection ends, if it does.
    async fn appended(
        &mut self,
        mut writer: SessionWriter,
        appended: Appended,
    ) -> (SessionWriter, Option<Close>) {
        match appended.result {
            Ok(()) => {
                self.app.note(None);
                self.stalled = self.stalled.map(|_| Instant::now() + STALL_TIMEOUT);
            }
            Err(WriteError::SessionFull { .. }) => {
                let close = end_full(&self.app, &self.session, &mut writer).await;
                return (writer, Some(close));
            }
            Err(error) => return (writer, Some(refuse_append(&self.app, &error).into())),
        }
        if let Some(next_tick) = appended.next_tick
            && let Err(gone) = send(self.socket, &Answer::Acknowledged { next_tick: next_tick.0 }).await
        {
            // The rest is kept all the same.
            self.close(gone);
        }
        if appended.ended.is_some() {
            self.app.keyframer.take(&self.session);
        }
        (writer, None)
    }
}

/// Ends a session that may have no more bytes at what is stored of it.
async fn end_full(app: &App, session: &SessionId, writer: &mut SessionWriter) -> Close {
    let last_tick = writer.session().tick();
    let ended = SessionEnded { last_tick, reason: EndReason::Truncated };
    if let Err(error) = writer.append(vec![SessionPayload::Ended(ended)]).await {
        return refuse_append(app, &error).into();
    }
    app.keyframer.take(session);
    let detail = format!("the session has as many bytes as one may have; it ends at tick {last_tick}");
    Refusal::new(RefusalCode::SessionFull, detail).into()
}

fn recorder_full() -> Refusal {
    let detail = format!(
        "the store has taken nothing for {} s, and {WAITING_BYTES_MAX} bytes wait",
        STALL_TIMEOUT.as_secs()
    );
    Refusal::new(RefusalCode::RecorderFull, detail)
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

fn superseded() -> Refusal {
    Refusal::new(RefusalCode::Superseded, "another connection records this session now")
}

fn silent() -> Refusal {
    let detail = format!("nothing came for {} s", SILENCE_TIMEOUT.as_secs());
    Refusal::new(RefusalCode::Silent, detail)
}

async fn under_way(appending: &mut Option<Appending>) -> (SessionWriter, Appended) {
    match appending {
        Some(appending) => appending.await,
        None => std::future::pending().await,
    }
}

async fn append(mut writer: SessionWriter, chunk: Vec<SessionPayload>) -> (SessionWriter, Appended) {
    let mut appended = Appended { next_tick: None, ended: None, result: Ok(()) };
    for payload in &chunk {
        match payload {
            SessionPayload::InputsRecorded(block) => appended.next_tick = Some(block.end_tick()),
            SessionPayload::Ended(ended) => appended.ended = Some(ended.clone()),
            _ => {}
        }
    }
    // The inputs of a tick that failed are kept, but that tick is none of the session's.
    if let Some(SessionEnded { last_tick, reason: EndReason::Failed(_) }) = &appended.ended {
        appended.next_tick = appended.next_tick.map(|tick| tick.min(*last_tick));
    }
    appended.result = writer.append(chunk).await.map(|_| ());
    (writer, appended)
}
