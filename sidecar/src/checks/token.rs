//! A token, as the filter would look at it: whose it is, for what, and until when. The token itself
//! is never shown, nor any claim but those that configuration has to match.

use auth_core::{
    algorithm::Algorithm,
    jwk::VerificationKey,
    jws::{CompactJws, UntrustedJwt},
    signature::{Software, Verify},
    time::UnixTime,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value};

use super::finding::Finding;
use crate::secret::Secret;

/// The filter's `leeway` unless it is configured.
const LEEWAY: u64 = 60;

/// An issuer that tokens may come from.
#[derive(Debug)]
pub struct Accepted {
    /// Its name, byte for byte.
    pub issuer: String,
    /// The audiences of its tokens.
    pub audiences: Vec<String>,
    /// Its keys; none if they could not be had.
    pub keys: Vec<VerificationKey>,
}

/// What there is to say of a token.
pub fn check(token: &Secret, accepted: &[Accepted], now: UnixTime) -> Vec<Finding> {
    let text = token.expose().trim();
    let text = text.strip_prefix("Bearer ").unwrap_or(text).trim();
    let jws = CompactJws::decode(text);
    let jwt = match UntrustedJwt::of(&jws) {
        Ok(jwt) => jwt,
        Err(denial) => {
            return vec![Finding::fail(
                "token: form",
                format!("the filter refuses it at once: {}", denial.reason()),
                "it must be a JWT access token; an opaque token means that no audience was asked \
                 for, and an ID token is for the client alone",
            )];
        }
    };
    let claims = claims(text);
    let issuer = jwt.issuer().unwrap_or_default();
    let mut findings = vec![dates(&claims, now)];
    let Some(found) = accepted.iter().find(|it| it.issuer == issuer) else {
        let names: Vec<_> = accepted.iter().map(|it| format!("{:?}", it.issuer)).collect();
        findings.push(Finding::fail(
            "token: issuer",
            format!("it comes from {issuer:?}, which is none of {}", names.join(", ")),
            "issuers are compared byte for byte, the slash at the end included: correct \
             AUTH0_DOMAIN or OIDC_ISSUER, and `issuers[].issuer` of the filter",
        ));
        return findings;
    };
    findings.push(Finding::ok("token: issuer", format!("{issuer:?}, as configured")));
    findings.push(audience(&claims, &found.audiences));
    findings.push(signature(&jwt, &found.keys));
    findings
}

fn audience(claims: &Map<String, Value>, accepted: &[String]) -> Finding {
    let check = "token: audience";
    let found: Vec<&str> = match claims.get("aud") {
        Some(Value::String(one)) => vec![one],
        Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).collect(),
        Some(_) | None => Vec::new(),
    };
    if let Some(fits) = found.iter().find(|it| accepted.iter().any(|accepted| accepted == *it)) {
        return Finding::ok(check, format!("{fits:?} is accepted"));
    }
    Finding::fail(
        check,
        format!("it is for {found:?}, but accepted is {accepted:?}"),
        "ask for the right audience when logging in, or add this one to `issuers[].audiences` of \
         the filter",
    )
}

fn dates(claims: &Map<String, Value>, now: UnixTime) -> Finding {
    let check = "token: dates";
    let at = |name: &str| claims.get(name).and_then(Value::as_f64).map(|secs| secs as u64);
    let now = now.secs();
    let ahead = ["nbf", "iat"].into_iter().find(|name| at(name) > Some(now + LEEWAY));
    match (at("exp"), ahead) {
        (None, _) => Finding::fail(check, "it has no `exp`", "the filter takes no token for ever"),
        (Some(exp), _) if exp + LEEWAY <= now => Finding::fail(
            check,
            format!("it expired {} s ago", now - exp),
            "get a new one; if it is new, a clock is wrong: here, or the provider's",
        ),
        (Some(_), Some(name)) => Finding::fail(
            check,
            format!("its `{name}` lies in the future"),
            "set the clocks: here, or the provider's",
        ),
        (Some(exp), None) => {
            Finding::ok(check, format!("good for {} s more", exp.saturating_sub(now)))
        }
    }
}

fn signature(jwt: &UntrustedJwt<'_>, keys: &[VerificationKey]) -> Finding {
    let check = "token: signature";
    let algorithm = jwt.algorithm();
    if keys.is_empty() {
        return Finding::not_checked(check, "its issuer's keys could not be had");
    }
    if !Software.supports(algorithm) {
        let why = format!("{algorithm} is verified by Envoy alone", algorithm = algorithm.name());
        return Finding::not_checked(check, why);
    }
    let fits = |key: &&VerificationKey| {
        key.fits(algorithm) && jwt.kid().is_none_or(|kid| key.kid() == Some(kid))
    };
    let fitting: Vec<_> = keys.iter().filter(fits).collect();
    if fitting.is_empty() {
        return Finding::fail(
            check,
            format!("its issuer publishes no key for {} with its `kid`", name(algorithm)),
            "the key may have been rotated away: get a new token; else look at jwks_uri",
        );
    }
    let message = jwt.signing_input().as_bytes();
    match fitting.iter().any(|key| Software.verify(algorithm, key, message, jwt.signature())) {
        true => Finding::ok(check, format!("right, {}", name(algorithm))),
        false => Finding::fail(
            check,
            "it is wrong",
            "the token was changed, or comes from another provider of the same name",
        ),
    }
}

fn name(algorithm: Algorithm) -> &'static str {
    algorithm.name()
}

/// The claims as they stand; `UntrustedJwt` has seen that they can be read.
fn claims(token: &str) -> Map<String, Value> {
    let payload = token.split('.').nth(1).unwrap_or_default();
    let payload = URL_SAFE_NO_PAD.decode(payload).unwrap_or_default();
    serde_json::from_slice(&payload).unwrap_or_default()
}
