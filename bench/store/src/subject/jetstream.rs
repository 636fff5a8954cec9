//! NATS `JetStream`: a server of one replica that syncs each message before it is acknowledged.

use std::collections::HashMap;
use std::env;
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use async_nats::jetstream::context::PublishAckFuture;
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::stream::{Config, StorageType};
use async_nats::jetstream::{self, Context};
use tokio::runtime::{Builder, Runtime};

use super::server::Server;
use super::{Mode, Pending, Reads, Store};
use crate::workload::{Append, NewEvent, Stream};

/// How often a server that is starting is asked.
const ATTEMPTS: u32 = 200;

struct JetStream {
    context: Context,
    /// Where each stream ends: how many events, and the server's number of the last.
    ends: Mutex<HashMap<Stream, (u64, u64)>>,
    _server: Server,
    /// For the client's connection.
    _runtime: Runtime,
}

fn program() -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).map(|folder| folder.join("nats-server")).find(|program| program.exists())
}

pub(super) fn obstacle() -> Option<String> {
    program().is_none().then(|| "nats-server is not present".into())
}

pub(super) fn open(folder: &Path, _mode: Mode) -> Result<Box<dyn Store>> {
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let configuration = folder.join("nats.conf");
    let store = folder.join("store");
    fs::write(
        &configuration,
        format!(
            "listen: 127.0.0.1:{port}\njetstream {{ store_dir: \"{}\", sync_interval: always }}\n",
            store.display()
        ),
    )?;
    let mut server = Command::new(program().context("it is not present")?);
    server.arg("-c").arg(configuration).stdin(Stdio::null());
    let server = Server::start(server)?;
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let context = runtime.block_on(connect(port))?;
    Ok(Box::new(JetStream { context, ends: Mutex::default(), _server: server, _runtime: runtime }))
}

async fn connect(port: u16) -> Result<Context> {
    let address = format!("127.0.0.1:{port}");
    let mut client = async_nats::connect(&address).await;
    for _ in 1..ATTEMPTS {
        if client.is_ok() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        client = async_nats::connect(&address).await;
    }
    let context = jetstream::new(client?);
    let (subjects, storage) = (vec!["events.*".to_owned()], StorageType::File);
    let config =
        Config { name: "events".to_owned(), subjects, storage, num_replicas: 1, ..Config::default() };
    context.create_stream(config).await?;
    Ok(context)
}

impl JetStream {
    /// Only the first event says what it expects: the others follow it on the same connection.
    async fn hand_in(&self, append: Append) -> Result<()> {
        let (count, mut last) = self.end(append.stream);
        ensure!(count == append.first, "stream {} has {count} events, not {}", append.stream.0, append.first);
        let mut acknowledgements = Vec::new();
        for (sequence, event) in append.rows() {
            let expected = (sequence == append.first).then_some(last);
            acknowledgements.push(self.publish(append.stream, event, expected).await?);
        }
        for acknowledgement in acknowledgements {
            last = acknowledgement.await?.sequence;
        }
        self.ends.lock().unwrap_or_else(PoisonError::into_inner).insert(append.stream, (append.end(), last));
        Ok(())
    }

    fn end(&self, stream: Stream) -> (u64, u64) {
        self.ends.lock().unwrap_or_else(PoisonError::into_inner).get(&stream).copied().unwrap_or_default()
    }

    async fn publish(
        &self,
        stream: Stream,
        event: &NewEvent,
        expected: Option<u64>,
    ) -> Result<PublishAckFuture> {
        let message = PublishMessage::build().payload(event.payload.clone()).message_id(event.id.to_string());
        let message = match expected {
            Some(last) => message.expected_last_subject_sequence(last),
            None => message,
        };
        Ok(self.context.send_publish(format!("events.{}", stream.0), message).await?)
    }
}

impl Store for JetStream {
    fn append(&self, append: Append) -> Pending<'_> {
        Box::pin(self.hand_in(append))
    }

    fn reads(&self) -> &dyn Reads {
        self
    }

    fn close(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}

impl Reads for JetStream {}
