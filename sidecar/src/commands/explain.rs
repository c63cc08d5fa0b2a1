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
    user_id::UserId,
};
use serde_json::{Map, Value, json};
use tokio::runtime::Handle;
use url::Url;

use crate::{
    checks::fetch::Fetcher,
    cli::ExplainArgs,
    clock::Clock,
    filter_file::{self, NotFound},
    input,
    secret::Secret,
    text::{plain, pretty},
};

/// How long a key set or an answer of the sidecar may take.
const WITHIN: Duration = Duration::from_secs(10);
/// A token is shorter than this, and so is a key set.
const LONGEST_FILE: u64 = 1 << 20;

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
    /// The sidecar.
    #[error("--internal-url is not a URL")]
    InternalUrl,
    /// Something that only a host can do is configured.
    #[error("{0}: this is verified by Envoy alone, so nothing can be said here of its tokens")]
    HostOnly(String),
    /// Something that is needed did not arrive.
    #[error("what the decision needs could not be had; so far:\n{0}")]
    Undecided(String),
}

impl NotExplained {
    /// Whether the command line is at fault.
    pub fn is_usage(&self) -> bool {
        match self {
            Self::NotFound(_) | Self::Refused(_) | Self::Several | Self::Header => true,
            Self::Unreadable(..) | Self::InternalUrl => true,
            Self::HostOnly(_) | Self::Undecided(_) => false,
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
    config.check_algorithms(&Software).map_err(|it| NotExplained::HostOnly(it.field))?;
    let mut gate = Gate::new(config, Box::new(Software), DigestKey::new(rand::random()));
    let (head, body) = request(args)?;
    let source = Source::new(args, api_token, runtime)?;
    let now = args.at.map_or_else(|| Clock::system().now(), UnixTime::from_secs);
    let body = body.as_ref().map(|body| body.to_string().into_bytes());
    let explanation = explain(&mut gate, &head, body.as_deref(), |fetch| source.fetch(fetch), now);
    let allowed = match &explanation.outcome {
        Some(outcome) => matches!(outcome.decision, Decision::Forward(_)),
        None => return Err(NotExplained::Undecided(as_text(leaves_sessions, &explanation))),
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
struct Source<'a> {
    keys: Option<String>,
    internal: Option<(Url, Option<&'a Secret>)>,
    fetcher: Fetcher,
    runtime: &'a Handle,
}

impl<'a> Source<'a> {
    fn new(
        args: &ExplainArgs,
        api_token: Option<&'a Secret>,
        runtime: &'a Handle,
    ) -> Result<Self, NotExplained> {
        let url = |text: &String| Url::parse(text).map_err(|_| NotExplained::InternalUrl);
        let internal = args.internal_url.as_ref().map(url).transpose()?;
        Ok(Self {
            keys: args.keys.as_deref().map(|path| read("--keys", path)).transpose()?,
            internal: internal.map(|url| (url, api_token)),
            fetcher: Fetcher::new(WITHIN),
            runtime,
        })
    }

    /// Asking is all that is done: nothing is recorded.
    fn fetch(&self, fetch: &Fetch) -> FetchOutcome {
        let field = |name| {
            let found = fetch.headers.iter().find(|(field, _)| *field == name);
            found.map(|(_, value)| value.as_str()).unwrap_or_default()
        };
        let answer = match (&fetch.id, &self.keys, &self.internal) {
            (FetchId::Keys(_), Some(keys), _) => {
                return FetchOutcome::Answered { status: 200, body: keys.clone().into_bytes() };
            }
            (FetchId::Keys(_), None, _) => {
                let url = [field(":scheme"), "://", field(":authority"), field(":path")].concat();
                self.runtime.block_on(self.fetcher.get(&url))
            }
            (FetchId::Session(_) | FetchId::Revocations, _, Some((base, token))) => {
                self.runtime.block_on(self.fetcher.get_short(base, field(":path"), *token))
            }
            (
                FetchId::Session(_)
                | FetchId::Revocations
                | FetchId::Report(_)
                | FetchId::McpSession(_)
                | FetchId::McpSessionClaim(_),
                ..,
            ) => return FetchOutcome::Unanswered("not asked"),
        };
        match answer {
            Ok(page) => FetchOutcome::Answered { status: page.status.as_u16(), body: page.body },
            Err(_) => FetchOutcome::Unanswered("no answer"),
        }
    }
}

fn read(argument: &'static str, path: &Path) -> Result<String, NotExplained> {
    let unreadable = |why| NotExplained::Unreadable(argument, path.display().to_string(), why);
    input::read(path, LONGEST_FILE).map_err(unreadable)
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
    let outcome = explanation.outcome.as_ref();
    let user_id = outcome.and_then(|outcome| outcome.user_id.as_ref()).map(UserId::as_str);
    let decision = outcome.map(|outcome| match &outcome.decision {
        Decision::Forward(edits) => {
            let headers: Map<String, Value> = edits
                .set
                .iter()
                .map(|(name, value)| (name.to_string(), (&**value).into()))
                .collect();
            json!({"allowed": true, "user_id": user_id, "headers": headers})
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
                "user_id": user_id,
                "headers": headers,
            })
        }
    });
    pretty(&json!({"findings": findings, "decision": decision}))
}
