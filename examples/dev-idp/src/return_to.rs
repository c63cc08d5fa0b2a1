//! The client's verified address, and the answers that are sent there: RFC 6749 section 4.1.2.

use axum::response::{IntoResponse as _, Redirect, Response};
use url::Url;

use crate::{
    client::Client,
    config::Config,
    issuer::Issuer,
    oauth_error::{ErrorCode, OAuthError},
    params::Params,
    secret::Opaque,
};

/// A registered redirect URI and the `state` to give back. Without one, an error stays here.
#[derive(Debug, Clone)]
pub(crate) struct ReturnTo {
    url: Url,
    state: Option<String>,
}

impl ReturnTo {
    /// The client of an authorization request and where its user is to go back to.
    ///
    /// # Errors
    /// Where the client is unknown or the URI is none of its own: the user must then not be
    /// redirected (RFC 6749 section 4.1.2.1).
    pub(crate) fn verified<'a>(
        params: &Params,
        config: &'a Config,
    ) -> Result<(&'a Client, Self), OAuthError> {
        let id = params.required("client_id")?;
        let unknown = || OAuthError::new(ErrorCode::InvalidRequest, format!("unknown client {id}"));
        let client = config.client(id).ok_or_else(unknown)?;
        let uri = params.required("redirect_uri")?;
        let url = client.redirect(uri).ok_or_else(|| {
            let text = format!("redirect_uri {uri} is not registered for {id}");
            OAuthError::new(ErrorCode::InvalidRequest, text)
        })?;
        let state = params.one("state")?.map(str::to_owned);
        Ok((client, Self { url, state }))
    }

    /// The address of a request that was verified when it came in.
    pub(crate) fn resumed(redirect_uri: &str, state: Option<String>) -> Result<Self, OAuthError> {
        let url = Url::parse(redirect_uri)
            .map_err(|e| OAuthError::new(ErrorCode::InvalidRequest, e.to_string()))?;
        Ok(Self { url, state })
    }

    pub(crate) fn with_code(self, code: &Opaque, issuer: &Issuer) -> Response {
        self.answer(&[("code", code.expose())], issuer)
    }

    pub(crate) fn with_error(self, error: &OAuthError, issuer: &Issuer) -> Response {
        tracing::info!(error = error.code.as_str(), description = %error.description, "refused");
        let answer =
            [("error", error.code.as_str()), ("error_description", error.description.as_str())];
        self.answer(&answer, issuer)
    }

    /// Every answer names its issuer: RFC 9207 section 2.
    fn answer(mut self, parameters: &[(&str, &str)], issuer: &Issuer) -> Response {
        self.url
            .query_pairs_mut()
            .extend_pairs(parameters)
            .extend_pairs(self.state.iter().map(|state| ("state", state)))
            .append_pair("iss", issuer.as_str());
        Redirect::to(self.url.as_str()).into_response()
    }
}
