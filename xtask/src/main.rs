//! The project's own tasks: `cargo xtask --help`.

mod bench;
mod browser;
mod count;
mod edges;
mod files;
mod games;
mod parts;
mod proto;
mod shell;
mod test;
mod tools;
mod torture;

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
    /// Run carts with the program `carts` of bench/, or in Chromium: DIR [--browser] [--json FILE] [--ticks N] [--jobs N] [--filter TEXT] [--at-least N]
    Carts {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<OsString>,
    },
    /// Run a benchmark of bench/ or bench/store/: NAME [--quick] [--json FILE] [--carts DIR]
    Bench {
        /// Which one
        name: String,
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<OsString>,
    },
    /// Make the page's picture: docs/images/page.png
    Picture {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<OsString>,
    },
    /// Run a test that takes rounds, with many of them
    Torture(torture::TortureArgs),
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
        Task::Carts { args } => return carts(&shell(Output::Stdout), args),
        Task::Bench { name, args } => return bench::run(&shell(Output::Stdout), &name, &args),
        Task::Picture { args } => return browser::run(&shell(Output::Stdout), "picture", &args),
        Task::Torture(args) => return torture::run(&shell(Output::Stdout), &args),
        Task::Proto { check } => proto::run(&shell(Output::Stdout).root, check)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// The check of carts outside the browser, or with `--browser` the one in it.
fn carts(shell: &Shell, mut args: Vec<OsString>) -> Result<ExitCode> {
    let before = args.len();
    args.retain(|arg| arg != "--browser");
    if args.len() == before {
        bench::run(shell, "carts", &args)
    } else {
        browser::run(shell, "carts-browser", &args)
    }
}
