//! Where the events of streams are. All but anchors, which have the same form, is derived: whatever is missing or
//! damaged is made again from the segments, and none of it is evidence.

mod active;
mod any;
mod blocks;
mod file;
mod pieces;
mod run;
mod table;
#[cfg(test)]
mod tests;
mod writer;

pub(super) use active::{ActiveIndex, Indexed, Listed, StreamHead};
pub(super) use any::{AnyIndex, Located};
pub(super) use file::{Found, IndexFile, List, ListPlace, encode, encode_anchors};
pub(super) use run::{RunFile, Streams, encode as encode_run, write_merged};
