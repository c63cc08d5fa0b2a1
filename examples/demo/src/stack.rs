//! The stack on this machine: identity provider, MCP server, sidecar, Envoy with the filter.
//!
//! A further program joins by a line in [`Stack::start`] and a port in [`crate::ports`].

use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;

use crate::args::Options;
use crate::clock::Stopwatch;
use crate::ports::{self, Taken};
use crate::process::{self, Found, NotStarted, Process};
use crate::report;
use crate::state::{State, Unusable};

/// Where the identity provider is, byte for byte as in its tokens.
pub(crate) const ISSUER: &str = "http://127.0.0.1:9000/";
/// The MCP server as its clients know it: the gateway's address, and the tokens' audience.
pub(crate) const RESOURCE: &str = "http://127.0.0.1:10000/mcp";
/// The authorization server in front of the identity provider, as its clients know it: the
/// gateway, which passes them on to the sidecar.
pub(crate) const AUTHORIZATION_SERVER: &str = "http://127.0.0.1:10000";
/// The internal API of the sidecar, for the filter and operators.
pub(crate) const SIDECAR: &str = "http://127.0.0.1:8082";
/// Envoy's admin page.
pub(crate) const ADMIN: &str = "http://127.0.0.1:9901";
/// Answered by the filter itself, so only once it has loaded.
const FILTER_READY: &str = "http://127.0.0.1:10000/.well-known/oauth-protected-resource/mcp";

/// How long a program may take to get ready: Envoy compiles the filter first.
const START: Duration = Duration::from_secs(30);

/// Everything that runs; it stops when this is dropped.
#[derive(Debug)]
pub(crate) struct Stack {
    processes: Vec<Process>,
    logs: PathBuf,
}

/// Why the stack does not run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotUp {
    #[error("it is up already: use it as it is, or stop it by `make down` first")]
    Already,
    #[error(transparent)]
    Port(#[from] Taken),
    #[error(transparent)]
    State(#[from] Unusable),
    #[error(transparent)]
    Process(#[from] NotStarted),
    #[error("{name} ended ({status}) before its time; {} says:\n{last_words}", log.display())]
    Ended { name: &'static str, status: ExitStatus, log: PathBuf, last_words: String },
    #[error("{name} is not ready: {url} {got}; {} says:\n{last_words}", log.display())]
    Late { name: &'static str, url: &'static str, got: String, log: PathBuf, last_words: String },
}

impl Stack {
    /// Starts everything and waits until it answers.
    ///
    /// # Errors
    /// [`NotUp`], in one sentence with the remedy; what had been started is stopped again.
    pub(crate) async fn start(options: &Options) -> Result<Self, NotUp> {
        let logs = &options.state_dir;
        if State::open(logs)?.read()?.iter().any(Found::is_alive) {
            return Err(NotUp::Already);
        }
        ports::check(&ports::ALL)?;

        let mut stack = Self { processes: Vec::new(), logs: logs.clone() };
        let http = reqwest::Client::new();
        // The filter fetches keys as soon as it runs, so the provider comes first.
        let idp = stack.add("dev-idp", &mut dev_idp(&options.dist), "run `make dist`")?;
        let server = stack.add("mcp-server", &mut mcp_server(&options.dist), "run `make dist`")?;
        let redis_is_here = Command::new("redis-server").arg("--version").output().is_ok();
        if redis_is_here {
            stack.add("redis", &mut redis(), "install redis-server")?;
        }
        let mut sidecar = sidecar(options, redis_is_here);
        let sidecar = stack.add("mcp-auth", &mut sidecar, "run `make dist`")?;
        stack.ready(&http, idp, "http://127.0.0.1:9000/healthz").await?;
        stack.ready(&http, server, "http://127.0.0.1:9100/healthz").await?;
        stack.ready(&http, sidecar, "http://127.0.0.1:8082/readyz").await?;
        let remedy = "run `scripts/setup-envoy.sh`, or give --envoy";
        let envoy = stack.add("envoy", &mut envoy(options), remedy)?;
        stack.ready(&http, envoy, "http://127.0.0.1:9901/ready").await?;
        stack.ready(&http, envoy, FILTER_READY).await?;
        Ok(stack)
    }

    /// Where the logs are.
    pub(crate) fn logs(&self) -> &Path {
        &self.logs
    }

    /// Stops everything in good order.
    pub(crate) async fn stop(self) {
        process::stop(self.processes).await;
    }

    /// How to find everything again from another process.
    pub(crate) fn found(&self) -> Vec<Found> {
        self.processes.iter().map(Process::found).collect()
    }

    /// Which program has ended, if one has.
    ///
    /// # Errors
    /// [`NotUp::Ended`] if one has.
    pub(crate) fn check(&mut self) -> Result<(), NotUp> {
        self.processes.iter_mut().try_for_each(still_runs)
    }

    fn add(
        &mut self,
        name: &'static str,
        command: &mut Command,
        remedy: &'static str,
    ) -> Result<usize, NotUp> {
        report::progress(format_args!("starting {name}"));
        self.processes.push(Process::start(name, command, &self.logs, remedy)?);
        Ok(self.processes.len() - 1)
    }

    async fn ready(
        &mut self,
        http: &reqwest::Client,
        index: usize,
        url: &'static str,
    ) -> Result<(), NotUp> {
        let process = &mut self.processes[index];
        let (name, log) = (process.name(), process.log().to_owned());
        let waiting = Stopwatch::start();
        loop {
            still_runs(process)?;
            let answer = http.get(url).timeout(Duration::from_secs(2)).send().await;
            let (got, refused) = match answer {
                Ok(answer) if answer.status().is_success() => return Ok(()),
                Ok(answer) => (format!("answers {}", answer.status()), url == FILTER_READY),
                Err(_) => ("does not answer".to_owned(), false),
            };
            // Envoy has loaded the filter before it takes connections: this stays as it is.
            if waiting.has_run(START) || refused {
                let last_words = process.last_words();
                return Err(NotUp::Late { name, url, got, log, last_words });
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

fn still_runs(process: &mut Process) -> Result<(), NotUp> {
    let Some(status) = process.ended() else { return Ok(()) };
    let (name, log) = (process.name(), process.log().to_owned());
    Err(NotUp::Ended { name, status, log, last_words: process.last_words() })
}

fn dev_idp(dist: &Path) -> Command {
    let mut command = Command::new(dist.join("dev-idp"));
    command.args(["--listen", "127.0.0.1:9000", "--issuer", ISSUER]);
    command
}

fn mcp_server(dist: &Path) -> Command {
    let mut command = Command::new(dist.join("mcp-server"));
    command.args(["--listen", "127.0.0.1:9100", "--behind-gateway"]);
    command
}

/// Keeps nothing on disk: the demo begins anew each time.
fn redis() -> Command {
    let mut command = Command::new("redis-server");
    command.args(["--port", "6390", "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]);
    command
}

/// Over Redis where it is installed, else over its embedded store.
fn sidecar(options: &Options, redis_is_here: bool) -> Command {
    let mut command = Command::new(options.dist.join("mcp-auth"));
    command.arg("serve").envs([
        ("OIDC_ISSUER", ISSUER),
        ("OIDC_CLIENT_ID", "mcp-auth"),
        ("OIDC_CLIENT_SECRET", "dev-secret"),
        ("MCP_AUTH_URL", AUTHORIZATION_SERVER),
        ("MCP_RESOURCES", RESOURCE),
    ]);
    // New keys each time: what an earlier demo has issued is good no more.
    let (signing_key, storage_key): ([u8; 32], [u8; 32]) = rand::random();
    command.env("JWT_SIGNING_KEY", signing_key.map(|byte| format!("{byte:02x}")).concat());
    command.env("STORAGE_ENCRYPTION_KEY", URL_SAFE.encode(storage_key));
    match redis_is_here {
        true => command.env("REDIS_URL", "redis://127.0.0.1:6390"),
        false => command.env("MCP_AUTH_DATA", options.state_dir.join("mcp-auth-data")),
    };
    command
}

fn envoy(options: &Options) -> Command {
    let mut command = Command::new(&options.envoy);
    command.arg("-c").arg(&options.envoy_config);
    command.args(["--use-dynamic-base-id", "--concurrency", "2", "--drain-time-s", "1"]);
    // Of Envoy's own lines only the warnings; of the filter's the audit as well.
    command.args(["--log-level", "warning", "--component-log-level", "wasm:info"]);
    command
}
