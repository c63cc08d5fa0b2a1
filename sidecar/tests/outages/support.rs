//! Processes that a test starts on free ports, and that end with it.

use std::{
    fs::File,
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use serde_json::{Value, json};

/// The program under test.
pub(crate) const MCP_AUTH: &str = env!("CARGO_BIN_EXE_mcp-auth");

/// A process that is killed when it is dropped.
pub(crate) struct Process(Child);

impl Process {
    /// Starts it; fails the test with the package's name if it is not installed.
    pub(crate) fn start(program: &str, args: &[&str], env: &[(&str, &str)]) -> Self {
        Self::telling(Stdio::inherit(), program, args, env)
    }

    /// The same, with the process's standard error.
    pub(crate) fn telling(
        stderr: impl Into<Stdio>,
        program: &str,
        args: &[&str],
        env: &[(&str, &str)],
    ) -> Self {
        let child = Command::new(program)
            .args(args)
            .env_clear()
            .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
            .envs(env.iter().copied())
            .stdout(Stdio::null())
            .stderr(stderr)
            .spawn();
        Self(child.unwrap_or_else(|why| panic!("{program} (apt-get install redis-server): {why}")))
    }

    /// Sends it a signal by its name.
    pub(crate) fn signal(&self, name: &str) {
        let pid = self.0.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &pid]).status().unwrap().success());
    }

    /// Kills it as `kill -9` does.
    pub(crate) fn kill(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// `mcp-auth serve`, and its address.
pub(crate) struct Sidecar {
    /// To kill it.
    pub(crate) process: Process,
    /// Where the internal API is.
    pub(crate) url: String,
}

impl Sidecar {
    /// Starts it and waits until it answers.
    pub(crate) fn start(env: &[(&str, &str)]) -> Self {
        Self::telling(Stdio::inherit(), &[env, &[("RUST_LOG", "error")]].concat())
    }

    /// The same, with its log in a file.
    pub(crate) fn logging(log: &Path, env: &[(&str, &str)]) -> Self {
        Self::telling(File::create(log).unwrap(), env)
    }

    /// The same, with its standard error.
    pub(crate) fn telling(stderr: impl Into<Stdio>, env: &[(&str, &str)]) -> Self {
        let address = format!("127.0.0.1:{}", free_port());
        let listen = ("MCP_AUTH_INTERNAL_LISTEN", address.as_str());
        let env = [env, &[listen]].concat();
        let process = Process::telling(stderr, MCP_AUTH, &["serve"], &env);
        wait_for(&address);
        Self { process, url: format!("http://{address}") }
    }

    /// The address of a session.
    pub(crate) fn session(&self, id: &str) -> String {
        format!("{}/v1/sessions/{id}", self.url)
    }
}

/// A body for `PUT`.
pub(crate) fn report(user: &str) -> Value {
    json!({"user_id": user, "issuer": "https://idp/", "expires_at": 4_000_000_000_u64})
}

/// A Redis server with its files in `folder`.
pub(crate) fn redis(folder: &Path, port: u16, more: &[&str]) -> Process {
    let plain = ["--port".to_owned(), port.to_string()];
    redis_at(folder, port, &[&plain.each_ref().map(String::as_str), more].concat())
}

/// The same, where `options` say how it listens at `port`.
pub(crate) fn redis_at(folder: &Path, port: u16, options: &[&str]) -> Process {
    let folder = folder.join(port.to_string());
    std::fs::create_dir_all(&folder).unwrap();
    let folder = folder.to_str().unwrap().to_owned();
    let base = ["--bind", "127.0.0.1", "--save", "", "--dir", folder.as_str()];
    let server = Process::start("redis-server", &[options, &base].concat(), &[]);
    wait_for(&format!("127.0.0.1:{port}"));
    server
}

/// A port that was free a moment ago, and whose Cluster bus port exists.
pub(crate) fn free_port() -> u16 {
    loop {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        if port < 50_000 && TcpListener::bind(("127.0.0.1", port + 10_000)).is_ok() {
            return port;
        }
    }
}

fn wait_for(address: &str) {
    for _ in 0..400 {
        if TcpStream::connect(address).is_ok() {
            return;
        }
        thread::sleep(Duration::from_millis(25));
    }
    panic!("nothing listens at {address}");
}
