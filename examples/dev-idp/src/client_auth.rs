//! Client authentication at the token and revocation endpoints: RFC 6749 section 2.3.1.

use axum_extra::{
    TypedHeader,
    headers::{Authorization, authorization::Basic},
};

use crate::{
    client::Client,
    config::Config,
    oauth_error::{ErrorCode, OAuthError},
    params::Params,
};

/// The header that `client_secret_basic` uses; absent otherwise.
pub(crate) type BasicHeader = Option<TypedHeader<Authorization<Basic>>>;

/// The client that sent the request, by `client_secret_basic`, `client_secret_post` or, where it
/// is public, by its id alone.
///
/// # Errors
/// `invalid_client` where it is unknown or its secret wrong, missing or uncalled for;
/// `invalid_request` where two methods are used at once.
pub(crate) fn authenticate<'a>(
    config: &'a Config,
    header: &BasicHeader,
    params: &Params,
) -> Result<&'a Client, OAuthError> {
    let (id, secret) = presented(header, params)?;
    let client = config.client(&id).ok_or_else(|| invalid_client("unknown client"))?;
    match (&client.secret, secret) {
        (None, None) => Ok(client),
        (Some(expected), Some(secret)) if expected.matches(&secret) => Ok(client),
        (Some(_), Some(_)) => Err(invalid_client("wrong client secret")),
        (Some(_), None) => Err(invalid_client("this client must authenticate")),
        (None, Some(_)) => Err(invalid_client("this client is public and has no secret")),
    }
}

fn presented(
    header: &BasicHeader,
    params: &Params,
) -> Result<(String, Option<String>), OAuthError> {
    let secret = params.one("client_secret")?.map(str::to_owned);
    let Some(TypedHeader(Authorization(basic))) = header else {
        let id = params.one("client_id")?.ok_or_else(|| invalid_client("client_id is required"))?;
        return Ok((id.to_owned(), secret));
    };
    let id = form_decoded(basic.username());
    let other_id = params.one("client_id")?.is_some_and(|body| body != id);
    if secret.is_some() || other_id {
        let text = "the client authenticates in two ways at once";
        return Err(OAuthError::new(ErrorCode::InvalidRequest, text));
    }
    Ok((id, Some(form_decoded(basic.password()))))
}

/// Both halves are form-encoded before they are joined: RFC 6749 section 2.3.1.
fn form_decoded(value: &str) -> String {
    let escaped = value.replace('&', "%26").replace('=', "%3D");
    url::form_urlencoded::parse(escaped.as_bytes())
        .next()
        .map_or_else(String::new, |(name, _)| name.into_owned())
}

fn invalid_client(description: &str) -> OAuthError {
    OAuthError::new(ErrorCode::InvalidClient, description)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::config;

    fn authenticated(basic: Option<(&str, &str)>, body: &str) -> Result<String, ErrorCode> {
        let header = basic.map(|(id, secret)| TypedHeader(Authorization::basic(id, secret)));
        authenticate(&config(), &header, &Params::from_urlencoded(body.as_bytes()))
            .map(|c| c.id.to_string())
            .map_err(|e| e.code)
    }

    #[test]
    fn each_method_is_accepted() {
        let confidential = Ok("mcp-auth".to_owned());
        assert_eq!(authenticated(None, "client_id=demo-client"), Ok("demo-client".to_owned()));
        assert_eq!(authenticated(Some(("mcp-auth", "dev-secret")), ""), confidential);
        assert_eq!(authenticated(Some(("mcp%2Dauth", "dev%2Dsecret")), ""), confidential);
        let post = "client_id=mcp-auth&client_secret=dev-secret";
        assert_eq!(authenticated(None, post), confidential);
    }

    #[test]
    fn wrong_missing_doubled_and_uncalled_for_secrets_are_refused() {
        use ErrorCode::{InvalidClient, InvalidRequest};
        let good = Some(("mcp-auth", "dev-secret"));
        for (basic, body, error) in [
            (None, "", InvalidClient),
            (None, "client_id=nobody", InvalidClient),
            (None, "client_id=mcp-auth", InvalidClient),
            (None, "client_id=mcp-auth&client_secret=x", InvalidClient),
            (None, "client_id=demo-client&client_secret=x", InvalidClient),
            (Some(("mcp-auth", "x")), "", InvalidClient),
            (good, "client_secret=dev-secret", InvalidRequest),
            (good, "client_id=demo-client", InvalidRequest),
        ] {
            assert_eq!(authenticated(basic, body), Err(error), "{basic:?} {body}");
        }
    }
}
