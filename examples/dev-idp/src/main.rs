//! `dev-idp`: a development identity provider that behaves like Auth0, for demos and tests only.
//!
//! This file starts and stops it. What it serves is in `app.rs`, one route a file in `routes/`.

use std::{
    io::{self, IsTerminal as _, Write as _},
    net::SocketAddr,
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use anyhow::{Context as _, bail};
use clap::Parser as _;
use tokio::{net::TcpListener, sync::Notify};
use tracing_subscriber::EnvFilter;

use crate::{app::App, args::Args, clock::Clock, keys::KeyPair};

mod app;
mod args;
mod audience;
mod browser;
mod client;
mod client_auth;
mod clock;
mod config;
mod fault;
mod grants;
mod issuer;
mod keys;
mod oauth_error;
mod page;
mod params;
mod pkce;
mod return_to;
mod routes;
mod scope;
mod secret;
mod tokens;
mod user;

#[cfg(test)]
mod testing;

/// How long requests under way may take once the end was asked for.
const GRACE: Duration = Duration::from_secs(2);

#[tokio::main]
async fn main() -> ExitCode {
    let args = Args::parse();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(io::stderr().is_terminal())
        .log_internal_errors(false) // they go to stderr too, and panic where it is closed
        .with_writer(io::stderr)
        .init();
    match run(args).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "dev-idp: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(args: Args) -> anyhow::Result<()> {
    let open_to_others = !args.listen.ip().is_loopback();
    if open_to_others && !args.allow_non_loopback {
        bail!(
            "{} can be reached from other machines, and anyone can log in as anyone here; \
             give a loopback address to --listen, or --allow-non-loopback if you mean it",
            args.listen
        );
    }
    let end = end_asked_for()?;
    let listener = listen(args.listen).await?;
    let bound = listener.local_addr().context("the socket has no address")?;
    let config = args.into_config(bound)?;
    // Here as below: a reader that has gone away is no reason to stop.
    let _ = writeln!(io::stderr(), "{}", banner(config.issuer.as_str(), open_to_others));
    let keys = tokio::task::spawn_blocking(KeyPair::generate).await.context("no keys were made")?;
    let issuer = config.issuer.clone();
    let app = Arc::new(App::new(config, Clock::system(), keys));
    // The one line on standard output: whoever started this with port 0 reads the address here.
    let _ = writeln!(io::stdout(), "ready {issuer}");
    serve(listener, app, end).await
}

/// Until `end`; what hangs on demand is then cut off.
async fn serve(
    listener: TcpListener,
    app: Arc<App>,
    end: impl Future<Output = ()>,
) -> anyhow::Result<()> {
    let stop = Arc::new(Notify::new());
    let stopped = Arc::clone(&stop);
    let server = axum::serve(listener, app::router(app))
        .with_graceful_shutdown(async move { stopped.notified().await });
    let deadline = async {
        end.await;
        tracing::info!("stopping");
        stop.notify_one();
        tokio::time::sleep(GRACE).await;
    };
    tokio::select! {
        ended = server.into_future() => ended.context("the server failed"),
        () = deadline => Ok(()),
    }
}

async fn listen(address: SocketAddr) -> anyhow::Result<TcpListener> {
    match TcpListener::bind(address).await {
        Ok(listener) => Ok(listener),
        Err(e) if e.kind() == io::ErrorKind::AddrInUse => bail!(
            "{address} is in use; stop the program that listens there, \
             or choose another port with --listen {}:PORT",
            bracketed(address)
        ),
        Err(e) => Err(e).with_context(|| format!("cannot listen on {address} (--listen)")),
    }
}

fn bracketed(address: SocketAddr) -> String {
    match address {
        SocketAddr::V4(v4) => v4.ip().to_string(),
        SocketAddr::V6(v6) => format!("[{}]", v6.ip()),
    }
}

/// SIGINT or SIGTERM, from the call on and not only once the future is polled.
fn end_asked_for() -> anyhow::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot wait for SIGINT")?;
    let mut terminate = signal(SignalKind::terminate()).context("cannot wait for SIGTERM")?;
    Ok(async move {
        tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} }
    })
}

fn banner(issuer: &str, open_to_others: bool) -> String {
    let rule = "=".repeat(72);
    let warning = if open_to_others {
        "\n  WARNING: OTHER MACHINES CAN REACH THIS PROVIDER (--allow-non-loopback)"
    } else {
        ""
    };
    format!(
        "{rule}\n\n  F O R   D E V E L O P M E N T   O N L Y\n\n  \
         This identity provider lets anyone log in as anyone, without a password.{warning}\n  \
         Issuer: {issuer}\n\n{rule}"
    )
}
