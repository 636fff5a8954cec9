//! Test tools: tiny games, and checks that every simulation and every event store must pass. Never shipped.

pub mod contract;
pub mod interposed;
pub mod marbles;
pub mod pads;
pub mod store;
