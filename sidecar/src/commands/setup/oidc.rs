//! `mcp-auth setup oidc`: whether a provider can be used, by what it says of itself, and the
//! configuration for it. Nothing is changed there.

use serde_json::Value;

use super::{
    NotSetUp, Printed, Stopped,
    deployment::Deployment,
    filter::{self, ProviderTokens},
    output,
};
use crate::{
    checks::{
        fetch::Fetcher,
        finding::{self, Finding},
        provider::{self, Provider},
    },
    cli::SetupOidcArgs,
    clock::Clock,
    config::{self, Refused, raw::RawConfig},
};

/// How long one call may take.
const WITHIN: std::time::Duration = std::time::Duration::from_secs(10);
/// What `serve` asks for unless it is told otherwise.
const USUAL_SCOPES: [&str; 4] = ["openid", "profile", "email", "offline_access"];

/// Checks the provider; writes only if it can be used.
///
/// # Errors
/// [`Stopped`] with the findings.
pub(super) async fn run(
    args: &SetupOidcArgs,
    variable: impl Fn(&str) -> Option<String>,
    is_terminal: bool,
) -> Result<Printed, Stopped> {
    output::check(&args.output, is_terminal)?;
    let deployment = Deployment::read(&args.deployment, &variable)?;
    let texts = [
        ("OIDC_ISSUER", args.oidc_issuer.clone()),
        ("OIDC_CLIENT_ID", args.client_id.clone()),
        ("OIDC_AUDIENCE", args.audience.clone()),
        ("OIDC_SCOPES", args.scopes.clone()),
    ];
    let raw = RawConfig::partial(texts, &["OIDC_CLIENT_SECRET"], variable)?;
    let issuer = config::issuer(&raw, &deployment.http_hosts)?;
    let issuer = issuer.ok_or_else(|| Refused::new("OIDC_ISSUER", "is required"))?;
    if args.output.output.is_some() && raw.text("OIDC_CLIENT_ID").is_none() {
        let why = "is required for --output: register mcp-auth at the provider first";
        return Err(Refused::new("OIDC_CLIENT_ID", why).into());
    }
    let now = Clock::system().now();
    let mut provider =
        provider::check(&Fetcher::new(WITHIN), &issuer, &deployment.http_hosts, now).await;
    provider.findings.push(audience(raw.text("OIDC_AUDIENCE")));
    let mut printed = Printed { report: report(args, &provider, &deployment), configuration: None };
    if finding::any_failed(&provider.findings) {
        let why = "the provider cannot be used as it is; nothing was written".to_owned();
        return Err(Stopped { report: printed.report, why: NotSetUp::Impossible(why) });
    }
    let accepted = args.deployment.accept_provider_tokens.then(|| ProviderTokens {
        issuer: issuer.as_str().to_owned(),
        audiences: raw.text("OIDC_AUDIENCE").map(str::to_owned).into_iter().collect(),
        jwks_uri: provider.text("jwks_uri").unwrap_or_default().to_owned(),
    });
    let filter = filter::configuration(&deployment, accepted.as_ref());
    let delivered = filter
        .map_err(|why| NotSetUp::Impossible(why.to_string()))
        .map(|filter| settings(&deployment, &raw, &provider, filter))
        .and_then(|settings| output::deliver(&args.output, &settings, &mut printed));
    match delivered {
        Ok(()) => Ok(printed),
        Err(why) => Err(Stopped { report: printed.report, why }),
    }
}

fn report(args: &SetupOidcArgs, provider: &Provider, deployment: &Deployment) -> String {
    if args.json {
        return format!("{:#}\n", finding::document(&provider.findings));
    }
    let [callback, done] = ["/auth/callback", "/logout/done"].map(|path| deployment.endpoint(path));
    format!(
        "{}at the provider: a confidential client for the authorization code flow, with the \
         redirect URI {callback} and, for logout, {done}\n",
        finding::text(&provider.findings)
    )
}

/// There is no metadata for it (RFC 8707 has none, and `audience` is no standard).
fn audience(given: Option<&str>) -> Finding {
    let check = "provider: audience";
    match given {
        Some(_) => Finding::not_checked(
            check,
            "whether the provider honours OIDC_AUDIENCE shows in a token alone: mcp-auth doctor \
             --token-file",
        ),
        None => Finding::ok(check, "none is asked for; mcp-auth issues its own tokens"),
    }
}

fn settings(
    deployment: &Deployment,
    raw: &RawConfig,
    provider: &Provider,
    filter: Value,
) -> output::Settings {
    let mut variables = Vec::new();
    for name in ["OIDC_ISSUER", "OIDC_CLIENT_ID", "OIDC_AUDIENCE"] {
        variables.extend(raw.text(name).map(|text| (name.to_owned(), text.to_owned())));
    }
    let scopes = raw.text("OIDC_SCOPES").map_or_else(|| scopes(provider), str::to_owned);
    variables.push(("OIDC_SCOPES".to_owned(), scopes));
    variables.extend(deployment.variables().map(|(name, text)| (name.to_owned(), text.to_owned())));
    output::Settings {
        variables,
        secret: ("OIDC_CLIENT_SECRET", raw.secret("OIDC_CLIENT_SECRET").cloned()),
        kubernetes: (
            "mcp-oidc-credentials",
            [
                ("server-client-id", "OIDC_CLIENT_ID"),
                ("server-client-secret", "OIDC_CLIENT_SECRET"),
                ("issuer", "OIDC_ISSUER"),
            ],
        ),
        filter,
        filter_is_secret: deployment.token.is_some(),
    }
}

/// The usual ones, without those that the provider says it does not have.
fn scopes(provider: &Provider) -> String {
    let has = |scope: &&str| {
        *scope == "openid" || provider.lists("scopes_supported", scope) != Some(false)
    };
    USUAL_SCOPES.iter().filter(|scope| has(scope)).copied().collect::<Vec<_>>().join(" ")
}
