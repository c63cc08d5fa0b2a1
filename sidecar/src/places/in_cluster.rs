//! The API of Kubernetes from within a pod, with the rights of its service account. So a CronJob
//! needs no image but this program's.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use reqwest::{Certificate, Client, Method, StatusCode, redirect::Policy};
use serde_json::Value;

use super::{NotKept, kubernetes::Written, text};
use crate::text::{plain, root_cause};

/// Where Kubernetes puts what a pod needs for its API.
const ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
/// How long a call may take.
const WITHIN: Duration = Duration::from_secs(30);

/// The API server, as the pod knows it.
pub(super) struct InCluster {
    http: Client,
    secrets: String,
    token: PathBuf,
}

impl std::fmt::Debug for InCluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("InCluster").field(&self.secrets).finish()
    }
}

impl InCluster {
    pub(super) fn new(
        namespace: Option<String>,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, NotKept> {
        // Elsewhere in tests only.
        let account = variable("MCP_AUTH_SERVICE_ACCOUNT").unwrap_or_else(|| ACCOUNT.to_owned());
        let account = Path::new(&account);
        let read = |name: &str| {
            let path = account.join(name);
            fs::read_to_string(&path)
                .map_err(|why| NotKept::NoServiceAccount(format!("{}: {why}", path.display())))
        };
        let given = |name: &str| {
            variable(name).ok_or_else(|| NotKept::NoServiceAccount(format!("{name} is not set")))
        };
        let (host, port) = (given("KUBERNETES_SERVICE_HOST")?, given("KUBERNETES_SERVICE_PORT")?);
        // An IPv6 address needs brackets in a URL.
        let host = if host.contains(':') { format!("[{host}]") } else { host };
        let namespace = match namespace {
            Some(namespace) => namespace,
            None => read("namespace")?.trim().to_owned(),
        };
        let unusable = |why: reqwest::Error| NotKept::NoServiceAccount(why.to_string());
        let authorities =
            Certificate::from_pem_bundle(read("ca.crt")?.as_bytes()).map_err(unusable)?;
        let http = Client::builder()
            .tls_certs_only(authorities)
            .redirect(Policy::none())
            .no_proxy()
            .timeout(WITHIN)
            .user_agent(concat!("mcp-auth/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(unusable)?;
        let secrets = format!("https://{host}:{port}/api/v1/namespaces/{namespace}/secrets");
        Ok(Self { http, secrets, token: account.join("token") })
    }

    pub(super) async fn get(&self, secret: &'static str) -> Result<Option<Value>, NotKept> {
        let url = format!("{}/{secret}", self.secrets);
        match self.call(secret, Method::GET, &url, None).await? {
            (StatusCode::OK, object) => Ok(Some(object)),
            (StatusCode::NOT_FOUND, _) => Ok(None),
            (status, answer) => Err(refused(secret, status, &answer)),
        }
    }

    pub(super) async fn replace(
        &self,
        secret: &'static str,
        object: &Value,
    ) -> Result<Written, NotKept> {
        let url = format!("{}/{secret}", self.secrets);
        self.write(secret, Method::PUT, &url, object).await
    }

    pub(super) async fn create(
        &self,
        secret: &'static str,
        object: &Value,
    ) -> Result<Written, NotKept> {
        self.write(secret, Method::POST, &self.secrets, object).await
    }

    async fn write(
        &self,
        secret: &'static str,
        method: Method,
        url: &str,
        object: &Value,
    ) -> Result<Written, NotKept> {
        match self.call(secret, method, url, Some(object)).await? {
            (status, _) if status.is_success() => Ok(Written::Done),
            (StatusCode::CONFLICT, _) => Ok(Written::Overtaken),
            (status, answer) => Err(refused(secret, status, &answer)),
        }
    }

    async fn call(
        &self,
        secret: &'static str,
        method: Method,
        url: &str,
        body: Option<&Value>,
    ) -> Result<(StatusCode, Value), NotKept> {
        // It is replaced from time to time.
        let token = fs::read_to_string(&self.token)
            .map_err(|why| NotKept::File { path: self.token.clone(), why })?;
        let mut request = self.http.request(method, url).bearer_auth(token.trim());
        if let Some(body) = body {
            request = request.json(body);
        }
        let away = |why: reqwest::Error| NotKept::Kubernetes {
            secret,
            why: format!("the API cannot be reached: {}", root_cause(&why.without_url())),
        };
        let answer = request.send().await.map_err(away)?;
        let status = answer.status();
        let body = answer.bytes().await.map_err(away)?;
        Ok((status, serde_json::from_slice(&body).unwrap_or_default()))
    }
}

/// The API says why in `message`, which names no value of a Secret.
fn refused(secret: &'static str, status: StatusCode, answer: &Value) -> NotKept {
    let why = plain(text(answer, "/message").unwrap_or("it does not say why"));
    NotKept::Kubernetes { secret, why: format!("the API answers {}: {why}", status.as_u16()) }
}
