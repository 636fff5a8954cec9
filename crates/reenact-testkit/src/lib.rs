//! Test tools: tiny games, a simulated disk, and checks that every simulation and every event store must pass.
//! Never shipped.

pub mod contract;
pub mod harness;
pub mod hooked_disk;
pub mod interposed;
pub mod load;
pub mod marbles;
pub mod pads;
pub mod sim_disk;
pub mod simulation;
pub mod store;
