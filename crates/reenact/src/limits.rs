//! Every limit of the spine, in one place.

/// Participants of one session.
pub const PARTICIPANTS_MAX: usize = 64;
/// Input columns of one participant.
pub const COLUMNS_MAX: usize = 16;
/// Bytes of a name: of a column, a button, a field.
pub const NAME_BYTES_MAX: usize = 64;
/// Rows in one input block: more are refused before anything is allocated.
pub const BLOCK_ROWS_MAX: usize = 65_536;
/// Rows after which the recorder closes a block.
pub const CHUNK_ROWS: usize = 4_096;
/// Bytes after which the recorder closes a chunk, whatever it holds. With what a tick adds at most, a chunk
/// stays below the 512 KiB and 512 events that are appended to a stream at once.
pub const CHUNK_BYTES: usize = 256 << 10;
/// Marks after which the recorder closes a chunk.
pub const CHUNK_MARKS: usize = 200;
/// Bytes of payloads a recorder holds for a caller that does not take them away.
pub const PENDING_BYTES_MAX: usize = 4 << 20;
/// Bytes of a text for people: the name of a game or of a build.
pub const TEXT_BYTES_MAX: usize = 1_024;
/// Bytes of a session's configuration.
pub const CONFIG_BYTES_MAX: usize = 64 << 10;
/// Bytes of a console disk.
pub const DISK_BYTES_MAX: usize = 1_024;
/// Marks a simulation may emit in one tick.
pub const MARKS_PER_TICK_MAX: usize = 256;
/// Bytes of mark payload a simulation may emit in one tick.
pub const MARK_BYTES_PER_TICK_MAX: usize = 64 << 10;
/// Bytes of one state: 64 MiB of memory, globals and a disk.
pub const STATE_BYTES_MAX: usize = (64 << 20) + (64 << 10);
/// Bytes of a record that holds neither a state, a module nor an input block.
pub const SMALL_RECORD_BYTES_MAX: usize = 1 << 20;
/// Bytes of one record of a replay file: an incompressible state and its head fit.
pub const RECORD_BYTES_MAX: usize = STATE_BYTES_MAX + (1 << 20);
/// Bytes of a replay file that is read into memory.
pub const REPLAY_BYTES_MAX: usize = 1 << 30;
/// Bytes of keyframes that a player remembers besides those of the replay.
pub const PLAYER_CACHE_BYTES_MAX: usize = 64 << 20;
/// Ticks that one call of `Player::advance` runs at most, however long the caller slept.
pub const ADVANCE_TICKS_MAX: u32 = 4_096;
