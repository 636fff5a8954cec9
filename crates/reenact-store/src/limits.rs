//! Every limit of the store, in one place.

/// Bytes of a stream's id.
pub const STREAM_ID_BYTES_MAX: usize = 128;
/// Bytes of an event's kind.
pub const KIND_BYTES_MAX: usize = 64;
/// Bytes of a trace's `tracestate`.
pub const TRACESTATE_BYTES_MAX: usize = 512;
/// Events of one append.
pub const APPEND_EVENTS_MAX: usize = 512;
/// Bytes of one append: the canonical forms of its events together.
pub const APPEND_BYTES_MAX: usize = 512 << 10;
/// Events at the end of a stream in which a retry under `Any` is recognised.
pub const RECENT_EVENTS: usize = 4_096;
/// Recent ids that are remembered, of all streams together; others are read again when they are needed.
pub const RECENT_IDS_MAX: usize = 1 << 17;
/// Events that one read gives, whatever it asks for.
pub const READ_EVENTS_MAX: usize = 1_024;
/// Bytes of payload after which a read gives no further event.
pub const READ_BYTES_MAX: usize = 4 << 20;
/// Events that one read looks at before it lets other tasks go first; those that were truncated are passed over.
pub const READ_LOOKED_AT_MAX: usize = 4_096;
/// Events that a subscription reads ahead.
pub const SUBSCRIPTION_PAGE_EVENTS: usize = 256;
/// Partitions of a store.
pub const PARTITIONS_MAX: u32 = 1_024;
/// Bytes of events that a store in memory holds: their canonical forms together.
pub const MEMORY_BYTES_MAX: u64 = 4 << 30;
/// Bytes of events that a session's writer keeps for a store that does not take them.
pub const UNSENT_BYTES_MAX: usize = 8 << 20;
/// Bytes of payloads of one session; a session with more could not be read again.
pub const SESSION_BYTES_MAX: u64 = 1 << 30;
/// Bytes of them that are kept for the session's end.
pub const SESSION_END_BYTES: u64 = 64 << 10;
/// Bytes of a log's segments, unless others are asked for.
pub const SEGMENT_BYTES: u64 = 8 << 20;
/// Bytes of a segment at least. One takes no append that is larger than itself.
pub const SEGMENT_BYTES_MIN: u64 = 16 << 10;
/// Bytes of a segment at most.
pub const SEGMENT_BYTES_MAX: u64 = 1 << 30;
/// Segments that are made ahead of need.
pub const SEGMENTS_AHEAD_MAX: u32 = 4;
/// Bytes of the records that a log writes at once.
pub const BLOCK_BYTES_MAX: usize = 1 << 20;
/// Bytes that a log may be ahead of its mark: as far is looked, when it is opened, for what follows its end.
pub const MARK_AHEAD_BYTES: u64 = 16 << 20;
/// Bytes of the index of the segment that is written; with more the next segment is begun.
pub const LOG_INDEX_BYTES_MAX: usize = 6 << 20;
/// Full segments whose index is in memory; who appends writes one when there are more.
pub const LOG_SEALED_MAX: usize = 2;
/// Indexes that are read at once when a segment is taken in anew, which is when a log is opened or an index is made
/// again.
pub const LOG_EARLIER_INDEXES: usize = 4;
/// Heads of streams that a log remembers; others are looked for in its indexes.
pub const LOG_HEADS_MAX: usize = 32_768;
/// Segments, and indexes, that a log holds open for reading.
pub const LOG_FILES_MAX: usize = 64;
/// Streams whose way through the segments a log remembers: 24 bytes for each segment that has events of one.
pub const LOG_ROUTES_MAX: usize = 64;
/// Milliseconds after which somebody who reads a log beside its writer looks for more.
pub const LOG_FOLLOW_MILLIS: u64 = 50;
/// How often a log that somebody writes is looked at anew when it looks damaged, as what was under way may have been
/// read half; and how often a tool begins anew when segments are given up meanwhile.
pub const LOG_TRIES_MAX: u32 = 5;
/// Damages that are told one by one when a log is verified; more are counted.
pub const VERIFY_DAMAGES_MAX: usize = 1_000;
/// The largest streams that are named when a log's events are counted.
pub const STATS_LARGEST_MAX: usize = 10;
/// Damaged places that are told one by one when a log is salvaged; more are counted.
pub const SALVAGE_PLACES_MAX: usize = 1_000;
/// Streams that are named for each of them.
pub const SALVAGE_STREAMS_MAX: usize = 100;
/// Appends that wait to be committed by a log; more wait for their turn to wait.
pub const QUEUE_APPENDS_MAX: usize = 4_096;
/// Bytes of the appends that wait to be committed by a log; more wait for their turn to wait.
pub const QUEUE_BYTES_MAX: usize = 64 << 20;
/// Bytes of a blob.
pub const BLOB_BYTES_MAX: usize = 256 << 20;
/// Bytes of a derived file.
pub const DERIVED_BYTES_MAX: usize = 16 << 20;
