//! `mcp-demo`: starts the stack on this machine and walks through what it does (`run`), or leaves
//! it running for one's own MCP client (`up`, `down`).
//!
//! Exit codes: 0 if all went well, 1 if something did not, 130 after Ctrl-C. Whatever happens,
//! no child process outlives `run`.

use std::process::ExitCode;

use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};

use crate::args::{Args, Command};

mod args;
mod clock;
mod oauth;
mod ports;
mod process;
mod report;
mod stack;
mod state;
mod up;
mod user_id;
mod walk;

#[tokio::main]
async fn main() -> ExitCode {
    let Args { command, options } = Args::parse();
    let work = async {
        match command {
            Command::Run => walk::run(&options).await,
            Command::Up => up::up(&options).await,
            Command::Down => up::down(&options.state_dir).await,
        }
    };
    // Dropping `work` stops the children it has started.
    tokio::select! {
        done = work => match done {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                anstream::eprintln!("demo: {error:#}");
                ExitCode::FAILURE
            }
        },
        () = interrupted() => {
            anstream::eprintln!("demo: interrupted, everything is stopped");
            ExitCode::from(130)
        }
    }
}

async fn interrupted() {
    let (Ok(mut term), Ok(mut int)) =
        (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        return std::future::pending().await;
    };
    tokio::select! { _ = term.recv() => {}, _ = int.recv() => {} }
}
