//! `POST /token` (RFC 6749 §3.2): codes and refresh tokens are exchanged for access tokens.

use axum::{
    Json,
    extract::State,
    http::{HeaderName, header},
    response::IntoResponse,
};
use serde_json::json;

use crate::oauth::{
    AuthorizationServer,
    client::Client,
    client_address::ClientAddress,
    error::OAuthError,
    logins::{Issued, Redemption, Renewal},
    opaque::Opaque,
    params::Params,
    refresh_token::RefreshToken,
    resource, scope,
};

pub(super) async fn answer(
    State(server): State<AuthorizationServer>,
    address: ClientAddress,
    params: Params,
) -> Result<impl IntoResponse, OAuthError> {
    server.admit(address, &params)?;
    // A client that hangs up must not cut short what has begun: the provider's refresh token may
    // be spent by then.
    let work = server.under_way.spawn(exchange(server.clone(), params));
    let issued = work.await.map_err(|_| OAuthError::TooSlow)??;
    Ok((NOT_STORED, Json(response(&server, &issued))))
}

/// RFC 6749 §5.1.
const NOT_STORED: [(HeaderName, &str); 2] =
    [(header::CACHE_CONTROL, "no-store"), (header::PRAGMA, "no-cache")];

async fn exchange(server: AuthorizationServer, params: Params) -> Result<Issued, OAuthError> {
    let client = server.clients.authenticate(&params).await?;
    match params.required("grant_type")? {
        "authorization_code" => {
            let redemption = redemption(&server, &params, client)?;
            server.logins.begin(redemption).await
        }
        "refresh_token" => {
            let renewal = renewal(&server, &params, client)?;
            server.logins.renew(renewal).await
        }
        _ => Err(OAuthError::UnsupportedGrantType),
    }
}

fn redemption(
    server: &AuthorizationServer,
    params: &Params,
    client: Client,
) -> Result<Redemption, OAuthError> {
    Ok(Redemption {
        client_id: client.client_id,
        code: Opaque::offered(params.required("code")?),
        redirect_uri: params.one("redirect_uri")?.map(str::to_owned),
        verifier: Opaque::offered(params.required("code_verifier")?),
        resource: resource::named(params, &server.config.resources)?,
    })
}

fn renewal(
    server: &AuthorizationServer,
    params: &Params,
    client: Client,
) -> Result<Renewal, OAuthError> {
    let unknown = OAuthError::InvalidGrant("the refresh token is unknown, used or expired");
    Ok(Renewal {
        client_id: client.client_id,
        token: RefreshToken::parse(params.required("refresh_token")?).ok_or(unknown)?,
        scopes: scope::asked(params.one("scope")?, &server.config.scopes)?,
        resource: resource::named(params, &server.config.resources)?,
    })
}

fn response(server: &AuthorizationServer, issued: &Issued) -> serde_json::Value {
    json!({
        "access_token": issued.access.signed(&server.signing),
        "token_type": "Bearer",
        "expires_in": issued.access.exp - issued.access.iat,
        "refresh_token": issued.refresh.expose(),
        "scope": issued.access.scope,
    })
}

#[cfg(test)]
mod tests;
