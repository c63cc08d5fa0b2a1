//! `mcp-auth explain`: the filter's very decision, made here, with the way to it.

use std::{io, path::Path, time::Duration};

use auth_core::{
    bounded::DigestKey,
    config::{Config, ConfigRefused},
    decision::Decision,
    denial::Denial,
    explain::{Explanation, explain},
    fetch::{Fetch, FetchId},
    gate::Gate,
    key_ring::FetchOutcome,
    request_head::RequestHead,
    signature::Software,
    time::UnixTime,
};
use reqwest::{Client, Method, Url, redirect::Policy};
use serde_json::{Map, Value, json};
use tokio::runtime::Handle;

use crate::{
    cli::ExplainArgs,
    clock::Clock,
    filter_file::{self, NotFound},
    secret::Secret,
    text::plain,
};

/// How long a key set or an answer of the sidecar may take.
const WITHIN: Duration = Duration::from_secs(10);
/// A token is shorter than this, and so is a key set.
const LONGEST_FILE: usize = 1 << 20;

/// What was found out.
#[derive(Debug)]
pub struct Explained {
    /// What to print.
    pub report: String,
    /// Whether the request is let through.
    pub allowed: bool,
}

/// Why nothing can be said.
#[derive(Debug, thiserror::Error)]
pub enum NotExplained {
    /// There is no configuration.
    #[error(transparent)]
    NotFound(#[from] NotFound),
    /// The filter refuses it.
    #[error("{0}")]
    Refused(#[from] ConfigRefused),
    /// There are several.
    #[error("--config: the file holds several filter configurations; give one of them by itself")]
    Several,
    /// A file.
    #[error("{0}: {1} cannot be read: {2}")]
    Unreadable(&'static str, String, io::Error),
    /// A header.
    #[error("--header: expected `name: value`")]
    Header,
    /// An algorithm that only the host verifies is configured.
    #[error("an HTTP client cannot be set up: {0}")]
    Http(String),
    /// Something that is needed did not arrive.
    #[error("what the decision needs could not be had; the rules so far are above")]
    Undecided,
}

impl NotExplained {
    /// Whether the command line is at fault.
    pub fn is_usage(&self) -> bool {
        match self {
            Self::NotFound(_) | Self::Refused(_) | Self::Several | Self::Header => true,
            Self::Unreadable(..) => true,
            Self::Http(_) | Self::Undecided => false,
        }
    }
}

/// Decides the request of the command line and tells why.
///
/// # Errors
/// [`NotExplained`].
pub fn run(
    args: &ExplainArgs,
    api_token: Option<&Secret>,
    runtime: &Handle,
) -> Result<Explained, NotExplained> {
    let mut found = filter_file::read(&args.config)?;
    let (Some(mut found), true) = (found.pop(), found.is_empty()) else {
        return Err(NotExplained::Several);
    };
    let leaves_sessions = args.internal_url.is_none() && !found.document["sessions"].is_null();
    if args.internal_url.is_none() {
        without_sessions(&mut found.document);
    }
    let config = Config::parse(found.document.to_string().as_bytes())?;
    let mut gate = Gate::new(config, Box::new(Software), DigestKey::new(rand::random()));
    let (head, body) = request(args)?;
    let fetcher = Fetcher::new(args, api_token, runtime)?;
    let now = args.at.map_or_else(|| Clock::system().now(), UnixTime::from_secs);
    let body = body.as_ref().map(|body| body.to_string().into_bytes());
    let explanation = explain(&mut gate, &head, body.as_deref(), |fetch| fetcher.fetch(fetch), now);
    let allowed = match &explanation.outcome {
        Some(outcome) => matches!(outcome.decision, Decision::Forward(_)),
        None => return Err(NotExplained::Undecided),
    };
    let report = match args.json {
        true => as_json(&explanation),
        false => as_text(leaves_sessions, &explanation),
    };
    Ok(Explained { report, allowed })
}

/// Nobody is asked about sessions where nobody said whom to ask.
fn without_sessions(document: &mut Value) {
    for issuer in document["issuers"].as_array_mut().into_iter().flatten() {
        if let Some(issuer) = issuer.as_object_mut() {
            issuer.insert("session".to_owned(), "off".into());
        }
    }
}

/// The request as a client of that version would send it.
fn request(args: &ExplainArgs) -> Result<(RequestHead, Option<Value>), NotExplained> {
    let usual = if args.method.is_some() { "POST" } else { "GET" };
    let http_method = args.http_method.as_deref().unwrap_or(usual);
    let mut fields = vec![
        (":method".to_owned(), http_method.to_owned()),
        (":authority".to_owned(), args.host.clone()),
        (":path".to_owned(), args.path.clone()),
    ];
    let mut add = |name: &str, value: &str| fields.push((name.to_owned(), value.to_owned()));
    if let Some(path) = &args.token {
        let token = read("--token", path)?;
        let token = token.trim();
        add("authorization", &format!("Bearer {}", token.strip_prefix("Bearer ").unwrap_or(token)));
    }
    if let Some(origin) = &args.origin {
        add("origin", origin);
    }
    let body = args.method.as_deref().map(|method| {
        add("content-type", "application/json");
        add("mcp-protocol-version", &args.protocol_version);
        // Older clients send no such headers.
        if args.protocol_version.as_str() >= "2026-07-28" {
            add("mcp-method", method);
            args.name.iter().for_each(|name| add("mcp-name", name));
        }
        let member = if method.starts_with("resources/") { "uri" } else { "name" };
        let params: Map<String, Value> =
            args.name.iter().map(|name| (member.to_owned(), name.clone().into())).collect();
        json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
    });
    for header in &args.headers {
        let (name, value) = header.split_once(':').ok_or(NotExplained::Header)?;
        add(&name.trim().to_ascii_lowercase(), value.trim());
    }
    let fields = fields.into_iter().map(|(name, value)| (name, value.into_bytes()));
    Ok((RequestHead::new(fields.collect()), body))
}

/// Gets what the gate asks for, from where the operator's machine reaches it.
struct Fetcher<'a> {
    keys: Option<Vec<u8>>,
    internal_url: Option<&'a str>,
    api_token: Option<&'a Secret>,
    http: Client,
    runtime: &'a Handle,
}

impl<'a> Fetcher<'a> {
    fn new(
        args: &'a ExplainArgs,
        api_token: Option<&'a Secret>,
        runtime: &'a Handle,
    ) -> Result<Self, NotExplained> {
        let keys = args.keys.as_deref().map(|path| read("--keys", path)).transpose()?;
        let http = Client::builder().timeout(WITHIN).redirect(Policy::none()).build();
        Ok(Self {
            keys: keys.map(String::into_bytes),
            internal_url: args.internal_url.as_deref(),
            api_token,
            http: http.map_err(|why| NotExplained::Http(why.to_string()))?,
            runtime,
        })
    }

    fn fetch(&self, fetch: &Fetch) -> FetchOutcome {
        match (&fetch.id, &self.keys, self.internal_url) {
            (FetchId::Keys(_), Some(keys), _) => {
                FetchOutcome::Answered { status: 200, body: keys.clone() }
            }
            (FetchId::Keys(_), None, _) => {
                let [scheme, authority, path] = [":scheme", ":authority", ":path"]
                    .map(|name| field(fetch, name).unwrap_or_default());
                self.call(fetch, &format!("{scheme}://{authority}{path}"))
            }
            // Asking is all that is done: nothing is recorded.
            (FetchId::Session(_) | FetchId::Revocations, _, Some(base)) => {
                let path = field(fetch, ":path").unwrap_or_default();
                self.call(fetch, &format!("{}{path}", base.trim_end_matches('/')))
            }
            (
                FetchId::Session(_)
                | FetchId::Revocations
                | FetchId::Report(_)
                | FetchId::McpSession(_)
                | FetchId::McpSessionClaim(_),
                ..,
            ) => FetchOutcome::Unanswered("not asked"),
        }
    }

    fn call(&self, fetch: &Fetch, url: &str) -> FetchOutcome {
        let Ok(url) = Url::parse(url) else { return FetchOutcome::Unanswered("not a URL") };
        let method = field(fetch, ":method").and_then(|method| method.parse().ok());
        let mut request = self.http.request(method.unwrap_or(Method::GET), url);
        if let (FetchId::Session(_) | FetchId::Revocations, Some(token)) =
            (&fetch.id, self.api_token)
        {
            request = request.bearer_auth(token.expose());
        }
        self.runtime.block_on(async {
            let Ok(answer) = request.send().await else {
                return FetchOutcome::Unanswered("no connection");
            };
            let status = answer.status().as_u16();
            match answer.bytes().await {
                Ok(body) => FetchOutcome::Answered { status, body: body.to_vec() },
                Err(_) => FetchOutcome::Unanswered("the answer broke off"),
            }
        })
    }
}

fn field<'f>(fetch: &'f Fetch, name: &str) -> Option<&'f str> {
    fetch.headers.iter().find(|(field, _)| *field == name).map(|(_, value)| value.as_str())
}

fn read(argument: &'static str, path: &Path) -> Result<String, NotExplained> {
    let read = match path.as_os_str() == "-" {
        true => io::read_to_string(io::Read::take(io::stdin(), LONGEST_FILE as u64)),
        false => std::fs::read_to_string(path),
    };
    read.map_err(|why| NotExplained::Unreadable(argument, path.display().to_string(), why))
}

fn as_text(leaves_sessions: bool, explanation: &Explanation) -> String {
    let mut text = String::new();
    for finding in &explanation.findings {
        let mark = if finding.refuses.is_some() { "✗" } else { "✓" };
        text.push_str(&format!("{mark} {:<11} {}\n", finding.subject, plain(&finding.text)));
    }
    if leaves_sessions {
        text.push_str("  (sessions and revocations were not asked for: give --internal-url)\n");
    }
    let Some(outcome) = &explanation.outcome else { return text };
    text.push('\n');
    match &outcome.decision {
        Decision::Forward(edits) => {
            text.push_str("let through, with these headers:\n");
            edits.set.iter().for_each(|(name, value)| {
                text.push_str(&format!("  {name}: {}\n", plain(value)));
            });
        }
        Decision::Reply(reply) => {
            let reason = outcome.reason.unwrap_or("answered by the filter itself");
            text.push_str(&format!("{} {reason}\n", reply.status));
            for (name, value) in reply.headers.iter().filter(|(name, _)| *name != "content-type") {
                text.push_str(&format!("  {name}: {}\n", plain(value)));
            }
        }
    }
    text
}

fn as_json(explanation: &Explanation) -> String {
    let finding = |finding: &auth_core::explain::Finding| {
        json!({
            "subject": finding.subject,
            "text": finding.text,
            "refuses": finding.refuses.map(Denial::reason),
        })
    };
    let findings: Vec<Value> = explanation.findings.iter().map(finding).collect();
    let decision = explanation.outcome.as_ref().map(|outcome| match &outcome.decision {
        Decision::Forward(edits) => {
            let headers: Map<String, Value> = edits
                .set
                .iter()
                .map(|(name, value)| (name.to_string(), value.clone().into()))
                .collect();
            json!({"allowed": true, "user_id": outcome.user_id, "headers": headers})
        }
        Decision::Reply(reply) => {
            let headers: Map<String, Value> = reply
                .headers
                .iter()
                .map(|(name, value)| ((*name).to_owned(), value.clone().into()))
                .collect();
            json!({
                "allowed": false,
                "status": reply.status,
                "reason": outcome.reason,
                "user_id": outcome.user_id,
                "headers": headers,
            })
        }
    });
    let text = serde_json::to_string_pretty(&json!({"findings": findings, "decision": decision}));
    format!("{}\n", text.expect("text becomes JSON"))
}
