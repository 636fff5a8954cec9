//! Recording: one WebSocket connection is one recorder of a session.

pub(crate) mod connection;
mod opening;
mod parts;
pub mod protocol;
pub(crate) mod recorders;
pub mod refusal;
