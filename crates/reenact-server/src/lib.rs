//! The service: it takes recordings over a WebSocket, keeps them, and gives the page what it needs to play
//! them; `docs/spec/service.md` is what it speaks.
//!
//! A [`Server`] is opened on a data directory and run until it is told to stop. A game records with a
//! [`RecorderClient`], or with anything else that speaks the protocol.
//!
//! ```text
//! recorder -> WebSocket -> Recorder -> SessionWriter -> event log
//!                event log -> Library (the list) | routes (what a page plays) | Keyframer (once it has ended)
//! ```
//!
//! ```no_run
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! use reenact_server::{Config, Server};
//!
//! let server = Server::open(Config::new("reenact-data")).await?;
//! println!("http://{}", server.address());
//! server.run(async { tokio::signal::ctrl_c().await.unwrap_or_default() }).await?;
//! # Ok(())
//! # }
//! ```
//!
//! # Layout
//!
//! - [`server`]: opening, running, stopping
//! - [`data`], [`modules`], [`library`], [`keyframer`]: what lies in a data directory, and what is made of it
//! - [`record`]: the recording protocol, and one connection of it
//! - `http`, [`documents`], [`error`]: routes, what they say, and how they fail
//! - [`client`], [`play`], [`demo`]: the other end of a recording
//! - `work`: where to do what takes long, and how to lock
//! - [`limits`]: every limit, in one place

mod app;
pub mod client;
pub mod data;
pub mod demo;
pub mod documents;
pub mod error;
mod http;
pub mod keyframer;
pub mod library;
pub mod limits;
pub mod modules;
pub mod play;
pub mod record;
pub mod server;
mod work;

pub use client::{ClientError, RecorderClient};
pub use data::{DataDir, DataError};
pub use error::ApiError;
pub use server::{Config, Recovered, ServeError, Server};
