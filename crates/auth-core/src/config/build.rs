//! From what is written to what is valid: every rule of the configuration, each with its field.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use super::{
    Audit, BearerToken, Config, ConfigRefused, Issuer, IssuerIndex, Jwks, KeySource, PolicyClaims,
    Resource, ResourceIndex, Route, SessionMode, Sessions,
    field::Field,
    policy,
    raw::{
        RawAudit, RawConfig, RawFeedLoss, RawIssuer, RawJwks, RawResource, RawSessionMode,
        RawSessions,
    },
};
use crate::{
    algorithm::Algorithm,
    authority::HostRule,
    identity_header::IdentityHeader,
    json,
    jwk::VerificationKey,
    path::{CanonicalPath, PathMap},
    resource_id::{HttpUrl, ResourceId},
    scope::Scope,
    time::parse_duration,
    user_id::HashDigits,
};

pub(super) fn config(document: &[u8]) -> Result<Config, ConfigRefused> {
    let document = json::parse(document).map_err(|problem| Field::top(".").refused(problem))?;
    let raw = RawConfig::parse(document)?;
    let issuers = issuers(&raw.issuers)?;
    let reads_bodies = raw.body_access;
    let resources = each(&Field::top("resources"), &raw.resources, |field, raw| {
        resource(field, raw, &issuers, reads_bodies)
    })?;
    if resources.is_empty() {
        return Err(Field::top("resources").refused("at least one resource is needed"));
    }
    let sessions = raw.sessions.as_ref().map(sessions).transpose()?;
    let needs_sessions = |issuer: &Issuer| issuer.session != SessionMode::Off;
    if let (None, Some(nth)) = (&sessions, issuers.iter().position(needs_sessions)) {
        return Err(Field::top("issuers")
            .item(nth)
            .member("session")
            .refused("`sessions` has to say where sessions are kept"));
    }
    let body_limit = body_limit(&Field::top("body_limit"), &raw.body_limit)?;
    let policy_claims = PolicyClaims::used_by(&resources);
    Ok(Config {
        routes: routes(&raw)?,
        metadata: metadata(&resources),
        scope_hierarchy: policy::scope_hierarchy(&Field::top("scope_implies"), &raw.scope_implies)?,
        body_limit: raw.body_access.then_some(body_limit),
        policy_claims,
        issuers,
        resources,
        sessions,
        identity_headers: identity_headers(&raw)?,
        hash_digits: HashDigits::new(raw.user_id_hash_digits).ok_or_else(|| {
            Field::top("user_id_hash_digits").refused("8 to 40 digits are accepted")
        })?,
        forward_token: raw.forward_token,
        token_cache: at_most(&Field::top("token_cache"), raw.token_cache, 1_000_000)?,
        audit: match raw.audit {
            RawAudit::Authentications => Audit::Authentications,
            RawAudit::EveryRequest => Audit::EveryRequest,
            RawAudit::Off => Audit::Off,
        },
    })
}

fn issuers(raw: &[RawIssuer]) -> Result<Vec<Issuer>, ConfigRefused> {
    let field = Field::top("issuers");
    if raw.is_empty() {
        return Err(field.refused("at least one issuer is needed"));
    }
    let mut seen = HashSet::new();
    each(&field, raw, |field, raw| {
        if !seen.insert(raw.issuer.clone()) {
            return Err(field.member("issuer").refused("this issuer is configured twice"));
        }
        issuer(field, raw)
    })
}

fn issuer(field: &Field<'_>, raw: &RawIssuer) -> Result<Issuer, ConfigRefused> {
    if raw.issuer.is_empty() || raw.issuer.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(field
            .member("issuer")
            .refused("the value of `iss`, such as https://tenant.auth0.com/"));
    }
    let max_token_lifetime = raw
        .max_token_lifetime
        .as_deref()
        .map(|text| positive(&field.member("max_token_lifetime"), text))
        .transpose()?;
    Ok(Issuer {
        issuer: raw.issuer.as_str().into(),
        audiences: texts(&field.member("audiences"), &raw.audiences)?,
        keys: keys(&field.member("jwks"), &raw.jwks)?,
        algorithms: algorithms(&field.member("algorithms"), raw.algorithms.as_deref())?,
        leeway: duration(&field.member("leeway"), &raw.leeway)?,
        max_token_lifetime,
        clients: texts(&field.member("clients"), &raw.clients)?,
        identity_issuer_claim: Some(raw.identity_issuer_claim.clone())
            .filter(|claim| !claim.is_empty()),
        scope_claims: texts(&field.member("scope_claims"), &raw.scope_claims)?,
        username_claims: at_least_one(
            &field.member("username_claims"),
            texts(&field.member("username_claims"), &raw.username_claims)?,
        )?,
        session: match raw.session {
            RawSessionMode::Off => SessionMode::Off,
            RawSessionMode::Observe => SessionMode::Observe,
            RawSessionMode::Required => SessionMode::Required,
        },
    })
}

fn algorithms(field: &Field<'_>, raw: Option<&[String]>) -> Result<Vec<Algorithm>, ConfigRefused> {
    match raw {
        None => Ok(Algorithm::DEFAULT.to_vec()),
        Some(names) => at_least_one(
            field,
            each(field, names, |field, name| name.parse().map_err(|why| field.refused(why)))?,
        ),
    }
}

fn keys(field: &Field<'_>, raw: &RawJwks) -> Result<KeySource, ConfigRefused> {
    match (&raw.uri, &raw.cluster, &raw.keys) {
        (None, None, Some(keys)) => {
            let keys = each(&field.member("keys"), keys, |field, key| {
                VerificationKey::parse(key).map_err(|why| field.refused(why))
            })?;
            Ok(KeySource::Fixed(at_least_one(&field.member("keys"), keys)?))
        }
        (_, _, Some(_)) => {
            Err(field.member("keys").refused("give either keys, or uri and cluster, not both"))
        }
        (None, _, None) => Err(field.member("uri").refused("give uri and cluster, or keys")),
        (Some(_), None, None) => {
            Err(field.member("cluster").refused("name the Envoy cluster that reaches uri"))
        }
        (Some(uri), Some(cluster), None) => fetched(field, uri, cluster, raw),
    }
}

fn fetched(
    field: &Field<'_>,
    uri: &str,
    cluster: &str,
    raw: &RawJwks,
) -> Result<KeySource, ConfigRefused> {
    let url = HttpUrl::parse(uri)
        .filter(|_| !uri.contains('#'))
        .ok_or_else(|| field.member("uri").refused("an absolute http or https URL is needed"))?;
    if cluster.is_empty() {
        return Err(field.member("cluster").refused("name the Envoy cluster that reaches uri"));
    }
    Ok(KeySource::Fetched(Jwks {
        cluster: cluster.to_owned(),
        scheme: url.scheme.to_owned(),
        authority: url.authority.to_owned(),
        path: if url.path.starts_with('/') {
            url.path.to_owned()
        } else {
            format!("/{}", url.path)
        },
        timeout: positive(&field.member("timeout"), &raw.timeout)?,
        refresh: positive(&field.member("refresh"), &raw.refresh)?,
        cooldown: positive(&field.member("cooldown"), &raw.cooldown)?,
    }))
}

fn resource(
    field: &Field<'_>,
    raw: &RawResource,
    issuers: &[Issuer],
    reads_bodies: bool,
) -> Result<Resource, ConfigRefused> {
    let id =
        ResourceId::parse(&raw.resource).map_err(|why| field.member("resource").refused(why))?;
    let own_audiences = texts(&field.member("audiences"), &raw.audiences)?;
    let accepted = accepted_issuers(&field.member("issuers"), raw.issuers.as_deref(), issuers)?
        .into_iter()
        .map(|index| {
            let audiences = [own_audiences.as_slice(), issuers[index.0].audiences.as_slice()]
                .into_iter()
                .find(|list| !list.is_empty())
                .map_or_else(|| vec![id.as_str().to_owned()], <[String]>::to_vec);
            (index, audiences)
        })
        .collect();
    if raw.name.as_ref().is_some_and(String::is_empty) {
        return Err(field.member("name").refused("a name is not empty"));
    }
    Ok(Resource {
        id,
        name: raw.name.clone(),
        issuers: accepted,
        needs: policy::needs(field, &raw.needs)?,
        clients: texts(&field.member("clients"), &raw.clients)?,
        claims: policy::claim_rules(&field.member("claims"), &raw.claims)?,
        calls: policy::calls(field, raw, reads_bodies)?,
        origins: each(&field.member("origins"), &raw.origins, |field, origin| {
            HttpUrl::parse(origin)
                .filter(|url| url.path.is_empty())
                .map(|_| origin.clone())
                .ok_or_else(|| field.refused("an origin is scheme://host[:port] without a path"))
        })?,
    })
}

fn accepted_issuers(
    field: &Field<'_>,
    raw: Option<&[String]>,
    issuers: &[Issuer],
) -> Result<Vec<IssuerIndex>, ConfigRefused> {
    let Some(names) = raw else {
        return Ok((0..issuers.len()).map(IssuerIndex).collect());
    };
    let mut accepted = Vec::new();
    for (nth, name) in names.iter().enumerate() {
        let field = field.item(nth);
        let index = issuers
            .iter()
            .position(|issuer| *issuer.issuer == **name)
            .map(IssuerIndex)
            .ok_or_else(|| field.refused("this issuer is not in `issuers`"))?;
        if accepted.contains(&index) {
            return Err(field.refused("this issuer is named twice"));
        }
        accepted.push(index);
    }
    at_least_one(field, accepted)
}

fn routes(raw: &RawConfig) -> Result<PathMap<Route>, ConfigRefused> {
    let mut routes = PathMap::default();
    let resources = Field::top("resources");
    for (nth, resource) in raw.resources.iter().enumerate() {
        let resource_field = resources.item(nth);
        let field = resource_field.member("path");
        check_path(&field, &resource.path)?;
        let hosts = each(&resource_field.member("hosts"), &resource.hosts, |field, host| {
            HostRule::parse(host).map_err(|why| field.refused(why))
        })?;
        let taken = routes.at(&resource.path).iter().any(|route| match route {
            Route::Public => true,
            Route::Resource(_, others) if hosts.is_empty() => others.is_empty(),
            Route::Resource(_, others) => hosts.iter().any(|host| others.contains(host)),
        });
        if taken {
            return Err(field.refused("another resource has the same host and path"));
        }
        routes.insert(&resource.path, Route::Resource(ResourceIndex(nth), hosts));
    }
    let public = Field::top("public");
    for (nth, path) in raw.public.iter().enumerate() {
        let field = public.item(nth);
        check_path(&field, path)?;
        if !routes.at(path).is_empty() {
            return Err(field.refused("this path is a resource or already public"));
        }
        routes.insert(path, Route::Public);
    }
    Ok(routes)
}

fn check_path(field: &Field<'_>, path: &str) -> Result<(), ConfigRefused> {
    if CanonicalPath::parse(path).is_err() || path.contains('?') {
        return Err(field.refused("a path is absolute and canonical, like /mcp"));
    }
    if path.len() > 1 && path.ends_with('/') {
        return Err(field.refused("leave the slash at the end out; whole segments are matched"));
    }
    Ok(())
}

/// For each document path the resources it may be about; the root document is about the resources
/// whose identifier has no path, else about the first.
fn metadata(resources: &[Resource]) -> HashMap<String, Vec<ResourceIndex>> {
    let mut documents: HashMap<String, Vec<ResourceIndex>> = HashMap::new();
    for (nth, resource) in resources.iter().enumerate() {
        documents.entry(resource.id.metadata_path()).or_default().push(ResourceIndex(nth));
    }
    documents
        .entry(crate::resource_id::WELL_KNOWN.to_owned())
        .or_insert_with(|| vec![ResourceIndex(0)]);
    documents
}

fn identity_headers(raw: &RawConfig) -> Result<Vec<IdentityHeader>, ConfigRefused> {
    let mut headers: Vec<IdentityHeader> = Vec::new();
    let all = Field::top("identity_headers");
    for (name, source) in &raw.identity_headers {
        let field = all.member(name);
        let header = IdentityHeader::parse(name, source).map_err(|why| field.refused(why))?;
        if headers.iter().any(|other| other.is_imitated_by(header.name())) {
            return Err(field.refused("this header is configured twice"));
        }
        headers.push(header);
    }
    Ok(headers)
}

fn sessions(raw: &RawSessions) -> Result<Sessions, ConfigRefused> {
    let field = Field::top("sessions");
    let time = |name: &str, text: &str| positive(&field.member(name), text);
    if raw.cluster.is_empty() {
        return Err(field
            .member("cluster")
            .refused("name the Envoy cluster that reaches mcp-auth"));
    }
    if raw.token.bytes().any(|byte| !byte.is_ascii_graphic()) {
        return Err(field.member("token").refused("a token is visible ASCII without white space"));
    }
    Ok(Sessions {
        cluster: raw.cluster.clone(),
        token: BearerToken(raw.token.clone()),
        timeout: time("timeout", &raw.timeout)?,
        cache: time("cache", &raw.cache)?,
        revocations: time("revocations", &raw.revocations)?,
        deny_on_feed_loss: raw.on_feed_loss == RawFeedLoss::Deny,
        feed_loss_after: time("feed_loss_after", &raw.feed_loss_after)?,
    })
}

fn body_limit(field: &Field<'_>, text: &str) -> Result<usize, ConfigRefused> {
    let unit_at = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(unit_at);
    let unit_bytes = match unit {
        "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        _ => 0,
    };
    number
        .parse::<usize>()
        .ok()
        .and_then(|number| number.checked_mul(unit_bytes))
        .filter(|bytes| (1..=64 << 20).contains(bytes))
        .ok_or_else(|| {
            field.refused("a size is a whole number with a unit, like 1MiB, 1B to 64MiB")
        })
}

pub(super) fn scopes(field: &Field<'_>, raw: &[String]) -> Result<Vec<Scope>, ConfigRefused> {
    each(field, raw, |field, scope| Scope::parse(scope).map_err(|why| field.refused(why)))
}

pub(super) fn texts(field: &Field<'_>, raw: &[String]) -> Result<Vec<String>, ConfigRefused> {
    each(field, raw, |field, text| match text.as_str() {
        "" => Err(field.refused("an empty text is not accepted")),
        text => Ok(text.to_owned()),
    })
}

pub(super) fn positive(field: &Field<'_>, text: &str) -> Result<Duration, ConfigRefused> {
    match duration(field, text)? {
        Duration::ZERO => Err(field.refused("a duration of zero is not accepted")),
        duration => Ok(duration),
    }
}

fn duration(field: &Field<'_>, text: &str) -> Result<Duration, ConfigRefused> {
    parse_duration(text).map_err(|why| field.refused(why))
}

fn at_most(field: &Field<'_>, value: usize, most: usize) -> Result<usize, ConfigRefused> {
    if value <= most { Ok(value) } else { Err(field.refused(format!("at most {most}"))) }
}

pub(super) fn at_least_one<T>(field: &Field<'_>, items: Vec<T>) -> Result<Vec<T>, ConfigRefused> {
    if items.is_empty() { Err(field.refused("at least one is needed")) } else { Ok(items) }
}

pub(super) fn each<'r, R, T>(
    field: &Field<'_>,
    raw: &'r [R],
    mut read: impl FnMut(&Field<'_>, &'r R) -> Result<T, ConfigRefused>,
) -> Result<Vec<T>, ConfigRefused> {
    raw.iter().enumerate().map(|(nth, raw)| read(&field.item(nth), raw)).collect()
}
