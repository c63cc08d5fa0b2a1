//! A website of somebody else's, by TLS on loopback, that says what a test tells it to.

use std::{
    io,
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use rcgen::CertifiedKey;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ServerConfig, pki_types::PrivateKeyDer},
};

use crate::oauth::testing::TestServer;

/// Answers every path alike.
pub(crate) struct Website {
    port: u16,
    said: Arc<Mutex<Said>>,
    visits: Arc<AtomicUsize>,
    folder: tempfile::TempDir,
}

#[derive(Clone)]
enum Said {
    Answer(Vec<u8>),
    /// Takes the request and never answers.
    Nothing,
}

impl Website {
    pub(crate) async fn start() -> Self {
        let CertifiedKey { cert, signing_key } =
            rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ca.pem"), cert.pem()).unwrap();
        let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
        let tls = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(tls));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let said = Arc::new(Mutex::new(Said::Nothing));
        let visits = Arc::new(AtomicUsize::new(0));
        let (says, counts) = (Arc::clone(&said), Arc::clone(&visits));
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                counts.fetch_add(1, Ordering::SeqCst);
                let says = says.lock().unwrap().clone();
                tokio::spawn(answer(acceptor.clone(), stream, says));
            }
        });
        Self { port, said, visits, folder }
    }

    /// What is answered from now on: the status and headers as they stand in HTTP/1.1, and a body.
    pub(crate) fn says(&self, head: &str, body: &str) {
        let length = body.len();
        let answer = format!(
            "HTTP/1.1 {head}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
        );
        *self.said.lock().unwrap() = Said::Answer(answer.into_bytes());
    }

    pub(crate) fn says_nothing(&self) {
        *self.said.lock().unwrap() = Said::Nothing;
    }

    pub(crate) fn says_json(&self, more_headers: &str, body: &serde_json::Value) {
        let head = format!("200 OK\r\ncontent-type: application/json{more_headers}");
        self.says(&head, &body.to_string());
    }

    /// How many connections there have been.
    pub(crate) fn visits(&self) -> usize {
        self.visits.load(Ordering::SeqCst)
    }

    pub(crate) fn url(&self, path: &str) -> String {
        self.url_at("localhost", path)
    }

    pub(crate) fn url_at(&self, host: &str, path: &str) -> String {
        format!("https://{host}:{}{path}", self.port)
    }

    /// A server that may fetch from here.
    pub(crate) async fn visitor(&self) -> TestServer {
        let ca_file = self.ca_file();
        let ca = ("MCP_AUTH_CIMD_CA_FILE", ca_file.to_str().unwrap());
        TestServer::with(&[ca, ("MCP_AUTH_CIMD_ALLOW_LOOPBACK", "1")]).await
    }

    /// One that trusts this certificate, but may not connect to loopback.
    pub(crate) async fn kept_away(&self) -> TestServer {
        let ca_file = self.ca_file();
        TestServer::with(&[("MCP_AUTH_CIMD_CA_FILE", ca_file.to_str().unwrap())]).await
    }

    fn ca_file(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }
}

async fn answer(acceptor: TlsAcceptor, stream: TcpStream, says: Said) -> io::Result<()> {
    let mut stream = acceptor.accept(stream).await?;
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        request.push(stream.read_u8().await?);
    }
    match says {
        Said::Answer(bytes) => {
            stream.write_all(&bytes).await?;
            stream.shutdown().await
        }
        Said::Nothing => std::future::pending().await,
    }
}
