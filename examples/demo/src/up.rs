//! `up` and `down`: the stack for one's own MCP client.

use std::path::Path;

use anyhow::Context as _;

use crate::args::Options;
use crate::clock::Stopwatch;
use crate::oauth::Provider;
use crate::process::Found;
use crate::report;
use crate::stack::{ADMIN, ISSUER, RESOURCE, Stack};
use crate::state::State;

/// Starts the stack, leaves it running and says how to use it.
pub(crate) async fn up(options: &Options) -> anyhow::Result<()> {
    let clock = Stopwatch::start();
    let stack = Stack::start(options).await.context("the stack is not up")?;
    let token = Provider::discover(ISSUER)
        .await?
        .log_in("alice@example.com", RESOURCE)
        .await
        .context("no token from the identity provider")?;
    let logs = stack.logs().to_owned();
    State::open(&logs)?.write(&stack.release())?;
    report::chapter(&format!("The stack is up, after {clock}."));
    anstream::println!("{}", how_to_use(token.as_str(), &logs));
    Ok(())
}

/// Stops what [`up`] left running, if anything.
pub(crate) async fn down(state_dir: &Path) -> anyhow::Result<()> {
    if !state_dir.exists() {
        anstream::println!("demo: nothing is up");
        return Ok(());
    }
    let state = State::open(state_dir)?;
    let mut stopped = Vec::new();
    // Backwards: the gateway goes before what stands behind it.
    for process in state.read()?.into_iter().rev().filter(Found::is_alive) {
        process.stop().await;
        stopped.push(process.name);
    }
    state.forget()?;
    match stopped.as_slice() {
        [] => anstream::println!("demo: nothing is up"),
        names => anstream::println!("demo: stopped {}", names.join(", ")),
    }
    Ok(())
}

fn how_to_use(token: &str, logs: &Path) -> String {
    let call = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"whoami","arguments":{},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"curl","version":"1"},"io.modelcontextprotocol/clientCapabilities":{}}}}"#;
    let logs = logs.display();
    format!(
        r#"
  MCP server, through Envoy   {RESOURCE}
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

With a client of your own, for example:

  npx @modelcontextprotocol/inspector --cli {RESOURCE} --transport http \
    --header "Authorization: Bearer $TOKEN" --method tools/list

Stop it: make down"#
    )
}
