//! What comes of verifying a log.

use std::time::Duration;

use crate::event::{Position, StreamId};
use crate::limits::VERIFY_DAMAGES_MAX;
use crate::log::LogPlace;

/// What was found when a whole log was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct VerifyReport {
    /// Whether the log was closed cleanly. If it was not, what looks torn at its end may have been damaged as well,
    /// and nobody can tell.
    pub closed: bool,
    /// Whether somebody wrote the log meanwhile. It was verified up to [`end`](Self::end); what lies behind was not
    /// looked at.
    pub written: bool,
    /// Events that were read and are whole.
    pub events: u64,
    /// Blocks of them.
    pub blocks: u64,
    /// Segments that were read.
    pub segments: u64,
    /// Indexes that are what their segments give.
    pub indexes: u64,
    /// Runs of indexes that are what the indexes give.
    pub runs: u64,
    /// Indexes and runs that nothing could be compared with, as events before them are lost. Their checksums are
    /// right.
    pub unchecked: u64,
    /// Where the log ends.
    pub end: Option<LogPlace>,
    /// Where the remains of an interrupted write begin, and how many bytes they are. They were never acknowledged.
    pub torn: Option<(LogPlace, u64)>,
    /// What is wrong, in the order in which it was found; at most [`VERIFY_DAMAGES_MAX`].
    pub damages: Vec<Damage>,
    /// How many more there are.
    pub more_damages: u64,
    /// Files that the log has no use for any more; it removes them when it is opened.
    pub left_over: Vec<String>,
    /// Files that are none of the log's.
    pub foreign: Vec<String>,
    /// Bytes of all files of the log.
    pub bytes: u64,
    /// How long it took.
    pub elapsed: Duration,
    /// Whether one of the damages, listed or not, is to evidence.
    pub(super) lost_evidence: bool,
}

impl VerifyReport {
    /// Whether nothing is wrong.
    pub fn is_whole(&self) -> bool {
        self.damages.is_empty()
    }

    /// Whether something is wrong that cannot be made again.
    pub fn has_lost_evidence(&self) -> bool {
        self.lost_evidence
    }

    pub(super) fn add(&mut self, damage: Damage) {
        self.lost_evidence |= damage.nature == Nature::Evidence;
        if self.damages.len() < VERIFY_DAMAGES_MAX {
            self.damages.push(damage);
        } else {
            self.more_damages += 1;
        }
    }
}

/// Something that is not what was written.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Damage {
    /// In which file.
    pub file: String,
    /// The first byte of what is wrong.
    pub offset: u64,
    /// The position of the first event that it concerns, if that is known.
    pub position: Option<Position>,
    /// Which stream, if it is one.
    pub stream: Option<StreamId>,
    /// What is wrong.
    pub reason: String,
    /// Whether it can be made again.
    pub nature: Nature,
}

/// What a file is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nature {
    /// Segments, the mark and anchors: what they said is lost.
    Evidence,
    /// Indexes and runs: they are made again from the segments.
    Derived,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damages_that_are_not_listed_count_by_their_nature() {
        let mut report = VerifyReport::default();
        let damage = |nature| Damage {
            file: "00000001.index".into(),
            offset: 0,
            position: None,
            stream: None,
            reason: "it is missing".into(),
            nature,
        };
        for _ in 0..VERIFY_DAMAGES_MAX + 2 {
            report.add(damage(Nature::Derived));
        }
        assert_eq!((report.damages.len(), report.more_damages), (VERIFY_DAMAGES_MAX, 2));
        assert!(!report.is_whole() && !report.has_lost_evidence());
        report.add(damage(Nature::Evidence));
        assert!(report.more_damages == 3 && report.has_lost_evidence());
    }
}
