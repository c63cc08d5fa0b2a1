//! Calls of the Management API: authenticated, bounded, patient with its rate limit.

use std::{fmt, time::Duration};

use reqwest::{Client, Method, Request, StatusCode, Url, header::HeaderMap, redirect::Policy};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};
use tokio::time::sleep;

use super::{Credentials, pause};
use crate::{
    clock::Clock,
    config::values::is_loopback,
    secret::Secret,
    text::{plain, root_cause},
};

/// How long one call may take.
const WITHIN: Duration = Duration::from_secs(30);
/// The longest answer that is read: a page of a hundred applications with all they have.
const LONGEST_ANSWER: usize = 8 * 1024 * 1024;
/// How often one call is made at most.
const MOST_ATTEMPTS: u32 = 6;
/// A tenant has fewer pages than this, so a list that goes on is not one.
const MOST_PAGES: usize = 1000;
/// What a page is asked to hold; the most that Auth0 gives.
const PAGE: &str = "100";

/// Says what takes long to whoever waits for it.
pub type Tell = Box<dyn Fn(&str) + Send + Sync>;

/// A tenant's Management API.
pub struct Management {
    calls: Calls,
    api: Url,
    token: Secret,
}

/// Why a call came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The tenant does not answer.
    #[error("{call}: Auth0 cannot be reached: {why}")]
    Unreachable {
        /// Which call.
        call: String,
        /// What is wrong.
        why: String,
    },
    /// No token was given for the credentials.
    #[error(
        "Auth0 gives no management token for AUTH0_MGMT_CLIENT_ID: {0}; the application must be \
         a machine-to-machine one to which the Auth0 Management API is granted"
    )]
    NoToken(String),
    /// The token is no good.
    #[error(
        "{0}: the management token is wrong or has expired (a token of the dashboard lives a day): {1}"
    )]
    TokenRefused(String, String),
    /// The token may not do this.
    #[error("{0}: the management token may not do this: {1}")]
    Forbidden(String, String),
    /// Somebody else was faster.
    #[error("{0}: it is there already: {1}")]
    Conflict(String, String),
    /// Too many calls, for too long.
    #[error(
        "{call}: Auth0 limits the rate of calls and asks for a pause of {asked:?}; try again later"
    )]
    RateLimited {
        /// Which call.
        call: String,
        /// The pause that was not waited any more.
        asked: Duration,
    },
    /// Anything else that it says no to.
    #[error("{call}: Auth0 answers {status}: {why}")]
    Refused {
        /// Which call.
        call: String,
        /// The status.
        status: u16,
        /// Its message.
        why: String,
    },
    /// An answer that is none.
    #[error("{call}: the answer is not one of the Management API: {why}")]
    Unreadable {
        /// Which call.
        call: String,
        /// What is wrong.
        why: String,
    },
}

impl Management {
    /// Prepares calls to the tenant at `tenant` (`https://tenant.eu.auth0.com/`), asking for a token
    /// if there is none yet.
    ///
    /// # Errors
    /// [`Failure`] if no token is given.
    pub async fn connect(
        tenant: &Url,
        credentials: &Credentials,
        clock: Clock,
        tell: Tell,
    ) -> Result<Self, Failure> {
        let calls = Calls::new(tenant, clock, tell);
        let api = tenant.join("/api/v2/").expect("a path can follow a host");
        let token = match credentials {
            Credentials::Token(token) => token.clone(),
            Credentials::Application { client_id, client_secret } => {
                calls.token(tenant, &api, client_id, client_secret).await?
            }
        };
        Ok(Self { calls, api, token })
    }

    /// What is at a path; nothing if nothing is.
    ///
    /// # Errors
    /// [`Failure`]
    pub async fn find<T: DeserializeOwned>(&self, path: &[&str]) -> Result<Option<T>, Failure> {
        let call = self.call(Method::GET, path, &[], None)?;
        match call.send(&self.calls).await {
            Err(Failure::Refused { status: 404, .. }) => Ok(None),
            Err(other) => Err(other),
            Ok(answer) => answer.read().map(Some),
        }
    }

    /// What must be at a path.
    ///
    /// # Errors
    /// [`Failure`]
    pub async fn get<T: DeserializeOwned>(&self, path: &[&str]) -> Result<T, Failure> {
        self.call(Method::GET, path, &[], None)?.send(&self.calls).await?.read()
    }

    /// All pages of a list, by checkpoint pagination, which unlike page numbers has no end at a
    /// thousand entries. `member` is what a page calls its entries.
    ///
    /// # Errors
    /// [`Failure`]
    pub async fn list<T: DeserializeOwned>(
        &self,
        path: &[&str],
        member: &str,
        query: &[(&str, &str)],
    ) -> Result<Vec<T>, Failure> {
        let (mut all, mut from) = (Vec::new(), None::<String>);
        for nth in 0..MOST_PAGES {
            let mut query = query.to_vec();
            query.push(("take", PAGE));
            query.extend(from.as_deref().map(|from| ("from", from)));
            let answer = self.call(Method::GET, path, &query, None)?.send(&self.calls).await?;
            let mut page: Value = answer.read()?;
            let entries = page.get_mut(member).map(Value::take).unwrap_or_default();
            let entries: Vec<T> = serde_json::from_value(entries)
                .map_err(|why| answer.unreadable(format!("{member}: {why}")))?;
            all.extend(entries);
            match page.get("next").and_then(Value::as_str) {
                None | Some("") => return Ok(all),
                Some(next) if from.as_deref() == Some(next) => {
                    return Err(answer.unreadable("the next page is this one".to_owned()));
                }
                Some(next) => from = Some(next.to_owned()),
            }
            if nth > 0 {
                (self.calls.tell)(&format!("reading {}: {} so far", path.join("/"), all.len()));
            }
        }
        Err(Failure::Unreadable { call: path.join("/"), why: "the list does not end".to_owned() })
    }

    /// Makes something.
    ///
    /// # Errors
    /// [`Failure`]; [`Failure::Conflict`] if it is there already.
    pub async fn post<T: DeserializeOwned>(
        &self,
        path: &[&str],
        body: &Value,
    ) -> Result<T, Failure> {
        self.call(Method::POST, path, &[], Some(body))?.send(&self.calls).await?.read()
    }

    /// Changes something; what it is afterwards does not matter.
    ///
    /// # Errors
    /// [`Failure`]
    pub async fn patch(&self, path: &[&str], body: &Value) -> Result<(), Failure> {
        self.call(Method::PATCH, path, &[], Some(body))?.send(&self.calls).await.map(drop)
    }

    fn call(
        &self,
        method: Method,
        path: &[&str],
        query: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Result<Call, Failure> {
        let mut url = self.api.clone();
        url.path_segments_mut().expect("it has a host").pop_if_empty().extend(path);
        let name = format!("{method} {}", url.path());
        let mut request = self.calls.http.request(method, url).query(query);
        request = request.bearer_auth(self.token.expose());
        if let Some(body) = body {
            request = request.json(body);
        }
        let request = request.build().map_err(|why| Failure::Unreachable {
            call: name.clone(),
            why: format!("the token or the query cannot be sent: {}", why.without_url()),
        })?;
        Ok(Call { name, request })
    }
}

/// Where calls go from.
struct Calls {
    http: Client,
    clock: Clock,
    tell: Tell,
}

struct Call {
    name: String,
    request: Request,
}

/// An answer with a good status.
struct Answer {
    call: String,
    body: Vec<u8>,
}

impl Calls {
    fn new(tenant: &Url, clock: Clock, tell: Tell) -> Self {
        let mut http = Client::builder()
            .redirect(Policy::none())
            .timeout(WITHIN)
            .user_agent(concat!("mcp-auth/", env!("CARGO_PKG_VERSION")));
        if is_loopback(tenant) {
            http = http.no_proxy();
        }
        Self { http: http.build().expect("these settings make a client"), clock, tell }
    }

    async fn token(
        &self,
        tenant: &Url,
        api: &Url,
        client_id: &str,
        client_secret: &Secret,
    ) -> Result<Secret, Failure> {
        #[derive(Deserialize)]
        struct Granted {
            access_token: String,
        }
        let url = tenant.join("/oauth/token").expect("a path can follow a host");
        let body = json!({
            "grant_type": "client_credentials",
            "client_id": client_id,
            "client_secret": client_secret.expose(),
            "audience": api.as_str(),
        });
        let request = self.http.post(url).json(&body).build().expect("JSON can be sent");
        let call = Call { name: "POST /oauth/token".to_owned(), request };
        match call.send(self).await {
            Ok(answer) => Ok(Secret::new(answer.read::<Granted>()?.access_token)),
            Err(
                Failure::TokenRefused(_, why)
                | Failure::Forbidden(_, why)
                | Failure::Refused { why, status: 400..500, .. },
            ) => Err(Failure::NoToken(why)),
            Err(other) => Err(other),
        }
    }
}

impl Call {
    async fn send(self, calls: &Calls) -> Result<Answer, Failure> {
        // Creating something again because the answer was lost could create it twice.
        let may_repeat = self.request.method() != Method::POST;
        let mut attempt = 0;
        loop {
            attempt += 1;
            let request = self.request.try_clone().expect("its body is in memory");
            let (failure, asked) = match once(&calls.http, request).await {
                Ok((status, _, body)) if status.is_success() => {
                    return Ok(Answer { call: self.name, body });
                }
                Ok((StatusCode::TOO_MANY_REQUESTS, headers, _)) => {
                    let asked = pause::asked_for(&headers, calls.clock.now());
                    let asked = asked.unwrap_or_else(|| pause::backoff(attempt - 1));
                    (Failure::RateLimited { call: self.name.clone(), asked }, asked)
                }
                Ok((status, headers, body)) => {
                    let failure = refused(&self.name, status, &body);
                    if !may_repeat || !status.is_server_error() {
                        return Err(failure);
                    }
                    let asked = pause::asked_for(&headers, calls.clock.now());
                    (failure, asked.unwrap_or_else(|| pause::backoff(attempt - 1)))
                }
                Err(why) => {
                    let failure = Failure::Unreachable { call: self.name.clone(), why };
                    if !may_repeat {
                        return Err(failure);
                    }
                    (failure, pause::backoff(attempt - 1))
                }
            };
            if attempt == MOST_ATTEMPTS || asked > pause::LONGEST {
                return Err(failure);
            }
            (calls.tell)(&format!(
                "{failure}; waiting {:.1} s, then attempt {} of {MOST_ATTEMPTS}",
                asked.as_secs_f32(),
                attempt + 1,
            ));
            sleep(asked).await;
        }
    }
}

impl Answer {
    fn read<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        serde_json::from_slice(&self.body).map_err(|why| self.unreadable(why.to_string()))
    }

    fn unreadable(&self, why: String) -> Failure {
        Failure::Unreadable { call: self.call.clone(), why }
    }
}

impl fmt::Debug for Management {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Management").field("api", &self.api.as_str()).finish_non_exhaustive()
    }
}

async fn once(http: &Client, request: Request) -> Result<(StatusCode, HeaderMap, Vec<u8>), String> {
    let told = |why: reqwest::Error| root_cause(&why.without_url());
    let mut answer = http.execute(request).await.map_err(told)?;
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(told)? {
        if body.len() + chunk.len() > LONGEST_ANSWER {
            return Err(format!("the answer is longer than {LONGEST_ANSWER} bytes"));
        }
        body.extend_from_slice(&chunk);
    }
    Ok((answer.status(), std::mem::take(answer.headers_mut()), body))
}

/// Auth0 says why in `message`, the token endpoint in `error_description`.
fn refused(call: &str, status: StatusCode, body: &[u8]) -> Failure {
    #[derive(Deserialize, Default)]
    struct Told {
        message: Option<String>,
        error_description: Option<String>,
        error: Option<String>,
    }
    let told: Told = serde_json::from_slice(body).unwrap_or_default();
    let why = told.message.or(told.error_description).or(told.error);
    let why = why.map_or_else(|| "it does not say why".to_owned(), |why| plain(&why));
    let call = call.to_owned();
    match status {
        StatusCode::UNAUTHORIZED => Failure::TokenRefused(call, why),
        StatusCode::FORBIDDEN => Failure::Forbidden(call, why),
        StatusCode::CONFLICT => Failure::Conflict(call, why),
        other => Failure::Refused { call, status: other.as_u16(), why },
    }
}
