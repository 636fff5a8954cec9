//! Opening, running and stopping a server.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use reenact_store::{Checkpoint, ReadError, Scope};
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::app::App;
use crate::data::{DataDir, DataError};
use crate::http;
use crate::keyframer::Keyframer;
use crate::library::Library;
use crate::limits::{CLOSE_TIMEOUT, DRAIN_TIMEOUT, REQUESTS_TIMEOUT, RETRY_AFTER};

/// Where a server listens unless it is told otherwise by name.
pub const ADDRESS_DEFAULT: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// The port unless another is asked for.
pub const PORT_DEFAULT: u16 = 7117;

/// What a server is run with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The data directory; made unless it is there.
    pub data: PathBuf,
    /// Where to listen; port 0 is any that is free.
    pub address: SocketAddr,
}

impl Config {
    /// The data directory `data`, on loopback.
    pub fn new(data: impl Into<PathBuf>) -> Self {
        Self { data: data.into(), address: (ADDRESS_DEFAULT, PORT_DEFAULT).into() }
    }
}

/// Why a server does not run.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The data directory.
    #[error("failed to open the data directory {path}")]
    Data {
        /// Which.
        path: PathBuf,
        /// Why.
        source: DataError,
    },
    /// The events.
    #[error("failed to read the event log")]
    Read(#[from] ReadError),
    /// The address.
    #[error("failed to listen on {address}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// What the system says.
        source: std::io::Error,
    },
    /// An address that others reach, where nobody is asked who they are.
    #[error("{address} is not on loopback, and this server asks nobody who they are")]
    NotLoopback {
        /// Where.
        address: SocketAddr,
    },
    /// Threads or sockets.
    #[error("failed to run")]
    Run(#[source] std::io::Error),
}

/// What was there when the server started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recovered {
    /// Of all streams.
    pub events: u64,
    /// How many sessions they are of.
    pub sessions: usize,
    /// Modules that are here.
    pub modules: usize,
    /// Bytes of a write that was under way when the server last stopped, and never acknowledged.
    pub torn_bytes: u64,
    /// How long it took to open everything.
    pub elapsed: Duration,
}

/// A server that listens and is ready to run.
#[derive(Debug)]
pub struct Server {
    app: Arc<App>,
    listener: TcpListener,
    address: SocketAddr,
    recovered: Recovered,
    follower: JoinHandle<()>,
}

impl Server {
    /// Opens the data directory, recovers what is there, and listens.
    ///
    /// # Errors
    /// The directory is another process's or damaged, or the address cannot be had.
    pub async fn open(config: Config) -> Result<Self, ServeError> {
        let address = config.address;
        if !address.ip().is_loopback() {
            return Err(ServeError::NotLoopback { address });
        }
        let begin = Instant::now();
        let path = config.data.clone();
        let opened = tokio::task::spawn_blocking(move || DataDir::open(&path)).await;
        let opened = opened.map_err(|panic| ServeError::Run(std::io::Error::other(panic)))?;
        let (data, report) = opened.map_err(|source| ServeError::Data { path: config.data, source })?;
        let mut server = Self::with_data(data, address).await?;
        server.recovered.torn_bytes = report.torn_bytes;
        server.recovered.elapsed = begin.elapsed();
        Ok(server)
    }

    /// As [`open`](Self::open), with data that is open already: for another store than the embedded log.
    ///
    /// # Errors
    /// The store cannot be read, or the address cannot be had.
    pub async fn with_data(data: DataDir, address: SocketAddr) -> Result<Self, ServeError> {
        let (begin, library, mut checkpoint) = (Instant::now(), Library::default(), Checkpoint::START);
        let events = library.catch_up(&*data.store, &mut checkpoint).await?;
        let listener =
            TcpListener::bind(address).await.map_err(|source| ServeError::Listen { address, source })?;
        let address = listener.local_addr().map_err(ServeError::Run)?;
        let recovered = Recovered {
            events,
            sessions: library.len(),
            modules: data.modules.list().len(),
            torn_bytes: 0,
            elapsed: begin.elapsed(),
        };
        let keyframer = Keyframer::start(data.clone(), Handle::current()).map_err(ServeError::Run)?;
        let app = Arc::new(App::new(data, library, keyframer, address.ip().is_loopback()));
        app.take_missing_keyframes();
        let follower = tokio::spawn(follow(Arc::clone(&app), checkpoint));
        Ok(Self { app, listener, address, recovered, follower })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What was there.
    pub fn recovered(&self) -> Recovered {
        self.recovered
    }

    /// What the server keeps.
    pub fn data(&self) -> &DataDir {
        &self.app.data
    }

    /// Whether there is a session that has ended.
    pub fn has_ended_session(&self) -> bool {
        !self.app.library.ended().is_empty()
    }

    /// Serves until `stop` is ready. Then recorders are told, what they have said is appended, and the log
    /// is closed.
    ///
    /// # Errors
    /// The system takes the socket away.
    pub async fn run(self, stop: impl Future<Output = ()> + Send + 'static) -> Result<(), ServeError> {
        let Self { app, listener, follower, .. } = self;
        let told = {
            let app = Arc::clone(&app);
            async move {
                stop.await;
                app.stop();
            }
        };
        let serving = axum::serve(listener, http::router(Arc::clone(&app))).with_graceful_shutdown(told);
        let overdue = async {
            app.stopped().await;
            drained(&app).await;
            sleep(REQUESTS_TIMEOUT).await;
        };
        tokio::select! {
            served = serving => served.map_err(ServeError::Run)?,
            // Whoever still has a request under way is cut off.
            () = overdue => {}
        }
        follower.abort();
        let _aborted = follower.await;
        drained(&app).await;
        let keyframer = Arc::clone(&app);
        let stopping = tokio::task::spawn_blocking(move || keyframer.keyframer.stop());
        // A tick that takes longer than that is left to the end of the process.
        let _overdue = timeout(DRAIN_TIMEOUT, stopping).await;
        let _held = timeout(CLOSE_TIMEOUT, released(&app)).await;
        Ok(())
    }
}

/// Returns when no recorder is attached, or after a time.
async fn drained(app: &App) {
    let none_left = async {
        while app.recorders.count() > 0 {
            sleep(Duration::from_millis(5)).await;
        }
    };
    let _undrained = timeout(DRAIN_TIMEOUT, none_left).await;
}

/// Returns when every connection has said its last word: each holds the application until then.
async fn released(app: &Arc<App>) {
    while Arc::strong_count(app) > 1 {
        sleep(Duration::from_millis(5)).await;
    }
}

/// Keeps the list of sessions up to date.
async fn follow(app: Arc<App>, mut checkpoint: Checkpoint) {
    loop {
        let mut subscription = app.data.store.subscribe(Scope::All(checkpoint.clone()));
        let error = loop {
            match subscription.next().await {
                Ok(event) => {
                    app.library.apply(&event);
                    checkpoint.advance(event.partition, event.position);
                }
                Err(error) => break error,
            }
        };
        match error {
            ReadError::Closed => return,
            // What is damaged is passed over: its session says so when it is opened.
            ReadError::Damaged { partition, position, .. } => checkpoint.advance(partition, position),
            _ => sleep(RETRY_AFTER).await,
        }
    }
}
