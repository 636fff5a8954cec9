//! The other end of a recording: what a game, a bot or a test records with.

use std::collections::VecDeque;
use std::net::SocketAddr;

use futures_util::{FutureExt, SinkExt, StreamExt};
use reenact::{InputSchema, Inputs, Mark, StateHash, Tick};
use thiserror::Error;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::{Error as SocketError, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::limits::{CLOSE_TIMEOUT, MESSAGE_BYTES_MAX};
use crate::record::protocol::{Answer, End, Opening, write_end, write_hash, write_inputs, write_mark};
use crate::record::refusal::Refusal;

/// Why a recording does not go on.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The server refuses it.
    #[error("refused ({:?})", .0.code)]
    Refused(#[source] Refusal),
    /// The connection is lost. Everything after the last acknowledgement has to be sent again.
    #[error("the connection is lost")]
    Lost(#[source] Box<SocketError>),
    /// The server closed without a word.
    #[error("the server closed the connection")]
    Closed,
    /// The server said something that is not of the protocol.
    #[error("the server said {message:?}")]
    Answer {
        /// Its first characters.
        message: String,
    },
}

impl From<SocketError> for ClientError {
    fn from(error: SocketError) -> Self {
        match error {
            SocketError::ConnectionClosed | SocketError::AlreadyClosed => Self::Closed,
            other => Self::Lost(Box::new(other)),
        }
    }
}

/// One connection that records one session.
#[derive(Debug)]
pub struct RecorderClient {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    schema: InputSchema,
    /// The session's id.
    pub session: String,
    /// What lets this recorder resume the session.
    pub key: String,
    /// Every tick before is durable.
    pub acknowledged: Tick,
    /// Frames of consecutive ticks that wait to be sent in one message.
    waiting: VecDeque<(Tick, Inputs)>,
}

impl RecorderClient {
    /// Starts or resumes a session of a module with the input schema `schema`.
    ///
    /// # Errors
    /// There is no server, or it refuses.
    pub async fn open(
        server: SocketAddr,
        schema: InputSchema,
        opening: &Opening,
    ) -> Result<Self, ClientError> {
        let (mut socket, _) = connect_async(format!("ws://{server}/v1/record")).await?;
        let text = serde_json::to_string(opening).expect("openings have text keys and whole numbers");
        socket.send(Message::Text(text.into())).await?;
        match next_answer(&mut socket).await? {
            Answer::Ready { session, key, next_tick } => {
                let waiting = VecDeque::new();
                Ok(Self { socket, schema, session, key, acknowledged: Tick(next_tick), waiting })
            }
            Answer::Refused { code, detail } => Err(ClientError::Refused(Refusal { code, detail })),
            other => Err(unexpected(&other)),
        }
    }

    /// Records the inputs of a tick. They leave with the next hash, mark or [`flush`](Self::flush), and when
    /// a message is full. Whoever plays faster than the server stores waits there: the server reads no more.
    ///
    /// # Errors
    /// The connection is lost, or the server refuses.
    pub async fn record(&mut self, tick: Tick, inputs: Inputs) -> Result<(), ClientError> {
        self.waiting.push_back((tick, inputs));
        if (self.waiting.len() + 1) * self.schema.frame_bytes() >= MESSAGE_BYTES_MAX {
            self.flush().await?;
        }
        Ok(())
    }

    /// Records the state hash at a tick.
    ///
    /// # Errors
    /// The connection is lost.
    pub async fn hash(&mut self, tick: Tick, hash: StateHash) -> Result<(), ClientError> {
        self.flush().await?;
        self.send_message(write_hash(tick, hash)).await
    }

    /// Records a mark.
    ///
    /// # Errors
    /// The connection is lost.
    pub async fn mark(&mut self, tick: Tick, mark: &Mark) -> Result<(), ClientError> {
        self.flush().await?;
        self.send_message(write_mark(tick, mark)).await
    }

    /// Sends the inputs that wait.
    ///
    /// # Errors
    /// The connection is lost.
    pub async fn flush(&mut self) -> Result<(), ClientError> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        let frames = self.waiting.iter().map(|(tick, inputs)| (*tick, inputs));
        let message = write_inputs(&self.schema, frames);
        self.waiting.clear();
        self.send_message(message).await
    }

    /// Ends the session and waits until that is durable; gives the last tick. A failure that met a limit
    /// is ended as stopped: a limit says nothing about the game.
    ///
    /// # Errors
    /// The connection is lost, or the server refuses.
    pub async fn end(mut self, end: &End) -> Result<Tick, ClientError> {
        self.flush().await?;
        let stopped = || write_end(&self.schema, &End::Stopped);
        let message = write_end(&self.schema, end).or_else(stopped).unwrap_or_default();
        self.send_message(message).await?;
        loop {
            match self.answer().await? {
                Answer::Ended { last_tick, .. } => return Ok(Tick(last_tick)),
                Answer::Acknowledged { .. } => {}
                other => return Err(unexpected(&other)),
            }
        }
    }

    /// The server's next answer.
    ///
    /// # Errors
    /// The connection is lost, or the server refuses.
    pub async fn answer(&mut self) -> Result<Answer, ClientError> {
        match next_answer(&mut self.socket).await? {
            Answer::Refused { code, detail } => Err(ClientError::Refused(Refusal { code, detail })),
            answer => {
                if let Answer::Acknowledged { next_tick } = answer {
                    self.acknowledged = Tick(next_tick);
                }
                Ok(answer)
            }
        }
    }

    /// Sends a binary message of the protocol as it is.
    ///
    /// # Errors
    /// The connection is lost, or the server refuses.
    pub async fn send_message(&mut self, message: Vec<u8>) -> Result<(), ClientError> {
        // What the server has said by now, so that a refusal is heard before the connection breaks.
        while let Some(answer) = self.answer().now_or_never() {
            answer?;
        }
        let Err(error) = self.socket.send(Message::Binary(message.into())).await else { return Ok(()) };
        // A server that refuses may have said so while this was being sent.
        while let Ok(answer) = timeout(CLOSE_TIMEOUT, self.answer()).await {
            match answer {
                Ok(_) => {}
                Err(refused @ ClientError::Refused(_)) => return Err(refused),
                Err(_) => break,
            }
        }
        Err(error.into())
    }
}

async fn next_answer(socket: &mut WebSocketStream<MaybeTlsStream<TcpStream>>) -> Result<Answer, ClientError> {
    loop {
        match socket.next().await.ok_or(ClientError::Closed)?? {
            Message::Text(text) => {
                let message = || ClientError::Answer { message: text.as_str().chars().take(200).collect() };
                return serde_json::from_str(&text).map_err(|_| message());
            }
            Message::Ping(_) | Message::Pong(_) => {}
            Message::Close(_) => return Err(ClientError::Closed),
            other => return Err(ClientError::Answer { message: format!("{} bytes", other.len()) }),
        }
    }
}

fn unexpected(answer: &Answer) -> ClientError {
    ClientError::Answer { message: format!("{answer:?}") }
}
