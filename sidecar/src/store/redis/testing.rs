//! A real Redis of the test binary's own, on a free port, gone when the binary ends.

use std::{
    net::{TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    sync::{
        LazyLock,
        atomic::{AtomicU32, Ordering},
    },
    thread,
    time::Duration,
};

use super::{RedisAddress, RedisStore};

/// A store in a database that nothing else uses.
pub(crate) async fn store() -> RedisStore {
    RedisStore::new(RedisAddress::parse(&fresh_database()).unwrap())
}

/// The URL of a database that nothing else uses.
pub(crate) fn fresh_database() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let database = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("redis://127.0.0.1:{}/{database}", SERVER.port)
}

static SERVER: LazyLock<Server> = LazyLock::new(Server::start);

struct Server {
    port: u16,
    /// Its standard input ends with this process, and with that the server.
    _shell: Child,
}

impl Server {
    fn start() -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let script = "redis-server --port $0 --bind 127.0.0.1 --save '' --databases 1000 \
                      >/dev/null & cat >/dev/null; kill $!";
        let shell = Command::new("sh")
            .args(["-c", script, &port.to_string()])
            .stdin(Stdio::piped())
            .spawn()
            .expect("sh starts");
        let server = Self { port, _shell: shell };
        for _ in 0..200 {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return server;
            }
            thread::sleep(Duration::from_millis(25));
        }
        panic!("redis-server did not start; these tests need it: apt-get install redis-server");
    }
}
