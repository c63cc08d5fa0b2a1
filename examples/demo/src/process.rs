//! Child processes: each logs to a file of its own and ends with its owner.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};

use crate::clock::Stopwatch;

/// How long a process may take to end once it was asked to. The MCP server drains for ten seconds.
const GRACE: Duration = Duration::from_secs(12);

/// The same where nobody waits for it in good order.
const LAST_GRACE: Duration = Duration::from_secs(3);

/// A child that is ended when this is dropped, on a panic too.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    name: &'static str,
    log: PathBuf,
}

/// Why a child was not started.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotStarted {
    #[error("{} does not exist: {remedy}", program.display())]
    Missing { program: PathBuf, remedy: &'static str },
    #[error("{} cannot be started: {source}", program.display())]
    Spawn { program: PathBuf, source: io::Error },
    #[error("the log {} cannot be written: {source}", log.display())]
    Log { log: PathBuf, source: io::Error },
}

impl Process {
    /// Starts `command`, logging to `{logs}/{name}.log`.
    ///
    /// It gets a process group of its own, so that Ctrl-C reaches it only through its owner.
    ///
    /// # Errors
    /// [`NotStarted`]; `remedy` is said where there is no such program.
    pub(crate) fn start(
        name: &'static str,
        command: &mut Command,
        logs: &Path,
        remedy: &'static str,
    ) -> Result<Self, NotStarted> {
        let log = logs.join(format!("{name}.log"));
        let file = File::create(&log).and_then(|file| Ok((file.try_clone()?, file)));
        let (out, err) = file.map_err(|source| NotStarted::Log { log: log.clone(), source })?;
        command.stdin(Stdio::null()).stdout(out).stderr(err).process_group(0);
        let child = command.spawn().map_err(|source| {
            let program = PathBuf::from(command.get_program());
            match source.kind() {
                io::ErrorKind::NotFound => NotStarted::Missing { program, remedy },
                _ => NotStarted::Spawn { program, source },
            }
        })?;
        Ok(Self { child, name, log })
    }

    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    pub(crate) fn log(&self) -> &Path {
        &self.log
    }

    /// How it ended, if it has.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// The last lines of its log, for an error message.
    pub(crate) fn last_words(&self) -> String {
        tail(&self.log).unwrap_or_else(|e| format!("(unreadable: {e})"))
    }

    /// How to find it again from another process.
    pub(crate) fn found(&self) -> Found {
        Found::new(self.name, self.child.id())
    }

    /// Lets it outlive this owner.
    pub(crate) fn release(self) {
        // `Child` does nothing when dropped; our own `drop` would end it.
        std::mem::forget(self);
    }
}

/// Asks all to end, then waits, then insists.
pub(crate) async fn stop(mut processes: Vec<Process>) {
    for process in &processes {
        process.found().signal(Signal::TERM);
    }
    let waiting = Stopwatch::start();
    while !waiting.has_run(GRACE) && processes.iter_mut().any(|p| p.ended().is_none()) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// What is left when its owner goes without an orderly [`stop`]: Ctrl-C, an error, a panic.
impl Drop for Process {
    fn drop(&mut self) {
        if self.ended().is_some() {
            return;
        }
        self.found().signal(Signal::TERM);
        let waiting = Stopwatch::start();
        while self.ended().is_none() && !waiting.has_run(LAST_GRACE) {
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A process known by its number, and by when it started: numbers are used again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Found {
    pub(crate) name: String,
    pid: u32,
    /// In the kernel's ticks since it booted; absent where there is no /proc.
    started: Option<u64>,
}

impl Found {
    /// The process that calls this.
    pub(crate) fn myself(name: &str) -> Self {
        Self::new(name, std::process::id())
    }

    fn new(name: &str, pid: u32) -> Self {
        Self { name: name.to_owned(), pid, started: stat(pid).map(|stat| stat.started) }
    }

    /// Whether this very process still runs.
    pub(crate) fn is_alive(&self) -> bool {
        let now = stat(self.pid);
        let there = self.pid().is_some_and(|pid| rustix::process::test_kill_process(pid).is_ok());
        let same = now.as_ref().map(|stat| stat.started) == self.started;
        there && same && !now.is_some_and(|stat| stat.zombie)
    }

    /// Asks it to end.
    pub(crate) fn ask_to_end(&self) {
        self.signal(Signal::TERM);
    }

    /// Waits until it has ended, and insists if it takes too long.
    pub(crate) async fn wait(&self) {
        let waiting = Stopwatch::start();
        while self.is_alive() {
            if waiting.has_run(GRACE) {
                self.signal(Signal::KILL);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn signal(&self, signal: Signal) {
        if let Some(pid) = self.pid() {
            let _ = kill_process(pid, signal);
        }
    }

    fn pid(&self) -> Option<Pid> {
        i32::try_from(self.pid).ok().and_then(Pid::from_raw)
    }
}

struct Stat {
    started: u64,
    zombie: bool,
}

/// From `/proc/PID/stat`, see proc(5): fields 3 and 22, counted past the name in parentheses.
fn stat(pid: u32) -> Option<Stat> {
    let line = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields: Vec<&str> = line.rsplit_once(')')?.1.split_whitespace().collect();
    Some(Stat { started: fields.get(19)?.parse().ok()?, zombie: *fields.first()? == "Z" })
}

fn tail(log: &Path) -> io::Result<String> {
    const BYTES: u64 = 64 * 1024;
    let mut file = File::open(log)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(BYTES)))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(telling_lines(&String::from_utf8_lossy(&bytes)))
}

/// The last errors, as Envoy writes them; where there are none, the last lines.
fn telling_lines(log: &str) -> String {
    const LINES: usize = 6;
    let is_error = |line: &&str| line.contains("[error]") || line.contains("[critical]");
    let mut lines: Vec<&str> = log.lines().filter(is_error).collect();
    if lines.is_empty() {
        lines = log.lines().collect();
    }
    lines.dedup_by_key(|line| line.rsplit("] ").next().unwrap_or(line).to_owned());
    lines[lines.len().saturating_sub(LINES)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::{Command, Found, NotStarted, Process, telling_lines};

    #[test]
    fn errors_in_a_log_tell_more_than_its_last_lines() {
        let log =
            "[1][error][wasm] [a.cc:1] bad field\n[2][error][wasm] [a.cc:1] bad field\nGET 503\n";
        assert_eq!(telling_lines(log), "[1][error][wasm] [a.cc:1] bad field");
        assert_eq!(telling_lines("one\ntwo\n"), "one\ntwo");
    }

    #[test]
    fn a_process_ends_with_its_owner_unless_released() {
        let started = |name| {
            let mut sleep = Command::new("sleep");
            Process::start(name, sleep.arg("60"), &std::env::temp_dir(), "").unwrap()
        };
        let owned = started("demo-test-owned");
        let found = owned.found();
        assert!(found.is_alive());
        drop(owned);
        assert!(!found.is_alive());

        let released = started("demo-test-released");
        let found = released.found();
        released.release();
        assert!(found.is_alive());
        found.signal(super::Signal::KILL);
    }

    #[test]
    fn another_process_of_the_same_number_is_not_taken_for_it() {
        let me = Found::myself("test");
        assert!(me.is_alive());
        let stranger = Found { started: me.started.map(|started| started + 1), ..me };
        assert!(!stranger.is_alive());
    }

    #[test]
    fn a_missing_program_is_said_with_the_remedy() {
        let mut command = Command::new("/nonexistent/envoy");
        let refused =
            Process::start("demo-test-missing", &mut command, &std::env::temp_dir(), "get one");
        let refused = refused.unwrap_err();
        assert!(matches!(refused, NotStarted::Missing { .. }));
        assert_eq!(refused.to_string(), "/nonexistent/envoy does not exist: get one");
    }
}
