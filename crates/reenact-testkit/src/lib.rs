//! Test tools: tiny games, and checks that every simulation must pass. Never shipped.

pub mod contract;
pub mod marbles;
pub mod pads;
