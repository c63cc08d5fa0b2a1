//! The program as it is typed: what needs no stack to be seen.

#![expect(clippy::unwrap_used, reason = "a helper that panics fails its test")]

use std::path::PathBuf;
use std::process::{Command, Output};

#[test]
fn down_is_fine_when_nothing_is_up() {
    let folder = folder("down");
    for _ in 0..2 {
        let done = demo("down", &folder);
        assert_eq!(done.status.code(), Some(0));
        assert_eq!(String::from_utf8(done.stdout).unwrap(), "demo: nothing is up\n");
    }
    std::fs::create_dir_all(&folder).unwrap();
    assert_eq!(demo("down", &folder).status.code(), Some(0));
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn damaged_notes_stop_every_command_with_exit_code_1() {
    let folder = folder("damaged");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("processes.json"), "{").unwrap();
    for command in ["run", "up", "down"] {
        let refused = demo(command, &folder);
        assert_eq!(refused.status.code(), Some(1), "{command}");
        let said = String::from_utf8(refused.stderr).unwrap();
        assert!(said.contains("processes.json is damaged"), "{command}: {said}");
        assert_eq!(said.lines().count(), 1, "{command}: {said}");
    }
    std::fs::remove_dir_all(folder).unwrap();
}

fn demo(command: &str, state_dir: &PathBuf) -> Output {
    let mut demo = Command::new(env!("CARGO_BIN_EXE_mcp-demo"));
    demo.arg(command).arg("--state-dir").arg(state_dir).output().unwrap()
}

fn folder(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("mcp-demo-{name}-{}", std::process::id()))
}
