//! `mcp-server`: reads its arguments, listens, serves until told to stop.
//!
//! Exit codes: 0 after an orderly stop, 1 if the address cannot be had, 2 if the arguments ask
//! for something unsafe or unreadable.

use std::io::IsTerminal;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::Parser;
use mcp_server::http;
use mcp_server::listen::{Args, Listen};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

/// How long calls under way may take once the server was told to stop.
const DRAIN: Duration = Duration::from_secs(10);

#[tokio::main]
async fn main() -> ExitCode {
    let listen = match Listen::checked(Args::parse()) {
        Ok(listen) => listen,
        Err(exposed) => {
            eprintln!("mcp-server: {exposed}.");
            return ExitCode::from(2);
        }
    };
    match run(&listen).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("mcp-server: {error:#}.");
            ExitCode::FAILURE
        }
    }
}

async fn run(listen: &Listen) -> anyhow::Result<()> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .log_internal_errors(false) // they go to stderr too, and panic where it is closed
        .with_writer(std::io::stderr)
        .init();

    let stop = on_signal().context("cannot listen for signals")?;
    let address = listen.address();
    let listener = TcpListener::bind(address).await.with_context(|| {
        format!("cannot listen on {address}, choose another address with --listen")
    })?;
    tracing::info!("MCP at http://{}/mcp, believing its identity headers", listener.local_addr()?);
    http::serve(listener, listen.hosts(), stop, DRAIN).await.context("serving failed")?;
    tracing::info!("stopped");
    Ok(())
}

/// Cancelled by the first SIGTERM or SIGINT.
fn on_signal() -> std::io::Result<CancellationToken> {
    let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let stop = CancellationToken::new();
    tokio::spawn({
        let stop = stop.clone();
        async move {
            tokio::select! { _ = term.recv() => {}, _ = int.recv() => {} }
            tracing::info!("stopping: calls under way may finish");
            stop.cancel();
        }
    });
    Ok(stop)
}
