//! The filter's configuration, valid by construction: whoever holds a [`Config`] need not check it.

mod build;
mod described;
mod field;
mod members;
mod policy;
mod raw;

use std::{collections::HashMap, fmt, sync::Arc, time::Duration};

use serde_json::Value;

use crate::{
    algorithm::Algorithm, authority::HostRule, identity_header::IdentityHeader,
    jwk::VerificationKey, mcp::policy::CallPolicy, needs::Needs, path::PathMap,
    resource_id::ResourceId, signature::Verify, user_id::HashDigits,
};

/// A configuration that was refused, with the field that has to be changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("configuration refused: {field}: {problem}")]
pub struct ConfigRefused {
    /// The field's path, such as `issuers[0].jwks.refresh`; `.` is the document itself.
    pub field: String,
    /// What is wrong and what is accepted.
    pub problem: String,
}

/// Everything that the filter was told.
#[derive(Clone, Debug)]
pub struct Config {
    pub(crate) issuers: Vec<Issuer>,
    pub(crate) resources: Vec<Resource>,
    pub(crate) routes: PathMap<Route>,
    /// Resources by the exact path of their RFC 9728 document.
    pub(crate) metadata: HashMap<String, Vec<ResourceIndex>>,
    pub(crate) sessions: Option<Sessions>,
    /// What each scope brings with it, however many steps away.
    pub(crate) scope_hierarchy: ScopeHierarchy,
    /// The longest body that is read; none where the host does not let bodies be read.
    pub(crate) body_limit: Option<usize>,
    pub(crate) policy_claims: PolicyClaims,
    pub(crate) identity_headers: Vec<IdentityHeader>,
    pub(crate) hash_digits: HashDigits,
    pub(crate) forward_token: bool,
    pub(crate) token_cache: usize,
    pub(crate) audit: Audit,
}

impl Config {
    /// Reads and checks a configuration document (JSON).
    ///
    /// # Errors
    /// [`ConfigRefused`] for anything unknown, missing, contradictory or unsafe.
    pub fn parse(document: &[u8]) -> Result<Self, ConfigRefused> {
        build::config(document)
    }

    /// A valid document with everything that is there by default.
    ///
    /// # Errors
    /// As [`Self::parse`].
    #[cfg(feature = "operator")]
    pub fn with_defaults(document: &[u8]) -> Result<Value, ConfigRefused> {
        Self::parse(document)?;
        let document =
            crate::json::parse(document).map_err(|why| field::Field::top(".").refused(why))?;
        Ok(members::Members::with_defaults(document, raw::RawConfig::read))
    }

    /// What a configuration may say, as a JSON Schema: names, types and defaults. What values mean
    /// is checked by [`Self::parse`] alone.
    #[cfg(feature = "operator")]
    pub fn schema() -> Value {
        members::Members::schema(raw::RawConfig::read)
    }

    /// Whether a user can find a name that gets another user's id, where names are the users' to
    /// choose: all but `sub` may be.
    pub fn user_ids_can_be_searched(&self) -> bool {
        let are_chosen = |issuer: &Issuer| issuer.username_claims.iter().any(|name| name != "sub");
        self.hash_digits.can_be_searched() && self.issuers.iter().any(are_chosen)
    }

    /// Checks that `verifier` can verify every configured algorithm.
    ///
    /// # Errors
    /// [`ConfigRefused`] with the first one that it cannot.
    pub fn check_algorithms(&self, verifier: &dyn Verify) -> Result<(), ConfigRefused> {
        for (nth, issuer) in self.issuers.iter().enumerate() {
            if let Some(missing) = issuer.algorithms.iter().find(|alg| !verifier.supports(**alg)) {
                return Err(ConfigRefused {
                    field: format!("issuers[{nth}].algorithms"),
                    problem: format!("{missing} needs a host that can verify it; remove it"),
                });
            }
        }
        Ok(())
    }
}

/// Which of the configured issuers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct IssuerIndex(pub(crate) usize);

/// Which of the configured resources.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ResourceIndex(pub(crate) usize);

/// What stands at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    /// Forwarded without a token.
    Public,
    /// An MCP server, for these hosts (none: any).
    Resource(ResourceIndex, Vec<HostRule>),
}

/// Who may issue tokens.
#[derive(Clone, Debug)]
pub struct Issuer {
    /// Shared by its principals, who are many.
    pub(crate) issuer: Arc<str>,
    pub(crate) audiences: Vec<String>,
    pub(crate) keys: KeySource,
    pub(crate) algorithms: Vec<Algorithm>,
    pub(crate) leeway: Duration,
    pub(crate) max_token_lifetime: Option<Duration>,
    pub(crate) clients: Vec<String>,
    pub(crate) identity_issuer_claim: Option<String>,
    pub(crate) scope_claims: Vec<String>,
    pub(crate) username_claims: Vec<String>,
    pub(crate) session: SessionMode,
}

/// What an issuer's tokens have to do with sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SessionMode {
    /// Nothing.
    Off,
    /// Their sessions are recorded.
    Observe,
    /// Their sessions have to be known.
    Required,
}

/// The sidecar that knows the sessions.
#[derive(Clone, Debug)]
pub(crate) struct Sessions {
    pub(crate) cluster: String,
    pub(crate) token: BearerToken,
    pub(crate) timeout: Duration,
    pub(crate) cache: Duration,
    pub(crate) revocations: Duration,
    pub(crate) deny_on_feed_loss: bool,
    pub(crate) feed_loss_after: Duration,
}

/// The secret that the sidecar asks for; possibly none.
#[derive(Clone)]
pub(crate) struct BearerToken(String);

impl BearerToken {
    /// The value of an `authorization` header.
    pub(crate) fn header(&self) -> Option<String> {
        (!self.0.is_empty()).then(|| format!("Bearer {}", self.0))
    }
}

impl fmt::Debug for BearerToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// Where an issuer's keys come from.
#[derive(Clone, Debug)]
pub enum KeySource {
    /// Written in the configuration.
    Fixed(Vec<VerificationKey>),
    /// Fetched.
    Fetched(Jwks),
}

/// A key set that is fetched.
#[derive(Clone, Debug)]
pub struct Jwks {
    /// The cluster that reaches the server.
    pub cluster: String,
    /// `http` or `https`.
    pub scheme: String,
    /// Host and port of the URL.
    pub authority: String,
    /// Path and query of the URL.
    pub path: String,
    /// How long one fetch may take, and so how long a request waits for keys.
    pub timeout: Duration,
    /// How old a set may grow before it is fetched again in the background.
    pub refresh: Duration,
    /// Least time between fetches that requests cause.
    pub cooldown: Duration,
}

/// An MCP server behind the gateway.
#[derive(Clone, Debug)]
pub(crate) struct Resource {
    pub(crate) id: ResourceId,
    pub(crate) name: Option<String>,
    /// Accepted issuers, each with its accepted audiences.
    pub(crate) issuers: Vec<(IssuerIndex, Vec<String>)>,
    /// What every request needs.
    pub(crate) needs: Needs,
    /// Accepted client ids; none: any.
    pub(crate) clients: Vec<String>,
    pub(crate) claims: Vec<ClaimRule>,
    /// What calls need besides.
    pub(crate) calls: CallPolicy,
    pub(crate) origins: Vec<String>,
}

/// A claim that has to have, or to contain, one of these values: strings, numbers or booleans.
#[derive(Clone, Debug)]
pub(crate) struct ClaimRule {
    pub(crate) name: String,
    pub(crate) values: Vec<Value>,
}

/// The scopes that a scope brings with it, itself left out.
pub(crate) type ScopeHierarchy = Vec<(String, Vec<String>)>;

/// The claims that rules are about, besides those that every token is read for.
#[derive(Clone, Debug, Default)]
pub(crate) struct PolicyClaims {
    /// The names in [`ClaimRule`]s.
    pub(crate) names: Vec<String>,
    pub(crate) auth_time: bool,
    pub(crate) acr: bool,
}

impl PolicyClaims {
    fn used_by(resources: &[Resource]) -> Self {
        let mut used = Self::default();
        for resource in resources {
            for rule in &resource.claims {
                if !used.names.contains(&rule.name) {
                    used.names.push(rule.name.clone());
                }
            }
            for needs in resource.all_needs() {
                used.auth_time |= needs.max_age.is_some();
                used.acr |= !needs.acr_values.is_empty();
            }
        }
        used
    }
}

impl Resource {
    /// What any request could need: its own needs, then those of each rule.
    pub(crate) fn all_needs(&self) -> impl Iterator<Item = &Needs> {
        std::iter::once(&self.needs).chain(self.calls.rules.iter().map(|rule| &rule.needs))
    }

    /// The accepted audiences of tokens of `issuer`; none if its tokens are not accepted at all.
    pub(crate) fn audiences(&self, issuer: IssuerIndex) -> Option<&[String]> {
        self.issuers
            .iter()
            .find(|(accepted, _)| *accepted == issuer)
            .map(|(_, audiences)| audiences.as_slice())
    }
}

/// Which requests leave an audit line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Audit {
    /// Each new token and each denial.
    Authentications,
    /// Each request.
    EveryRequest,
    /// None.
    Off,
}
