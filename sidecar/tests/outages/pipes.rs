//! Whoever reads what `mcp-auth` prints may hang up, as `head` does.

use std::{
    io::{PipeWriter, pipe},
    process::{Command, Output, Stdio},
};

use crate::support::{MCP_AUTH, Sidecar};

#[test]
fn a_reader_that_hangs_up_is_no_failure() {
    let folder = tempfile::tempdir().unwrap();
    let sidecar = Sidecar::start(&[("MCP_AUTH_DATA", folder.path().to_str().unwrap())]);
    for args in [
        &["config", "check"][..],
        &["sessions", "list"],
        &["sessions", "list", "--json"],
        &["sessions", "revoke", "0123456789abcdef"],
        &["sessions", "show", "0123456789abcdef"],
        &["serve", "--help"],
    ] {
        let output = run(args, &sidecar, nobody_reads(), Stdio::piped());
        assert_eq!(output.status.code(), Some(0), "{args:?}");
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{args:?}");
    }
}

#[test]
fn a_full_disk_is_a_failure() {
    let folder = tempfile::tempdir().unwrap();
    let sidecar = Sidecar::start(&[("MCP_AUTH_DATA", folder.path().to_str().unwrap())]);
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let output = run(&["sessions", "list"], &sidecar, full, Stdio::piped());
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).starts_with("mcp-auth: standard output: "));
}

#[test]
fn an_error_that_nobody_reads_keeps_its_exit_code() {
    let folder = tempfile::tempdir().unwrap();
    let sidecar = Sidecar::start(&[("MCP_AUTH_DATA", folder.path().to_str().unwrap())]);
    let unknown = &["sessions", "show", "fedcba9876543210"];
    for (args, code) in [(&unknown[..], 1), (&["serve", "--mcp-auth-listen", "nowhere"], 2)] {
        let output = run(args, &sidecar, Stdio::null(), nobody_reads());
        assert_eq!(output.status.code(), Some(code), "{args:?}");
    }
}

#[tokio::test]
async fn a_service_goes_on_when_nobody_reads_its_log() {
    let folder = tempfile::tempdir().unwrap();
    let env = [("MCP_AUTH_DATA", folder.path().to_str().unwrap()), ("RUST_LOG", "trace")];
    let sidecar = Sidecar::telling(nobody_reads(), &env);
    for _ in 0..3 {
        let ready = reqwest::get(format!("{}/readyz", sidecar.url)).await.unwrap();
        assert_eq!(ready.status(), reqwest::StatusCode::OK);
    }
}

/// A pipe whose reading end is closed already.
fn nobody_reads() -> PipeWriter {
    pipe().unwrap().1
}

fn run(
    args: &[&str],
    sidecar: &Sidecar,
    stdout: impl Into<Stdio>,
    stderr: impl Into<Stdio>,
) -> Output {
    let mut command = Command::new(MCP_AUTH);
    command.args(args).env_clear().env("MCP_AUTH_INTERNAL_URL", &sidecar.url);
    command.stdout(stdout).stderr(stderr).spawn().unwrap().wait_with_output().unwrap()
}
