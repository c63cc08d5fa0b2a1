//! Logins from end to end but for the token: a client's request, a browser without script, and a
//! provider on loopback.

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Arc, Mutex},
};

use axum::http::{HeaderMap, StatusCode};
use url::Url;

use super::{BEGIN, TestServer, client};
use crate::{
    clock::Clock,
    oauth::{AuthorizationServer, client::Client, upstream::testing::TestProvider},
};

/// Of the verifier of RFC 7636, Appendix B.
pub(crate) const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

type Query<'q> = Vec<(&'q str, &'q str)>;

/// What the client `client-1` asks for.
pub(crate) fn request() -> Query<'static> {
    vec![
        ("client_id", "client-1"),
        ("redirect_uri", "http://127.0.0.1:4321/callback"),
        ("response_type", "code"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
        ("state", "client state"),
        ("scope", "mcp:read"),
        ("resource", "https://mcp.example.com/mcp"),
    ]
}

/// The same with another value, or without it.
pub(crate) fn changed<'q>(name: &'q str, value: Option<&'q str>) -> Query<'q> {
    let others = request().into_iter().filter(|(other, _)| *other != name);
    others.chain(value.map(|value| (name, value))).collect()
}

/// A browser at a server and its provider.
#[derive(Clone)]
pub(crate) struct Visit {
    pub(crate) provider: TestProvider,
    test: Arc<TestServer>,
    cookies: Arc<Mutex<HashMap<String, String>>>,
}

/// What the browser got.
#[derive(Debug)]
pub(crate) struct Got {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Visit {
    pub(crate) async fn start() -> Self {
        Self::with(&[]).await
    }

    /// The same with variables changed or added.
    pub(crate) async fn with(further: &[(&str, &str)]) -> Self {
        let provider = TestProvider::start(Clock::standing_at(BEGIN)).await;
        let variables = provider.variables();
        let variables: Vec<_> =
            variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let variables = [&variables[..], further].concat();
        let test = Arc::new(TestServer::with(&variables).await);
        let visit = Self { provider, test, cookies: Arc::default() };
        visit.keep_client(|_| {}).await;
        visit
    }

    pub(crate) fn server(&self) -> &AuthorizationServer {
        &self.test.server
    }

    /// The file that the embedded store writes.
    pub(crate) fn store_file(&self) -> PathBuf {
        let files = std::fs::read_dir(self.test.folder.path()).unwrap();
        let mut files = files.map(|file| file.unwrap().path());
        files.find(|file| file.extension().is_some_and(|it| it == "redb")).unwrap()
    }

    /// Registers `client-1` anew.
    pub(crate) async fn keep_client(&self, change: impl FnOnce(&mut Client)) {
        let mut client = client("client-1");
        change(&mut client);
        self.server().clients.keep(client).await.unwrap();
    }

    /// Another browser at the same server.
    pub(crate) fn other_browser(&self) -> Self {
        Self { cookies: Arc::default(), ..self.clone() }
    }

    pub(crate) async fn send(&self, method: &str, path: &str, fields: &[(&str, &str)]) -> Got {
        self.send_with(method, path, fields, &[]).await
    }

    pub(crate) async fn send_with(
        &self,
        method: &str,
        path: &str,
        fields: &[(&str, &str)],
        headers: &[(&str, &str)],
    ) -> Got {
        let request = self.test.request(method, path);
        let request = if method == "POST" { request.form(fields) } else { request.query(fields) };
        let request = headers.iter().fold(request, |it, (name, value)| it.header(*name, *value));
        let cookies: Vec<String> = self
            .cookies
            .lock()
            .unwrap()
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let request = match cookies.join("; ") {
            none if none.is_empty() => request,
            cookies => request.header("cookie", cookies),
        };
        let answer = request.send().await.unwrap();
        for cookie in answer.headers().get_all("set-cookie") {
            let (name, value) = cookie.to_str().unwrap().split_once('=').unwrap();
            let value = value.split(';').next().unwrap().to_owned();
            self.cookies.lock().unwrap().insert(name.to_owned(), value);
        }
        let (status, headers) = (answer.status(), answer.headers().clone());
        Got { status, headers, body: answer.text().await.unwrap() }
    }

    /// Opens the address that a client sends the browser to.
    pub(crate) async fn open(&self, request: &[(&str, &str)]) -> Got {
        self.send("GET", "/authorize", request).await
    }

    pub(crate) async fn allow(&self, page: &Got) -> Got {
        self.decide(page, "allow").await
    }

    pub(crate) async fn decide(&self, page: &Got, decision: &str) -> Got {
        let form = [("consent", page.consent()), ("decision", decision.to_owned())];
        let form = form.each_ref().map(|(name, value)| (*name, value.as_str()));
        self.send("POST", "/consent", &form).await
    }

    /// Allows, logs Alice in, and gives the query that the provider sends back.
    pub(crate) async fn callback(&self, request: &[(&str, &str)]) -> String {
        let page = self.open(request).await;
        let login = self.allow(&page).await;
        let state = login.reply()["state"].clone();
        format!("code={}&state={state}", self.provider.login(&login.location().unwrap()))
    }

    pub(crate) async fn come_back(&self, callback: &str) -> Got {
        self.send("GET", &format!("/auth/callback?{callback}"), &[]).await
    }

    /// All of it.
    pub(crate) async fn log_in(&self, request: &[(&str, &str)]) -> Got {
        self.come_back(&self.callback(request).await).await
    }
}

impl Got {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn location(&self) -> Option<Url> {
        self.headers.get("location").map(|value| Url::parse(value.to_str().unwrap()).unwrap())
    }

    /// The parameters of the address that the browser is sent to.
    pub(crate) fn reply(&self) -> HashMap<String, String> {
        let location = self.location().unwrap_or_else(|| panic!("no redirect but {self:?}"));
        location.query_pairs().into_owned().collect()
    }

    /// What the form of the page carries.
    pub(crate) fn consent(&self) -> String {
        let (_, rest) = self.body.split_once("name=\"consent\" value=\"").expect("a form");
        rest.split('"').next().unwrap().to_owned()
    }
}
