//! What Reenact's benchmarks share: sample sessions, clocks, and how results are printed and kept.
//!
//! # Layout
//!
//! - [`play`]: from a module to a replay, with bots or with seeded pads
//! - [`pads`]: what four people might do with the console's pads and mouse
//! - [`carts`]: the carts of a folder
//! - [`plain`]: the engine alone, without anything that makes a module safe
//! - [`clock`], [`stats`], [`report`]: measuring and telling
//! - [`child`]: work in another process, with a time limit

pub mod carts;
pub mod child;
pub mod clock;
pub mod pads;
pub mod plain;
pub mod play;
pub mod report;
pub mod stats;
