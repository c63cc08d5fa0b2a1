//! `up` and `down`: the stack for one's own MCP client.
//!
//! `up` leaves a process behind that owns the stack ([`hold`]), because Envoy asks the kernel to
//! be ended together with its parent (`PR_SET_PDEATHSIG`).

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, bail};

use crate::args::Options;
use crate::clock::Stopwatch;
use crate::oauth::{AuthorizationServer, KNOWN_CLIENT};
use crate::process::{Found, Process};
use crate::report;
use crate::signals;
use crate::stack::{ADMIN, AUTHORIZATION_SERVER, ISSUER, NotUp, RESOURCE, Stack};
use crate::state::State;

/// Starts the stack, leaves it running and says how to use it.
///
/// # Errors
/// In words, if it does not come up; nothing is left running then.
pub(crate) async fn up(options: &Options) -> anyhow::Result<()> {
    let clock = Stopwatch::start();
    let state = State::open(&options.state_dir)?;
    if state.read()?.iter().any(Found::is_alive) {
        return Err(NotUp::Already.into());
    }
    state.forget()?;
    report::progress("starting dev-idp, mcp-server, mcp-auth and envoy");
    let mut holder = Process::start("demo", &mut hold_command(options)?, &options.state_dir, "")?;
    wait_until_held(&state, &mut holder).await?;
    let provider = AuthorizationServer::discover(ISSUER).await?;
    let tokens = provider.log_in(KNOWN_CLIENT, "alice@example.com", RESOURCE).await;
    let token = tokens.context("no token from the identity provider")?.access;
    holder.release();
    report::chapter(&format!("The stack is up, after {clock}."));
    anstream::println!("{}", how_to_use(token.as_str(), &options.state_dir));
    Ok(())
}

/// Owns the stack until it is told to stop. What [`up`] leaves behind.
///
/// # Errors
/// If the stack does not start, or one of its programs ends.
pub(crate) async fn hold(options: &Options) -> anyhow::Result<()> {
    let mut stack = Stack::start(options).await?;
    let state = State::open(&options.state_dir)?;
    let mut processes = stack.found();
    processes.push(Found::myself("demo"));
    state.write(&processes)?;
    let outcome = tokio::select! {
        () = signals::asked_to_end() => Ok(()),
        ended = until_one_ends(&mut stack) => Err(ended.into()),
    };
    stack.stop().await;
    outcome
}

/// Stops what [`up`] left running, if anything.
///
/// # Errors
/// If the notes of what is up cannot be used.
pub(crate) async fn down(state_dir: &Path) -> anyhow::Result<()> {
    let mut processes = Vec::new();
    if state_dir.exists() {
        let state = State::open(state_dir)?;
        processes = state.read()?;
        processes.retain(Found::is_alive);
        processes.iter().for_each(Found::ask_to_end);
        for process in &processes {
            process.wait().await;
        }
        state.forget()?;
    }
    match processes.is_empty() {
        true => anstream::println!("demo: nothing is up"),
        false => anstream::println!("demo: the stack is down"),
    }
    Ok(())
}

fn hold_command(options: &Options) -> anyhow::Result<Command> {
    let myself = std::env::current_exe().context("this program cannot find itself")?;
    let mut command = Command::new(myself);
    command.arg("hold");
    for (flag, path) in [
        ("--envoy", &options.envoy),
        ("--dist", &options.dist),
        ("--envoy-config", &options.envoy_config),
        ("--state-dir", &options.state_dir),
    ] {
        command.arg(flag).arg(path);
    }
    Ok(command)
}

/// The holder notes the processes once they are ready. If it ends instead, its log says why.
async fn wait_until_held(state: &State, holder: &mut Process) -> anyhow::Result<()> {
    while state.read()?.is_empty() {
        if holder.ended().is_some() {
            let log = std::fs::read_to_string(holder.log())?;
            let why = log.split_once("demo: ").map_or(log.as_str(), |(_, sentence)| sentence);
            bail!("{}", why.trim_end());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

async fn until_one_ends(stack: &mut Stack) -> NotUp {
    loop {
        if let Err(ended) = stack.check() {
            return ended;
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

fn how_to_use(token: &str, logs: &Path) -> String {
    let call = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"whoami","arguments":{},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"curl","version":"1"},"io.modelcontextprotocol/clientCapabilities":{}}}}"#;
    let logs = logs.display();
    format!(
        r#"
  MCP server, through Envoy   {RESOURCE}
  authorization server        {AUTHORIZATION_SERVER}
  identity provider           {ISSUER}
  Envoy's admin page          {ADMIN}/
  logs                        {logs}/*.log

A token of alice@example.com, good for an hour:

  TOKEN={token}

Who is that?

  curl -s {RESOURCE} -H "Authorization: Bearer $TOKEN" \
    -H 'Content-Type: application/json' -H 'Accept: application/json, text/event-stream' \
    -H 'MCP-Protocol-Version: 2026-07-28' -H 'Mcp-Method: tools/call' -H 'Mcp-Name: whoami' \
    -d '{call}'

With a client of your own that logs in by itself (Claude, VS Code, Cursor, the inspector): give it the
MCP server's address and nothing else. It registers, your browser asks whether it may, and you log in
as anybody. For example:

  claude mcp add --transport http demo {RESOURCE}
  npx @modelcontextprotocol/inspector      # its page asks for the address
  npx mcp-remote {RESOURCE}

Stop it: make down"#
    )
}
