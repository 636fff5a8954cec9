//! `reenact serve` and `reenact demo`: take recordings, and show them on a page.

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::{Context, Result};
use reenact_server::server::{ADDRESS_DEFAULT, PORT_DEFAULT};
use reenact_server::{Config, Server, demo};
use serde::Serialize;

use crate::output::{Exit, Fault, Output, say};
use crate::progress::Progress;

/// Where sessions are kept unless somebody asks otherwise.
const DATA_DEFAULT: &str = "reenact-data";

/// Take recordings, keep them, and show them on a page
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    place: Place,
}

/// Serve with two sample games and a recorded session of bots: the quickest way to see what this is
#[derive(Debug, clap::Args)]
pub(crate) struct DemoArgs {
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, clap::Args)]
struct Place {
    /// Where sessions, modules and keyframes are kept
    #[arg(long, value_name = "DIR", default_value = DATA_DEFAULT)]
    data: PathBuf,
    /// The port on loopback; 0 for any that is free
    #[arg(long, value_name = "N", default_value_t = PORT_DEFAULT)]
    port: u16,
}

#[derive(Serialize)]
struct Document {
    address: String,
    data: String,
    events: u64,
    sessions: usize,
    modules: usize,
    torn_bytes: u64,
    recovery_seconds: f64,
    /// The address of the demo's session; null for `serve`.
    watch: Option<String>,
}

pub(crate) fn serve(args: &Args, output: &Output) -> Result<Exit, Fault> {
    run(&args.place, output, false)
}

pub(crate) fn demo(args: &DemoArgs, output: &Output) -> Result<Exit, Fault> {
    run(&args.place, output, true)
}

fn run(place: &Place, output: &Output, demo: bool) -> Result<Exit, Fault> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_stack_size(reenact_server::limits::SIMULATION_STACK_BYTES)
        .build()
        .context("start the runtime")?;
    runtime.block_on(async {
        let address = SocketAddr::from((ADDRESS_DEFAULT, place.port));
        let server = Server::open(Config { data: place.data.clone(), address }).await?;
        let recovered = server.recovered();
        say(&describe(&server, place));
        let (address, data) = (server.address(), server.data().clone());
        let empty = !server.has_ended_session();
        let running = tokio::spawn(server.run(asked_to_stop().context("listen for signals")?));
        let session = if demo { prepare(address, &data, empty).await? } else { None };
        let document = Document {
            address: format!("http://{address}/"),
            data: place.data.display().to_string(),
            events: recovered.events,
            sessions: recovered.sessions,
            modules: recovered.modules,
            torn_bytes: recovered.torn_bytes,
            recovery_seconds: recovered.elapsed.as_secs_f64(),
            watch: session.map(|session| format!("http://{address}/#/session/{session}")),
        };
        output.result("serve", &announce(&document, demo), &document);
        running.await.context("run the server")??;
        say("stopped; everything acknowledged is kept");
        Ok(Exit::Fine)
    })
}

/// The sample games, and a session to watch where there is none; its id.
async fn prepare(address: SocketAddr, data: &reenact_server::DataDir, empty: bool) -> Result<Option<String>> {
    let modules = std::sync::Arc::clone(&data.modules);
    let progress = Progress::spinner("compiling the sample games");
    tokio::task::spawn_blocking(move || demo::admit_games(&modules)).await??;
    if !empty {
        return Ok(None);
    }
    progress.say("bots play two minutes of the arena");
    match demo::record_bots(address, &data.modules).await {
        // Somebody wants it to stop already.
        Err(error) if error.is_stop() => Ok(None),
        recorded => Ok(Some(recorded?)),
    }
}

/// What was found in the data directory.
fn describe(server: &Server, place: &Place) -> String {
    let recovered = server.recovered();
    let data = place.data.display();
    if recovered.events == 0 {
        return format!("{data} is new");
    }
    // A log opens only if everything is there that it is known to have held.
    let lost = match recovered.torn_bytes {
        0 => "0 lost".to_owned(),
        bytes => format!("{bytes} bytes of an interrupted write cut off"),
    };
    let sessions = match recovered.sessions {
        1 => "1 session".to_owned(),
        many => format!("{many} sessions"),
    };
    format!(
        "recovered {} events of {sessions} from {data} in {:.0} ms, {lost}",
        recovered.events,
        recovered.elapsed.as_secs_f64() * 1_000.0,
    )
}

fn announce(document: &Document, demo: bool) -> String {
    let mut lines = vec![format!("open   {}", document.address)];
    if let Some(watch) = &document.watch {
        lines.push(format!("watch  {watch}"));
    }
    if demo {
        lines.push("Watch the bots, or play a game with the keyboard and watch yourself.".into());
    }
    lines.push(format!("Sessions are kept in {}. Ctrl-C stops the server.", document.data));
    lines.join("\n")
}

/// What is ready when somebody presses Ctrl-C, or the system asks the process to end: from this call on, not only
/// from when it is first awaited.
fn asked_to_stop() -> std::io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}
