//! Test tools: tiny games, and checks that every simulation must pass. Never shipped.

#![allow(clippy::missing_panics_doc, reason = "whatever goes wrong in a test panics")]

pub mod contract;
pub mod marbles;
pub mod pads;
