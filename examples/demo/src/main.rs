//! `mcp-demo`: starts the stack on this machine and walks through what it does (`run`), or leaves
//! it running for one's own MCP client (`up`, `down`).
//!
//! Exit codes: 0 if all went well, 1 if something did not, 130 after Ctrl-C. Whatever happens,
//! no child process outlives `run`.

use std::process::ExitCode;

use clap::Parser;

use crate::args::{Args, Command};

mod args;
mod clock;
mod oauth;
mod ports;
mod process;
mod report;
mod signals;
mod stack;
mod state;
mod up;
mod user_id;
mod walk;

#[tokio::main]
async fn main() -> ExitCode {
    let Args { command, options } = Args::parse();
    match command {
        Command::Run => unless_interrupted(walk::run(&options)).await,
        Command::Up => unless_interrupted(up::up(&options)).await,
        Command::Down => unless_interrupted(up::down(&options.state_dir)).await,
        Command::Hold => exit_code(up::hold(&options).await),
    }
}

/// Dropping `work` stops the children it has started.
async fn unless_interrupted(work: impl Future<Output = anyhow::Result<()>>) -> ExitCode {
    tokio::select! {
        done = work => exit_code(done),
        () = signals::asked_to_end() => {
            anstream::eprintln!("demo: interrupted");
            ExitCode::from(130)
        }
    }
}

fn exit_code(done: anyhow::Result<()>) -> ExitCode {
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            anstream::eprintln!("demo: {error:#}");
            ExitCode::FAILURE
        }
    }
}
