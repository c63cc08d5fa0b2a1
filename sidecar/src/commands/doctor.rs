//! `mcp-auth doctor`: everything that authentication depends on, looked at from here, all at once.

use std::{path::Path, time::Duration};

use auth_core::{jwk::VerificationKey, time::UnixTime};
use tokio::time::timeout;
use url::Url;

use crate::{
    checks::{
        envoy,
        fetch::Fetcher,
        finding::{self, Finding},
        provider::{self, Provider},
        public, redis, sidecar,
        token::{self, Accepted},
    },
    cli::DoctorArgs,
    clock::Clock,
    config::{
        self, Refused,
        raw::RawConfig,
        values::{GivenUrl, HttpHosts, duration},
    },
    input,
    secret::Secret,
    store::redis::RedisAddress,
};

/// However many calls a subject takes, it has an end.
const WHOLE: u32 = 12;
/// No token that the filter reads is longer.
const LONGEST_TOKEN: u64 = 64 * 1024;

/// What there is to print.
#[derive(Debug)]
pub struct Diagnosis {
    /// The findings, as they are shown.
    pub text: String,
    /// Whether something failed.
    pub any_failed: bool,
}

/// What is looked at.
struct Subjects {
    issuer: Option<GivenUrl>,
    audience: Option<String>,
    url: Option<GivenUrl>,
    resources: Vec<GivenUrl>,
    http_hosts: HttpHosts,
    redis: Option<RedisAddress>,
    internal: Option<Url>,
    internal_token: Option<Secret>,
    envoy: Option<Url>,
    token: Option<Secret>,
}

/// Looks at all that was given. `variable` looks into the environment.
///
/// # Errors
/// [`Refused`] for what cannot be understood.
pub async fn run(
    args: &DoctorArgs,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<Diagnosis, Refused> {
    let subjects = Subjects::read(args, variable)?;
    let within = duration(&args.timeout).map_err(|why| Refused::new("--timeout", &why))?;
    let findings = subjects.look(&Fetcher::new(within), within).await;
    let text = match args.json {
        true => format!("{:#}\n", finding::document(&findings)),
        false => finding::text(&findings),
    };
    Ok(Diagnosis { text, any_failed: finding::any_failed(&findings) })
}

impl Subjects {
    fn read(args: &DoctorArgs, variable: impl Fn(&str) -> Option<String>) -> Result<Self, Refused> {
        let ca_file = args.redis_ca_file.as_ref().map(|path| path.to_string_lossy().into_owned());
        let texts = [
            ("AUTH0_DOMAIN", args.auth0_domain.clone()),
            ("OIDC_ISSUER", args.oidc_issuer.clone()),
            ("AUTH0_AUDIENCE", args.auth0_audience.clone()),
            ("OIDC_AUDIENCE", args.oidc_audience.clone()),
            ("MCP_AUTH_URL", args.mcp_auth_url.clone()),
            ("MCP_RESOURCES", args.mcp_resources.clone()),
            ("MCP_AUTH_INSECURE_HTTP_HOSTS", args.mcp_auth_insecure_http_hosts.clone()),
            ("REDIS_CA_FILE", ca_file),
        ];
        let raw = RawConfig::partial(texts, &["REDIS_URL", "MCP_AUTH_TOKEN"], variable)?;
        let http_hosts = config::http_hosts(&raw)?;
        let given = |name| raw.text(name).is_some();
        let url = given("MCP_AUTH_URL").then(|| config::public_url(&raw, &http_hosts));
        let resources = given("MCP_RESOURCES").then(|| config::resources(&raw, &http_hosts));
        let audience = raw.text("AUTH0_AUDIENCE").or(raw.text("OIDC_AUDIENCE"));
        Ok(Self {
            issuer: config::issuer(&raw, &http_hosts)?,
            audience: audience.map(str::to_owned),
            url: url.transpose()?,
            resources: resources.transpose()?.unwrap_or_default(),
            redis: config::redis(&raw)?,
            http_hosts,
            internal: address("MCP_AUTH_INTERNAL_URL", args.internal_url.as_deref())?,
            internal_token: raw.tokens()?.map(|tokens| tokens.first()),
            envoy: address("--envoy-admin", args.envoy_admin.as_deref())?,
            token: args.token_file.as_deref().map(read_token).transpose()?,
        })
    }

    /// All at once; what it costs is what the slowest subject takes.
    async fn look(&self, fetcher: &Fetcher, within: Duration) -> Vec<Finding> {
        let now = Clock::system().now();
        let bounded = within * WHOLE;
        let (provider, public, redis, sidecar, envoy) = tokio::join!(
            timeout(bounded, self.provider(fetcher, now)),
            timeout(bounded, self.public(fetcher, now)),
            timeout(bounded, self.redis()),
            timeout(bounded, self.sidecar(fetcher, now)),
            timeout(bounded, self.envoy(fetcher)),
        );
        let slow = |subject: &str| vec![slow(subject)];
        let provider = provider
            .unwrap_or_else(|_| Provider { findings: slow("provider"), ..Provider::default() });
        let (public, keys) = public.unwrap_or_else(|_| (slow("public"), Vec::new()));
        let mut accepted = Vec::new();
        if let Some(url) = &self.url {
            let audiences = self.resources.iter().map(|it| it.as_str().to_owned()).collect();
            accepted.push(Accepted { issuer: url.as_str().to_owned(), audiences, keys });
        }
        if let Some(issuer) = &self.issuer {
            let resources = self.resources.iter().map(|it| it.as_str().to_owned());
            let audiences = self.audience.clone().into_iter().chain(resources).collect();
            let issuer = issuer.as_str().to_owned();
            accepted.push(Accepted { issuer, audiences, keys: provider.keys });
        }
        let mut findings = provider.findings;
        findings.extend(public);
        findings.extend(redis.unwrap_or_else(|_| slow("redis")));
        findings.extend(sidecar.unwrap_or_else(|_| slow("sidecar")));
        findings.extend(envoy.unwrap_or_else(|_| slow("envoy")));
        findings.extend(match (&self.token, &accepted[..]) {
            (None, _) => vec![Finding::not_checked("token", "give --token-file")],
            (Some(_), []) => vec![Finding::not_checked(
                "token",
                "give MCP_AUTH_URL, AUTH0_DOMAIN or OIDC_ISSUER",
            )],
            (Some(token), accepted) => token::check(token, accepted, now),
        });
        findings
    }

    async fn provider(&self, fetcher: &Fetcher, now: UnixTime) -> Provider {
        match &self.issuer {
            Some(issuer) => provider::check(fetcher, issuer, &self.http_hosts, now).await,
            None => Provider {
                findings: vec![Finding::not_checked(
                    "provider",
                    "give AUTH0_DOMAIN or OIDC_ISSUER",
                )],
                ..Provider::default()
            },
        }
    }

    async fn public(
        &self,
        fetcher: &Fetcher,
        now: UnixTime,
    ) -> (Vec<Finding>, Vec<VerificationKey>) {
        let (mut findings, keys) = match &self.url {
            Some(url) => public::authorization_server(fetcher, url, now).await,
            None => (vec![Finding::not_checked("public", "give MCP_AUTH_URL")], Vec::new()),
        };
        if self.resources.is_empty() {
            findings.push(Finding::not_checked("public: resources", "give MCP_RESOURCES"));
        }
        let server = self.url.as_ref().map(GivenUrl::as_str);
        for resource in &self.resources {
            findings.extend(public::resource(fetcher, resource, server).await);
        }
        (findings, keys)
    }

    async fn redis(&self) -> Vec<Finding> {
        match &self.redis {
            Some(address) => redis::check(address).await,
            None => vec![Finding::not_checked("redis", "give REDIS_URL or REDIS_URL_FILE")],
        }
    }

    async fn sidecar(&self, fetcher: &Fetcher, now: UnixTime) -> Vec<Finding> {
        match &self.internal {
            Some(base) => sidecar::check(fetcher, base, self.internal_token.as_ref(), now).await,
            None => vec![Finding::not_checked("sidecar", "give --internal-url")],
        }
    }

    async fn envoy(&self, fetcher: &Fetcher) -> Vec<Finding> {
        match &self.envoy {
            Some(admin) => envoy::check(fetcher, admin).await,
            None => vec![Finding::not_checked("envoy", "give --envoy-admin")],
        }
    }
}

fn slow(subject: &str) -> Finding {
    let advice = "something accepts connections and does not answer; try a longer --timeout";
    Finding::fail(subject, "it takes too long", advice)
}

fn address(name: &str, text: Option<&str>) -> Result<Option<Url>, Refused> {
    let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(None) };
    let refused = || Refused::new(name, "is not an http: or https: URL");
    let url = Url::parse(text).map_err(|_| refused())?;
    let has_host = matches!(url.scheme(), "http" | "https") && url.host_str().is_some();
    has_host.then_some(Some(url)).ok_or_else(refused)
}

fn read_token(path: &Path) -> Result<Secret, Refused> {
    let refused = |why| Refused::new("--token-file", &format!("cannot be read: {why}"));
    input::read(path, LONGEST_TOKEN).map(Secret::new).map_err(refused)
}
