//! `reenact record`: run a module and keep what its participants did.

use std::net::{SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result};
use reenact::bot::Bot;
use reenact::limits::{CONFIG_BYTES_MAX, DISK_BYTES_MAX};
use reenact::recording::KEYFRAME_EVERY_DEFAULT;
use reenact::session::{HASH_EVERY_DEFAULT, Limits};
use reenact::{Inputs, RecordError, Recording, Replay, Simulation, Status, Tick};
use reenact_server::play::{Played, play_and_record};
use reenact_wasm::{Engine, Module, Setup, WasmSimulation};
use serde::Serialize;

use crate::commands::inspect::describe_end;
use crate::files::{check_output, write_whole};
use crate::inputs::{Script, Source};
use crate::open::{module_bytes, read_file};
use crate::output::{Exit, Fault, Output, say};
use crate::progress::Progress;

/// Record a game into a replay file
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The game: a wasm module that speaks reenact1, or a WASM-4 cart
    module: PathBuf,
    /// Let the game's own bots play, or random inputs where it has none, from this seed
    #[arg(long, value_name = "SEED", required_unless_present = "inputs", conflicts_with = "inputs")]
    bot: Option<u64>,
    /// Take the inputs from a file: one change a line of JSON, such as {"tick":12,"participant":0,"pad":16}
    #[arg(long, value_name = "FILE")]
    inputs: Option<PathBuf>,
    /// How many ticks to record, unless the game ends before
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    ticks: u32,
    /// Where to write the replay
    #[arg(short, long, value_name = "FILE", required_unless_present = "to")]
    output: Option<PathBuf>,
    /// Record a session on a server instead, which has the module already
    #[arg(long, value_name = "HOST:PORT", conflicts_with_all = ["output", "keyframe_every", "without_module"])]
    #[arg(value_parser = resolve)]
    to: Option<SocketAddr>,
    /// The game's own seed; that of the bot unless given
    #[arg(long)]
    seed: Option<u64>,
    /// A file with the game's configuration, at most 64 KiB
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// A file with the console's disk, at most 1 KiB
    #[arg(long, value_name = "FILE")]
    disk: Option<PathBuf>,
    /// Record a state hash every so many ticks; 0 for none, and nothing can be verified
    #[arg(long, value_name = "N", default_value_t = HASH_EVERY_DEFAULT)]
    hash_every: u32,
    /// Record a keyframe every so many ticks; 0 for none, and seeking starts from the beginning
    #[arg(long, value_name = "N", default_value_t = KEYFRAME_EVERY_DEFAULT)]
    keyframe_every: u32,
    /// Leave the module out of the file
    #[arg(long)]
    without_module: bool,
}

#[derive(Serialize)]
struct SessionDocument {
    session: String,
    ticks: u32,
    seconds: f64,
}

#[derive(Serialize)]
struct Document {
    file: String,
    bytes: usize,
    ticks: u32,
    end: String,
    state_hash: String,
    seconds: f64,
    times_real_time: f64,
}

pub(crate) fn run(args: &Args, output: &Output) -> Result<Exit, Fault> {
    args.output.as_deref().map_or(Ok(()), check_output)?;
    let bytes = module_bytes(&args.module)?;
    let module = Module::admit(&Engine::new()?, &bytes, Limits::default())
        .with_context(|| format!("use the module {}", args.module.display()))?;
    let source = match (&args.inputs, args.bot) {
        (Some(path), _) => Source::Script(Script::read(path, module.input_schema())?),
        (None, seed) => Source::Bot(Bot::new(seed.unwrap_or_default())),
    };
    let setup = Setup {
        seed: args.seed.or(args.bot).unwrap_or_default(),
        config: optional_file(args.config.as_deref(), CONFIG_BYTES_MAX)?,
        disk: optional_file(args.disk.as_deref(), DISK_BYTES_MAX)?,
    };
    let Some(path) = &args.output else {
        return record_on_server(args, output, &module, setup, source);
    };
    let simulation = module.simulation(&setup).context("start the simulation")?;
    let mut recording =
        Recording::new(simulation, module.session(setup, args.hash_every), args.keyframe_every)?;
    let begin = Instant::now();
    drive(&mut recording, source, &module, args.ticks)?;
    let seconds = begin.elapsed().as_secs_f64();
    let state_hash = recording.simulation().state_hash();
    let file = recording.finish((!args.without_module).then_some(bytes))?;
    let replay = Replay::decode(&file).context("read back what was recorded")?;
    write_whole(path, &file)?;
    let document = Document {
        file: path.display().to_string(),
        bytes: file.len(),
        ticks: replay.last_tick().0,
        end: describe_end(&replay.ended),
        state_hash: state_hash.to_string(),
        seconds,
        times_real_time: f64::from(replay.last_tick().0) / module.rate().per_second() / seconds,
    };
    output.result("record", &describe(&document), &document);
    Ok(Exit::Fine)
}

/// The address that a name and a port lead to.
fn resolve(text: &str) -> Result<SocketAddr, String> {
    let mut addresses = text.to_socket_addrs().map_err(|error| error.to_string())?;
    addresses.next().ok_or_else(|| "the name leads to no address".to_owned())
}

/// Plays the game here and records it there, over the wire.
fn record_on_server(
    args: &Args,
    output: &Output,
    module: &Module,
    setup: Setup,
    mut source: Source,
) -> Result<Exit, Fault> {
    let Some(server) = args.to else { unreachable!("a file or a server is required") };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.context("start the runtime")?;
    let (begin, progress) = (Instant::now(), Progress::new("recording", Tick(args.ticks)));
    let act = |tick: Tick, game: &mut WasmSimulation, inputs: &mut Inputs| {
        if tick.0.is_multiple_of(64) {
            progress.at(tick);
        }
        source.act(tick, module.input_schema(), game, inputs)
    };
    let played = Played { module, setup, ticks: args.ticks, hash_every: args.hash_every };
    let (session, last_tick) = runtime.block_on(play_and_record(server, played, act))?;
    drop(progress);
    let document = SessionDocument { session, ticks: last_tick.0, seconds: begin.elapsed().as_secs_f64() };
    let text = format!("{}: {} ticks in {:.1} s", document.session, document.ticks, document.seconds);
    output.result("record-to", &text, &document);
    Ok(Exit::Fine)
}

fn optional_file(path: Option<&Path>, limit: usize) -> Result<Vec<u8>> {
    path.map_or(Ok(Vec::new()), |path| read_file(path, limit))
}

/// Plays until `ticks` ticks are recorded or the session has ended by itself. A game that fails is a
/// session that ends there, and is recorded as such.
fn drive(
    recording: &mut Recording<WasmSimulation>,
    mut source: Source,
    module: &Module,
    ticks: u32,
) -> Result<()> {
    let schema = module.input_schema();
    let progress = Progress::new("recording", Tick(ticks));
    let mut inputs = Inputs::absent(schema);
    while recording.tick() < Tick(ticks) {
        let tick = recording.tick();
        source.act(tick, schema, recording.simulation(), &mut inputs)?;
        match recording.step(&inputs) {
            Ok(Status::Running) => {}
            Ok(Status::Over) => break,
            Err(RecordError::Failed(failure)) => {
                for line in recording.simulation().logs() {
                    say(&format!("game: {}", line.text));
                }
                say(&format!("the game failed at tick {tick}: {failure}"));
                break;
            }
            Err(error) => {
                say(&format!("the recording ends at tick {tick}: {error}"));
                break;
            }
        }
        if tick.0.is_multiple_of(64) {
            progress.at(tick);
        }
    }
    Ok(())
}

fn describe(document: &Document) -> String {
    format!(
        "{}: {} ticks, {} bytes, {}\nstate hash {}\n{:.1} s, {:.0} x real time",
        document.file,
        document.ticks,
        document.bytes,
        document.end,
        document.state_hash,
        document.seconds,
        document.times_real_time,
    )
}
