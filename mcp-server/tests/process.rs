//! The program as an operator starts and stops it: exit codes, and what it says.

#![expect(clippy::unwrap_used, reason = "a helper that panics fails its test")]

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::{Command, Output, Stdio};

#[test]
fn an_exposed_address_is_refused_with_exit_code_2() {
    let refused = run(&["--listen", "0.0.0.0:0"]);
    assert_eq!(refused.status.code(), Some(2));
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(said.starts_with("mcp-server: refusing to listen on 0.0.0.0:0: "), "{said}");
    assert!(said.contains("--behind-gateway"), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
}

#[test]
fn a_bad_address_is_refused_with_exit_code_2() {
    let refused = run(&["--listen", "nowhere"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8(refused.stderr).unwrap().contains("--listen"));
}

#[test]
fn a_port_in_use_is_one_sentence_with_exit_code_1() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let failed = run(&["--listen", &address]);
    assert_eq!(failed.status.code(), Some(1));
    let said = String::from_utf8(failed.stderr).unwrap();
    assert!(said.contains(&address) && said.contains("--listen"), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
}

#[tokio::test]
async fn sigterm_stops_it_with_exit_code_0() {
    let mut server = program(&["--listen", "127.0.0.1:0"]).stderr(Stdio::piped()).spawn().unwrap();
    let log = BufReader::new(server.stderr.take().unwrap()).lines();
    let ready = log.map(Result::unwrap).find(|line| line.contains("MCP at ")).unwrap();
    let mcp = ready.split_whitespace().find(|word| word.starts_with("http://")).unwrap();
    let healthz = mcp.trim_end_matches(',').replace("/mcp", "/healthz");
    assert_eq!(reqwest::get(healthz).await.unwrap().status(), 200);

    let killed = Command::new("kill").args(["-TERM", &server.id().to_string()]).status().unwrap();
    assert!(killed.success());
    assert_eq!(server.wait().unwrap().code(), Some(0));
}

fn run(args: &[&str]) -> Output {
    program(args).output().unwrap()
}

fn program(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mcp-server"));
    command.args(args).env_remove("MCP_SERVER_LISTEN").env_remove("MCP_SERVER_BEHIND_GATEWAY");
    command
}
