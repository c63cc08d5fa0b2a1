//! Answers connections, and drains when told to stop.

use std::{convert::Infallible, io, net::SocketAddr, time::Duration};

use axum::{
    Router,
    extract::{ConnectInfo, Request},
    response::Response,
};
use hyper::{
    body::Incoming,
    server::conn::http1,
    service::{Service, service_fn},
};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    time::sleep,
};

/// How long strangers may take for the head of a request, and leave a connection unused.
pub const HEAD_WITHIN: Duration = Duration::from_secs(75);
/// How long to wait when the system has no connection to give.
const EXHAUSTED: Duration = Duration::from_secs(1);

/// Where connections come in.
pub struct Listener {
    tcp: TcpListener,
    head_within: Option<Duration>,
}

impl Listener {
    /// One that only our own come to, who keep connections for as long as they like.
    pub fn trusting(tcp: TcpListener) -> Self {
        Self { tcp, head_within: None }
    }

    /// One for everybody: whoever has not sent the head of a request within this time is cut off.
    pub fn for_strangers(tcp: TcpListener, head_within: Duration) -> Self {
        Self { tcp, head_within: Some(head_within) }
    }

    /// Where it listens.
    ///
    /// # Errors
    /// The system's.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.tcp.local_addr()
    }

    /// Answers until it is told to stop, and then what is under way.
    pub async fn answer(self, router: Router, mut stopped: watch::Receiver<bool>) {
        let Self { tcp, head_within } = self;
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new()).header_read_timeout(head_within);
        let under_way = GracefulShutdown::new();
        loop {
            let accepted = tokio::select! {
                accepted = tcp.accept() => accepted,
                _ = stopped.wait_for(|stopping| *stopping) => break,
            };
            match accepted {
                Ok((stream, peer)) => {
                    let routes = Routes::new(&router);
                    let service = service_fn(move |request| routes.answer(request, peer));
                    let connection = http.serve_connection(prompt(stream), service);
                    // It fails when the other side goes away, which is its business.
                    let connection = under_way.watch(connection);
                    tokio::spawn(async { drop(connection.await) });
                }
                Err(cause) if is_of_one_connection(&cause) => {}
                Err(cause) => {
                    tracing::error!(%cause, "no connection can be taken on");
                    sleep(EXHAUSTED).await;
                }
            }
        }
        drop(tcp);
        under_way.shutdown().await;
    }
}

struct Routes(TowerToHyperService<Router>);

impl Routes {
    fn new(router: &Router) -> Self {
        Self(TowerToHyperService::new(router.clone()))
    }

    fn answer(
        &self,
        mut request: Request<Incoming>,
        peer: SocketAddr,
    ) -> impl Future<Output = Result<Response, Infallible>> + use<> {
        request.extensions_mut().insert(ConnectInfo(peer));
        self.0.call(request)
    }
}

/// An answer is one small packet, which is not to wait for another.
fn prompt(stream: TcpStream) -> TokioIo<TcpStream> {
    if let Err(cause) = stream.set_nodelay(true) {
        tracing::debug!(%cause, "answers on a connection may wait");
    }
    TokioIo::new(stream)
}

fn is_of_one_connection(cause: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(cause.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        task::JoinHandle,
    };

    use super::*;

    const SOON: Duration = Duration::from_millis(100);
    const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n";

    struct Running {
        address: SocketAddr,
        stop: watch::Sender<bool>,
        task: JoinHandle<()>,
    }

    impl Running {
        async fn start(listener: fn(TcpListener) -> Listener, router: Router) -> Self {
            let listener = listener(TcpListener::bind("127.0.0.1:0").await.unwrap());
            let address = listener.address().unwrap();
            let (stop, stopped) = watch::channel(false);
            let task = tokio::spawn(listener.answer(router, stopped));
            Self { address, stop, task }
        }

        async fn connect(&self) -> TcpStream {
            TcpStream::connect(self.address).await.unwrap()
        }
    }

    fn hello() -> Router {
        Router::new().route(
            "/",
            get(async |ConnectInfo(peer): ConnectInfo<SocketAddr>| format!("hello {}", peer.ip())),
        )
    }

    async fn read_answer(stream: &mut TcpStream) -> String {
        let mut answer = Vec::new();
        while !answer.ends_with(b"hello 127.0.0.1") {
            answer.push(stream.read_u8().await.unwrap());
        }
        String::from_utf8(answer).unwrap()
    }

    #[tokio::test]
    async fn a_head_that_never_ends_is_cut_off() {
        let running = Running::start(|tcp| Listener::for_strangers(tcp, SOON), hello()).await;
        let mut stranger = running.connect().await;
        stranger.write_all(b"GET / HTTP/1.1\r\nx: ").await.unwrap();
        let mut rest = Vec::new();
        // Closed or reset, but over.
        let _ = stranger.read_to_end(&mut rest).await;
        assert!(!String::from_utf8_lossy(&rest).contains("200"));

        let mut unused = running.connect().await;
        unused.write_all(REQUEST).await.unwrap();
        assert!(read_answer(&mut unused).await.starts_with("HTTP/1.1 200"));
        assert_eq!(unused.read(&mut [0; 10]).await.unwrap(), 0, "it was left unused");
    }

    #[tokio::test]
    async fn our_own_connections_may_rest() {
        let running = Running::start(Listener::trusting, hello()).await;
        let mut ours = running.connect().await;
        for _ in 0..2 {
            ours.write_all(REQUEST).await.unwrap();
            read_answer(&mut ours).await;
            sleep(2 * SOON).await;
        }
    }

    #[tokio::test]
    async fn what_is_under_way_is_finished_and_nothing_new_begun() {
        let (begun, mut has_begun) = tokio::sync::mpsc::channel(1);
        let (go_on, may_go_on) = watch::channel(false);
        let slow = async move |ConnectInfo(peer): ConnectInfo<SocketAddr>| {
            begun.send(()).await.unwrap();
            may_go_on.clone().wait_for(|on| *on).await.unwrap();
            format!("hello {}", peer.ip())
        };
        let running = Running::start(Listener::trusting, Router::new().route("/", get(slow))).await;
        let (mut busy, mut idle) = (running.connect().await, running.connect().await);
        busy.write_all(REQUEST).await.unwrap();
        has_begun.recv().await.unwrap();
        running.stop.send(true).unwrap();
        assert_eq!(idle.read(&mut [0; 10]).await.unwrap(), 0);
        assert!(!running.task.is_finished());
        go_on.send(true).unwrap();
        assert!(read_answer(&mut busy).await.contains("connection: close"));
        running.task.await.unwrap();
        assert!(TcpStream::connect(running.address).await.is_err());
    }
}
