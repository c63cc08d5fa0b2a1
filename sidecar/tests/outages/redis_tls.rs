//! `rediss`: real Redis behind TLS, alone, behind Sentinels and as a Cluster. Only a server that a
//! trusted CA vouches for, by the name it is called, is talked to; the log says what was wrong.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use mcp_auth::clock::instant;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use reqwest::StatusCode;

use crate::support::{Process, Sidecar, free_port, redis_at, report};

/// Starting and electing takes this long at most.
const WITHIN: Duration = Duration::from_secs(30);

#[tokio::test]
async fn a_private_ca_is_trusted_by_its_file_or_as_the_machines() {
    let ca = Ca::new("our CA");
    let (url, _server) = ca.serve(&["127.0.0.1", "localhost"]);
    for variable in ["REDIS_CA_FILE", "SSL_CERT_FILE"] {
        for url in [url.clone(), url.replace("127.0.0.1", "localhost")] {
            let sidecar = Sidecar::start(&[("REDIS_URL", &url), (variable, ca.file())]);
            until_ready(&sidecar).await;
            writes_and_reads(&sidecar).await;
        }
    }
}

#[tokio::test]
async fn an_unknown_ca_is_refused() {
    let (ca, other) = (Ca::new("our CA"), Ca::new("another CA"));
    let (url, _server) = ca.serve(&["127.0.0.1"]);
    let with_other = [("REDIS_URL", url.as_str()), ("REDIS_CA_FILE", other.file())];
    is_refused(&with_other, "certificate: UnknownIssuer").await;
    let as_machines = [("REDIS_URL", url.as_str()), ("SSL_CERT_FILE", other.file())];
    is_refused(&as_machines, "certificate: UnknownIssuer").await;
    // The machine's own CAs count no more once there is a file.
    let both = [with_other.as_slice(), &[("SSL_CERT_FILE", ca.file())]].concat();
    is_refused(&both, "certificate: UnknownIssuer").await;
    let namesake = Ca::new("our CA");
    let with_namesake = [("REDIS_URL", url.as_str()), ("REDIS_CA_FILE", namesake.file())];
    is_refused(&with_namesake, "certificate: BadSignature").await;
}

#[tokio::test]
async fn a_certificate_for_another_name_is_refused() {
    let ca = Ca::new("our CA");
    let (url, _server) = ca.serve(&["redis.example", "127.0.0.2"]);
    for url in [url.clone(), url.replace("127.0.0.1", "localhost")] {
        is_refused(&[("REDIS_URL", &url), ("REDIS_CA_FILE", ca.file())], "not valid for name")
            .await;
    }
}

#[tokio::test]
async fn tls_on_one_side_only_is_refused() {
    let ca = Ca::new("our CA");
    let port = free_port();
    let _plain = redis_at(ca.folder.path(), port, &["--port", &port.to_string()]);
    let url = format!("rediss://127.0.0.1:{port}");
    is_refused(&[("REDIS_URL", &url), ("REDIS_CA_FILE", ca.file())], "the store is away").await;
    let (url, _server) = ca.serve(&["127.0.0.1"]);
    let url = url.replace("rediss", "redis");
    is_refused(&[("REDIS_URL", &url)], "the store is away").await;
}

#[tokio::test]
async fn sentinels_and_their_servers_are_reached_by_tls() {
    let ca = Ca::new("our CA");
    let tls = ca.issue(&["127.0.0.1"]);
    let (port, sentinel_port) = (free_port(), free_port());
    let _server = tls.redis(port, &[]);
    let file = ca.folder.path().join("sentinel.conf");
    let lines = format!(
        "port 0\ntls-port {sentinel_port}\ntls-replication yes\nbind 127.0.0.1\n\
         tls-cert-file {}\ntls-key-file {}\ntls-ca-cert-file {}\ntls-auth-clients no\n\
         dir {}\nsentinel monitor main 127.0.0.1 {port} 1\n",
        tls.certificate.display(),
        tls.key.display(),
        ca.file(),
        ca.folder.path().display(),
    );
    fs::write(&file, lines).unwrap();
    let args = [file.to_str().unwrap(), "--sentinel"];
    let _sentinel = Process::start("redis-server", &args, &[]);
    let url = format!("rediss+sentinel://127.0.0.1:{sentinel_port}/main/0");
    trusts_this_ca_only(&url, &ca).await;
}

#[tokio::test]
async fn every_node_of_a_cluster_is_reached_by_tls() {
    let ca = Ca::new("our CA");
    let tls = ca.issue(&["127.0.0.1"]);
    let ports = [(); 3].map(|()| free_port());
    let cluster = ["--cluster-enabled", "yes", "--tls-cluster", "yes", "--tls-replication", "yes"];
    let _nodes = ports.map(|port| tls.redis(port, &cluster));
    let hosts = ports.map(|port| format!("127.0.0.1:{port}"));
    let create = Command::new("redis-cli")
        .args(["--tls", "--cacert", ca.file(), "--cluster", "create"])
        .args(&hosts)
        .arg("--cluster-yes")
        .status();
    assert!(create.unwrap().success());
    let url = format!("rediss+cluster://{}", hosts[0]);
    trusts_this_ca_only(&url, &ca).await;
}

async fn trusts_this_ca_only(url: &str, ca: &Ca) {
    let sidecar = Sidecar::start(&[("REDIS_URL", url), ("REDIS_CA_FILE", ca.file())]);
    until_ready(&sidecar).await;
    writes_and_reads(&sidecar).await;
    let other = Ca::new("another CA");
    is_refused(
        &[("REDIS_URL", url), ("REDIS_CA_FILE", other.file())],
        "certificate: UnknownIssuer",
    )
    .await;
}

/// A CA of the test's own, and everything that it vouches for.
struct Ca {
    issuer: CertifiedIssuer<'static, KeyPair>,
    file: PathBuf,
    folder: tempfile::TempDir,
}

/// A server's certificate and key, in files.
struct Tls {
    certificate: PathBuf,
    key: PathBuf,
    ca: PathBuf,
}

impl Ca {
    fn new(name: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let file = folder.path().join("ca.pem");
        fs::write(&file, issuer.pem()).unwrap();
        Self { issuer, file, folder }
    }

    fn file(&self) -> &str {
        self.file.to_str().unwrap()
    }

    fn issue(&self, names: &[&str]) -> Tls {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(names).unwrap();
        params.distinguished_name.push(DnType::CommonName, "a server");
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let write = |name: &str, text: String| {
            let path = self.folder.path().join(name);
            fs::write(&path, text).unwrap();
            path
        };
        Tls {
            certificate: write("server.pem", certificate.pem()),
            key: write("server.key", key.serialize_pem()),
            ca: self.file.clone(),
        }
    }

    /// A server with a certificate for these names, and its URL.
    fn serve(&self, names: &[&str]) -> (String, Process) {
        let port = free_port();
        let server = self.issue(names).redis(port, &[]);
        (format!("rediss://127.0.0.1:{port}"), server)
    }
}

impl Tls {
    fn redis(&self, port: u16, more: &[&str]) -> Process {
        let port_text = port.to_string();
        let path = |path: &Path| path.to_str().unwrap().to_owned();
        let [certificate, key, ca] = [&self.certificate, &self.key, &self.ca].map(|it| path(it));
        let tls = [
            "--port",
            "0",
            "--tls-port",
            &port_text,
            "--tls-cert-file",
            &certificate,
            "--tls-key-file",
            &key,
            "--tls-ca-cert-file",
            &ca,
            "--tls-auth-clients",
            "no",
        ];
        redis_at(self.ca.parent().unwrap(), port, &[&tls, more].concat())
    }
}

async fn writes_and_reads(sidecar: &Sidecar) {
    let client = reqwest::Client::new();
    for number in 0..20 {
        let url = sidecar.session(&format!("session-{number:04}-01234567"));
        let put = client.put(&url).json(&report("alice")).send().await.unwrap();
        assert!(put.status().is_success(), "{}", put.text().await.unwrap());
        assert_eq!(client.get(&url).send().await.unwrap().status(), StatusCode::OK);
    }
}

/// It starts, is not ready, and its log says why.
async fn is_refused(env: &[(&str, &str)], why: &str) {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let sidecar = Sidecar::logging(&log, env);
    let ready = reqwest::get(format!("{}/readyz", sidecar.url)).await.unwrap();
    assert_eq!(ready.status(), StatusCode::SERVICE_UNAVAILABLE);
    let text = fs::read_to_string(&log).unwrap();
    assert!(text.contains("ERROR") && text.contains(why), "{text}");
}

async fn until_ready(sidecar: &Sidecar) {
    let began = instant();
    loop {
        let ready = reqwest::get(format!("{}/readyz", sidecar.url)).await.unwrap();
        if ready.status() == StatusCode::OK {
            return;
        }
        assert!(began.elapsed() < WITHIN, "it does not become ready");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
