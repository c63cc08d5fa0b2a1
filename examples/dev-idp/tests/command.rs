//! The program as it is started and stopped: what it says and how it exits.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    process::{Child, Command, Output, Stdio},
};

#[test]
fn a_port_in_use_is_said_in_one_sentence_with_the_remedy() {
    let holder = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = holder.local_addr().unwrap().to_string();
    let output = run(&["--listen", &address]);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(
        said,
        format!(
            "dev-idp: {address} is in use; stop the program that listens there, \
             or choose another port with --listen 127.0.0.1:PORT\n"
        )
    );
}

#[test]
fn other_machines_are_let_in_only_when_told_so() {
    let output = run(&["--listen", "0.0.0.0:0"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stderr).unwrap().contains("--allow-non-loopback"));
}

#[test]
fn a_wrong_setting_names_its_flag() {
    let output = run(&["--listen", "127.0.0.1:0", "--issuer", "http://a/b"]);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.starts_with("dev-idp: --issuer: must have no path"), "{said}");
}

#[test]
fn it_says_where_it_is_ready_serves_and_ends_with_sigterm() {
    let mut child = command(&["--listen", "127.0.0.1:0"]).spawn().unwrap();
    let mut ready = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut ready).unwrap();
    let issuer = ready.trim_end().strip_prefix("ready ").unwrap();
    let authority = issuer.strip_prefix("http://").unwrap().trim_end_matches('/');
    assert!(answer(authority, "/healthz").starts_with("HTTP/1.1 200 "));
    assert!(answer(authority, "/.well-known/openid-configuration").contains(issuer));
    terminate(&child);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("F O R   D E V E L O P M E N T   O N L Y"), "{said}");
}

#[test]
fn it_serves_on_when_nobody_reads_its_log() {
    let mut child = command(&["--listen", "127.0.0.1:0"]).spawn().unwrap();
    drop(child.stderr.take());
    let mut ready = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut ready).unwrap();
    let authority = ready.trim_end().trim_start_matches("ready http://").trim_end_matches('/');
    assert!(answer(authority, "/healthz").starts_with("HTTP/1.1 200 "), "{ready}");
    terminate(&child);
    assert_eq!(child.wait().unwrap().code(), Some(0), "it says that it stops");
}

fn run(args: &[&str]) -> Output {
    command(args).output().expect("the program starts")
}

fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dev-idp"));
    command.args(args).env_remove("RUST_LOG").stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn answer(authority: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(authority).expect("the provider listens");
    write!(stream, "GET {path} HTTP/1.1\r\nhost: {authority}\r\nconnection: close\r\n\r\n")
        .expect("the request is taken");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("the answer is text");
    answer
}

fn terminate(child: &Child) {
    let status =
        Command::new("kill").args(["-TERM", &child.id().to_string()]).status().expect("kill runs");
    assert!(status.success());
}
