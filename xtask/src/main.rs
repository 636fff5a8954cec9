//! The project's own tasks: `cargo xtask --help`.

mod bench;
mod count;
mod edges;
mod files;
mod games;
mod parts;
mod proto;
mod shell;
mod test;
mod tools;

use std::ffi::OsString;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use shell::{Output, Shell};

#[derive(Debug, Parser)]
#[command(name = "cargo xtask", about = "The project's own tasks")]
struct Args {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Run every check and test, and count them
    Test {
        /// Print the result as JSON on standard output, and everything else on standard error
        #[arg(long)]
        json: bool,
        /// Only these parts; all of them without any
        parts: Vec<String>,
    },
    /// Build the modules of games/build.toml
    Games {
        /// Compare with what is checked in, and write nothing
        #[arg(long)]
        check: bool,
    },
    /// Run carts with the program `carts` of bench/: DIR [--json FILE] [--ticks N] [--jobs N] [--filter TEXT] [--at-least N]
    Carts {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<OsString>,
    },
    /// Run a benchmark of bench/: NAME [--quick] [--json FILE] [--carts DIR]
    Bench {
        /// Which one
        name: String,
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<OsString>,
    },
    /// Generate the prost types of proto/
    Proto {
        /// Compare with what is checked in, and write nothing
        #[arg(long)]
        check: bool,
    },
}

fn main() -> Result<ExitCode> {
    let args = Args::parse();
    let shell = |output| Shell::new(output);
    match args.task {
        Task::Test { json, parts } => {
            return test::run(&shell(if json { Output::Stderr } else { Output::Stdout }), &parts);
        }
        Task::Games { check } => games::run(&shell(Output::Stdout), check)?,
        Task::Carts { args } => return bench::run(&shell(Output::Stdout), "carts", &args),
        Task::Bench { name, args } => return bench::run(&shell(Output::Stdout), &name, &args),
        Task::Proto { check } => proto::run(&shell(Output::Stdout).root, check)?,
    }
    Ok(ExitCode::SUCCESS)
}
