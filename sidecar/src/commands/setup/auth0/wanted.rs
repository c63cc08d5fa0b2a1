//! What a tenant looks like that `mcp-auth` can be run with. Each line says why.

use serde_json::{Value, json};

use super::super::deployment::Deployment;
use crate::{
    auth0::fields::Wanted,
    cli::SetupAuth0Args,
    config::{Refused, values::duration},
};

/// Auth0 keeps refresh tokens five years at most.
const LONGEST_REFRESH_TOKEN: u64 = 157_788_000;
/// And access tokens thirty days.
const LONGEST_ACCESS_TOKEN: u64 = 2_592_000;
/// A refresh token whose successor got lost on the way still works so many seconds.
const REFRESH_LEEWAY: u64 = 60;

/// What is to be there.
pub(super) struct Plan {
    /// The API's identifier.
    pub(super) audience: String,
    /// The API's name, if it is made.
    pub(super) api_name: String,
    /// The API's fields.
    pub(super) api: Vec<Wanted>,
    /// The application, if it is known.
    pub(super) client_id: Option<String>,
    /// Its name otherwise.
    pub(super) name: String,
    /// Its fields.
    pub(super) application: Vec<Wanted>,
    /// Connections to enable.
    pub(super) connections: Vec<String>,
    /// Scopes of the API.
    pub(super) scopes: Vec<String>,
}

impl Plan {
    /// # Errors
    /// [`Refused`] names what cannot be.
    pub(super) fn new(args: &SetupAuth0Args, deployment: &Deployment) -> Result<Self, Refused> {
        let host = deployment.url.url().host_str().unwrap_or_default();
        let name = args.name.clone().unwrap_or_else(|| format!("mcp-auth {host}"));
        if name.is_empty() || name.contains(['<', '>']) {
            return Err(Refused::new("--name", "must not be empty or have < or >"));
        }
        let refused = |why: &str| Refused::new("--token-lifetime", why);
        let token_lifetime = duration(&args.token_lifetime).map_err(|why| refused(&why))?.as_secs();
        if token_lifetime > LONGEST_ACCESS_TOKEN {
            return Err(refused("is longer than 30d, the most that Auth0 allows"));
        }
        if token_lifetime < deployment.lifetimes.access_token.as_secs() {
            return Err(refused("is shorter than MCP_ACCESS_TOKEN_TTL (15m unless set)"));
        }
        let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        let audience = given(&args.audience);
        Ok(Self {
            audience: audience.unwrap_or_else(|| deployment.resources[0].as_str().to_owned()),
            api_name: format!("MCP servers of {host}"),
            api: api(token_lifetime, &deployment.scopes),
            client_id: given(&args.client_id),
            name,
            application: application(deployment),
            connections: args.connections.iter().filter(|it| !it.is_empty()).cloned().collect(),
            scopes: deployment.scopes.clone(),
        })
    }
}

/// Settings that hold for all of the tenant's applications.
pub(super) fn tenant() -> Vec<Wanted> {
    vec![
        // An MCP client that comes to Auth0 itself names the resource as RFC 8707 has it.
        Wanted::exactly("resource_parameter_profile", "compatibility"),
        // Clients register with mcp-auth, so nobody has to be able to register here.
        Wanted::member("flags", "enable_dynamic_client_registration", false),
    ]
}

fn api(token_lifetime: u64, scopes: &[String]) -> Vec<Wanted> {
    let scope = |scope: &String| json!({"value": scope, "description": format!("MCP: {scope}")});
    vec![
        // What the filter can verify without a shared secret.
        Wanted::exactly("signing_alg", "RS256"),
        Wanted::exactly("token_lifetime", token_lifetime),
        // Without it there is no refresh token, and a login ends with its access token.
        Wanted::exactly("allow_offline_access", true),
        // Permissions are those that somebody gave the user.
        Wanted::exactly("enforce_policies", true),
        // RFC 9068, with the user's permissions, which the filter takes for scopes.
        Wanted::exactly("token_dialect", "rfc9068_profile_authz"),
        // mcp-auth asks users itself, at every login.
        Wanted::exactly("skip_consent_for_verifiable_first_party_clients", true),
        Wanted::containing("scopes", scopes.iter().map(scope).collect()),
    ]
}

fn application(deployment: &Deployment) -> Vec<Wanted> {
    let list = |path: &str| vec![Value::from(deployment.endpoint(path))];
    let refresh = |member, value: Value| Wanted::member("refresh_token", member, value);
    let mut wanted = vec![
        Wanted::exactly("app_type", "regular_web"),
        Wanted::exactly("is_first_party", true),
        Wanted::exactly("oidc_conformant", true),
        Wanted::containing("callbacks", list("/auth/callback")),
        Wanted::containing("allowed_logout_urls", list("/logout/done")),
        Wanted::exactly("grant_types", json!(["authorization_code", "refresh_token"])),
        // mcp-auth sends its secret so wherever the provider's metadata allows it; Auth0's does.
        Wanted::exactly("token_endpoint_auth_method", "client_secret_basic"),
        // ID tokens are verified by the tenant's public keys.
        Wanted::member("jwt_configuration", "alg", "RS256"),
        refresh("rotation_type", "rotating".into()),
        refresh("expiration_type", "expiring".into()),
        refresh("leeway", REFRESH_LEEWAY.into()),
        refresh("infinite_token_lifetime", false.into()),
    ];
    // mcp-auth's own refresh tokens are worth nothing once these have ended.
    let login = deployment.lifetimes.login.as_secs().min(LONGEST_REFRESH_TOKEN);
    let idle = deployment.lifetimes.refresh_token.as_secs();
    wanted.push(refresh("token_lifetime", login.into()));
    // Auth0 wants the one to be shorter than the other.
    wanted.push(refresh("infinite_idle_token_lifetime", (idle >= login).into()));
    if idle < login {
        wanted.push(refresh("idle_token_lifetime", idle.into()));
    }
    wanted
}
