//! `reenact export-session`: a session of a data directory as a replay file.

use std::path::PathBuf;

use anyhow::Context;
use reenact::Replay;
use reenact_server::DataDir;
use serde::Serialize;

use crate::files::{check_output, write_whole};
use crate::output::{Exit, Fault, Output};

/// Write a recorded session as a replay file, from the data directory of a server that does not run
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The session's id, as the page and the list give it
    session: String,
    /// Where to write the replay
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// The data directory
    #[arg(long, value_name = "DIR", default_value = "reenact-data")]
    data: PathBuf,
}

#[derive(Serialize)]
struct Document {
    file: String,
    bytes: usize,
    session: String,
    ticks: u32,
}

pub(crate) fn run(args: &Args, output: &Output) -> Result<Exit, Fault> {
    check_output(&args.output)?;
    let session = args.session.parse().map_err(Fault::usage)?;
    if !args.data.join("log").is_dir() {
        let data = args.data.display();
        return Err(Fault::usage(anyhow::anyhow!("{data} is no data directory")));
    }
    let runtime = tokio::runtime::Builder::new_current_thread().build().context("start the runtime")?;
    let (data, _report) = DataDir::open(&args.data).with_context(|| {
        format!("open {}; a running server gives replays at /v1/sessions/ID/replay", args.data.display())
    })?;
    let file = runtime.block_on(data.export(&session))?;
    let replay = Replay::decode(&file).context("read back what was exported")?;
    write_whole(&args.output, &file)?;
    let document = Document {
        file: args.output.display().to_string(),
        bytes: file.len(),
        session: args.session.clone(),
        ticks: replay.last_tick().0,
    };
    let text = format!("{}: {} ticks in {} bytes", document.file, document.ticks, document.bytes);
    output.result("export-session", &text, &document);
    Ok(Exit::Fine)
}
