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
pub const RECENT_IDS_MAX: usize = 1 << 20;
/// Events that one read gives, whatever it asks for.
pub const READ_EVENTS_MAX: usize = 1_024;
/// Bytes of payload after which a read gives no further event.
pub const READ_BYTES_MAX: usize = 4 << 20;
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
/// Bytes of a log's file; more are refused as if the disk were full.
pub const LOG_BYTES_MAX: u64 = 1 << 40;
/// Events of a log; more are refused as if the disk were full.
pub const LOG_EVENTS_MAX: u64 = 1 << 32;
/// Bytes of the records that a log writes and syncs at once.
pub const BLOCK_BYTES_MAX: usize = 4 << 20;
/// Appends that wait for a log's thread; more wait for their turn to wait.
pub const QUEUE_APPENDS_MAX: usize = 4_096;
/// Bytes of the appends that wait for a log's thread; more wait for their turn to wait.
pub const QUEUE_BYTES_MAX: usize = 64 << 20;
/// Bytes of a blob.
pub const BLOB_BYTES_MAX: usize = 256 << 20;
/// Bytes of a derived file.
pub const DERIVED_BYTES_MAX: usize = 16 << 20;
