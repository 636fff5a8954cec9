//! The `reenact` command: record a game once; replay any moment of it, bit for bit, for ever.
//!
//! One file a verb in `commands`; each parses its arguments, calls the library and says what came of it.
//! Data goes to standard output, progress and errors to standard error. Exit codes: 0 fine, 1 diverged, damaged
//! or failed, 2 wrong usage, 125 nothing can be said (so that `git bisect run` skips it).

mod commands;
mod files;
mod inputs;
mod open;
mod output;
mod picture;
mod progress;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use output::{Exit, Fault, Output};

#[derive(Debug, Parser)]
#[command(
    name = "reenact",
    version,
    about = "Record a game once; replay any moment of it, bit for bit, for ever."
)]
#[command(
    after_help = "Exit codes: 0 fine, 1 diverged, damaged or failed, 2 wrong usage, 125 nothing can be said."
)]
struct Args {
    /// Print one JSON document instead of text
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Record(commands::record::Args),
    Play(commands::play::Args),
    Seek(commands::seek::Args),
    Verify(commands::verify::Args),
    Inspect(commands::inspect::Args),
    ExportSession(commands::export_session::Args),
    Log(commands::log::Args),
    Serve(commands::serve::Args),
    Demo(commands::serve::DemoArgs),
}

/// Bytes of stack that the work has: a module may use a megabyte of it, whatever the shell allows the command.
const STACK_BYTES: usize = 8 << 20;

fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => return usage(&error),
    };
    let work = std::thread::Builder::new().stack_size(STACK_BYTES).spawn(move || run(args));
    let done = work.map(std::thread::JoinHandle::join);
    match done {
        Ok(Ok(exit)) => exit.into(),
        // The thread has said why it panicked.
        Ok(Err(_)) => Exit::CannotTell.into(),
        Err(error) => Output::new(false).fault(&error.into()).into(),
    }
}

/// Tells of arguments that make no sense; help and version are asked for, and no error.
fn usage(error: &clap::Error) -> ExitCode {
    let json = std::env::args_os().any(|arg| arg == "--json");
    if error.use_stderr() && json {
        let message = error.to_string();
        return Output::new(true).fault(&Fault::usage(anyhow::anyhow!("{}", message.trim()))).into();
    }
    // A reader that has gone away is no error.
    let _ = error.print();
    if error.use_stderr() { Exit::Usage.into() } else { Exit::Fine.into() }
}

fn run(args: Args) -> Exit {
    let output = Output::new(args.json);
    let done = match args.command {
        Command::Record(args) => commands::record::run(&args, &output),
        Command::Play(args) => commands::play::run(&args, &output),
        Command::Seek(args) => commands::seek::run(&args, &output),
        Command::Verify(args) => commands::verify::run(&args, &output),
        Command::Inspect(args) => commands::inspect::run(&args, &output),
        Command::ExportSession(args) => commands::export_session::run(&args, &output),
        Command::Log(args) => commands::log::run(&args, &output),
        Command::Serve(args) => commands::serve::serve(&args, &output),
        Command::Demo(args) => commands::serve::demo(&args, &output),
    };
    done.unwrap_or_else(|fault| output.fault(&fault))
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}
