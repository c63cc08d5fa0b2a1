//! `POST /revoke` (RFC 7009): a client that is done ends its login, by either of its tokens.

use axum::{
    extract::State,
    http::{StatusCode, header},
    response::IntoResponse,
};

use crate::oauth::{
    AuthorizationServer, access_token::AccessToken, client_address::ClientAddress,
    error::OAuthError, params::Params, refresh_token::RefreshToken,
};

/// A token that means nothing to us is as good as revoked (§2.2); `token_type_hint` is not needed
/// to tell ours apart.
pub(super) async fn answer(
    State(server): State<AuthorizationServer>,
    address: ClientAddress,
    params: Params,
) -> Result<impl IntoResponse, OAuthError> {
    server.admit(address, &params)?;
    let client = server.clients.authenticate(&params).await?;
    let token = params.required("token")?;
    let issuer = server.config.url.as_str();
    if let Some(token) = RefreshToken::parse(token) {
        server.logins.end_by_refresh_token(&token, &client.client_id).await?;
    } else if let Some(claims) = AccessToken::read(&server.signing, issuer, token) {
        server.logins.end_by_access_token(&claims, &client.client_id).await?;
    }
    Ok((StatusCode::OK, [(header::CACHE_CONTROL, "no-store")]))
}
