//! What the benchmarks of the event log share: one workload, and the stores that are put to it.
//!
//! # Layout
//!
//! - [`workload`]: streams and events, the same in every run
//! - [`subject`]: the stores, each in a file of its own, behind one interface
//! - [`front`]: the group commit that is put before engines that have none
//! - [`drive`]: concurrent writers, and what they measure
//! - [`disk`]: what the disk does without any store
//! - [`damage`]: bits that are flipped and files that are cut
//! - [`samples`]: medians, and who is best
//! - [`task`]: what is done in a process of its own
//! - [`child`]: how such a process is run
//! - [`report`], [`stats`]: the files of the other benchmarks, which are built with a wasm engine that nothing here
//!   needs

pub mod child;
pub mod damage;
pub mod disk;
pub mod drive;
pub mod front;
pub mod samples;
pub mod subject;
pub mod task;
pub mod workload;

#[path = "../../src/report.rs"]
pub mod report;
#[path = "../../src/stats.rs"]
pub mod stats;
