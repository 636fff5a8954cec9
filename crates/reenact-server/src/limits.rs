//! Every limit of the service, in one place.

use std::time::Duration;

/// Bytes of one WebSocket message: a mark of 64 KiB and its head fit.
pub const MESSAGE_BYTES_MAX: usize = (64 << 10) + 16;
/// Bytes of the opening message of a recorder: a configuration and a disk in base64 fit.
pub const OPENING_BYTES_MAX: usize = MESSAGE_BYTES_MAX * 2;
/// Bytes of a WebSocket message above which the connection is cut, without a word. What is larger than the
/// limits above and smaller than this is read to its end and refused.
pub const WIRE_BYTES_MAX: usize = 1 << 20;
/// Bytes of answers that wait to leave on one WebSocket.
pub const ANSWER_BYTES_MAX: usize = 256 << 10;
/// Bytes of a module that is uploaded.
pub const MODULE_BYTES_MAX: usize = reenact_wasm::limits::MODULE_BYTES_MAX;
/// Modules that are kept.
pub const MODULES_MAX: usize = 4_096;
/// Compiled modules that are kept in memory.
pub const COMPILED_MAX: usize = 16;
/// Recorders at a time.
pub const RECORDERS_MAX: usize = 1_024;
/// Requests at a time that read a whole session.
pub const READERS_MAX: usize = 8;
/// Modules at a time that are handed in.
pub const UPLOADS_MAX: usize = 4;
/// Modules at a time that are compiled; that is work for a whole core.
pub const COMPILATIONS_MAX: usize = 1;
/// How long the bytes of a module may take.
pub const UPLOAD_TIMEOUT: Duration = Duration::from_secs(30);
/// Ended sessions that wait for their keyframes; above that they are taken when the server starts again.
pub const KEYFRAME_JOBS_MAX: usize = 4_096;
/// Sessions in one answer of the list.
pub const SESSIONS_PER_PAGE_MAX: usize = 500;
/// Sessions in one answer of the list, unless asked otherwise.
pub const SESSIONS_PER_PAGE_DEFAULT: usize = 50;
/// Events that are read from the store at once.
pub const EVENTS_PER_READ: usize = 512;
/// Bytes that wait for the store above which nothing more is read from a recorder: half of what its `Recorder`
/// may hold. What the recorder says then waits in its own socket.
pub const WAITING_BYTES_MAX: usize = reenact::limits::PENDING_BYTES_MAX / 2;
/// How long that may last.
pub const STALL_TIMEOUT: Duration = Duration::from_secs(5);
/// Bytes of the keyframes of one session; a session with larger states has fewer of them.
pub const KEYFRAME_BYTES_MAX: u64 = 1 << 30;
/// How long the re-simulation of one session may take.
pub const KEYFRAMER_TIMEOUT: Duration = Duration::from_mins(10);
/// How long the server waits for requests that are under way when it stops.
pub const REQUESTS_TIMEOUT: Duration = Duration::from_secs(5);
/// How long the list of sessions waits before it reads on, after the store could not be read.
pub const RETRY_AFTER: Duration = Duration::from_secs(1);
/// How often a recorder's chunk is appended, if there is one: acknowledgements come that often.
pub const FLUSH_EVERY: Duration = Duration::from_millis(100);
/// How long a recorder may take to say what it records.
pub const OPENING_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a recorder may send nothing, not even a ping.
pub const SILENCE_TIMEOUT: Duration = Duration::from_mins(1);
/// How long an answer may take to leave.
pub const SEND_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a recorder has to hear why its connection ends.
pub const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);
/// How long a new recorder of a session waits for the one before to let go.
pub const TAKEOVER_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the server waits for its recorders when it stops, and for the keyframer.
pub const DRAIN_TIMEOUT: Duration = Duration::from_secs(10);
/// Bytes of stack of a thread that runs modules: a guest may use a megabyte.
pub const SIMULATION_STACK_BYTES: usize = 8 << 20;
