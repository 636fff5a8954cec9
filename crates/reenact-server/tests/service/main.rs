//! The service as games and pages meet it.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod faults;
mod http;
mod recording;
mod support;
