//! The token endpoint is asked with the secret that counts, and again where the provider does not
//! know it, with the one to fall back on, and for a while: where a secret is replaced, the new one
//! may be here or there a little later.

use std::time::Duration;

use axum::http::{Request, header};
use base64::{Engine, engine::general_purpose::STANDARD};
use openidconnect::{
    AuthType, AuthorizationCode, ClientSecret, ConfigurationError, HttpRequest, PkceCodeVerifier,
    RefreshToken, core::CoreTokenResponse,
};
use url::{Url, form_urlencoded};

use super::{discovery::Known, http::Http, no_tokens::NoTokens};
use crate::{clock::instant, config::oauth, oauth::opaque::Opaque, secret::Secret};

/// How long a secret is waited for that the provider knows.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long until the same one is tried again.
const PAUSE: Duration = Duration::from_secs(1);

/// What tokens are asked for with.
pub(super) enum Asked<'a> {
    /// A code, and what its PKCE challenge was made from.
    Code(&'a str, &'a Opaque),
    /// A refresh token.
    Refresh(&'a str),
}

/// Asks for tokens. Only a secret that is in a file is worth waiting for.
pub(super) async fn tokens(
    config: &oauth::Provider,
    known: &Known,
    http: &Http,
    asked: &Asked<'_>,
) -> Result<CoreTokenResponse, NoTokens> {
    let ours = &config.client_secret;
    let began = instant();
    let mut current = ours.live.now();
    loop {
        let mut refused = None;
        for secret in current.in_order() {
            match ask(known, http, asked, secret).await {
                Err(why @ NoTokens::UnknownClient(_)) => refused = Some(why),
                away @ Err(NoTokens::Unavailable(_)) => return away,
                decided => {
                    current.works(secret);
                    return decided;
                }
            }
        }
        match refused {
            Some(why) if !ours.may_change || began.elapsed() >= PATIENCE => return Err(why),
            Some(_) | None => current = ours.live.newer_than(&current, PAUSE).await,
        }
    }
}

async fn ask(
    known: &Known,
    http: &Http,
    asked: &Asked<'_>,
    secret: &Secret,
) -> Result<CoreTokenResponse, NoTokens> {
    let secret = ClientSecret::new(secret.expose().to_owned());
    let client = known.client.clone().set_client_secret(secret);
    let missing = |missing: ConfigurationError| NoTokens::Unavailable(missing.to_string());
    let answer = match asked {
        Asked::Code(code, verifier) => {
            let request = client.exchange_code(AuthorizationCode::new((*code).to_owned()));
            let verifier = PkceCodeVerifier::new(verifier.expose().to_owned());
            request.map_err(missing)?.set_pkce_verifier(verifier).request_async(http).await
        }
        Asked::Refresh(token) => {
            let token = RefreshToken::new((*token).to_owned());
            client.exchange_refresh_token(&token).map_err(missing)?.request_async(http).await
        }
    };
    answer.map_err(NoTokens::of)
}

/// A form in our client's name. The crate has no revocation at providers without TLS, which
/// development has.
pub(super) fn form(
    config: &oauth::Provider,
    known: &Known,
    address: &Url,
    fields: &[(&str, &str)],
) -> HttpRequest {
    let secrets = config.client_secret.live.now();
    let secret = secrets.best();
    let credentials = [config.client_id.as_str(), secret.expose()];
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.extend_pairs(fields);
    let mut request = Request::post(address.as_str())
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    if matches!(known.client.auth_type(), AuthType::RequestBody) {
        form.extend_pairs(["client_id", "client_secret"].into_iter().zip(credentials));
    } else {
        // RFC 6749 §2.3.1: each part is encoded by itself.
        let [id, secret] = credentials
            .map(|part| form_urlencoded::byte_serialize(part.as_bytes()).collect::<String>());
        let basic = STANDARD.encode(format!("{id}:{secret}"));
        request = request.header(header::AUTHORIZATION, format!("Basic {basic}"));
    }
    request.body(form.finish().into_bytes()).expect("a URL and these headers make a request")
}
