//! Resources that clients name (RFC 8707), against those that tokens may be for.

use url::Url;

use super::{error::OAuthError, params::Params};
use crate::config::values::GivenUrl;

/// What the parameter `resource` names, byte for byte as it is offered; `None` without one. It is
/// compared as a URL, because clients write `https://host/` for `https://host`, and may be repeated,
/// but a token is for one.
///
/// # Errors
/// [`OAuthError::InvalidTarget`] if it names something else, or more than one.
pub fn named(params: &Params, offered: &[GivenUrl]) -> Result<Option<String>, OAuthError> {
    let mut named = params.all("resource").map(|text| {
        let url = Url::parse(text).ok();
        let ours = offered.iter().find(|ours| Some(ours.url()) == url.as_ref());
        ours.ok_or(OAuthError::InvalidTarget("resource is none of this server's"))
    });
    let Some(first) = named.next().transpose()? else { return Ok(None) };
    for another in named {
        if another? != first {
            return Err(OAuthError::InvalidTarget("resource names more than one"));
        }
    }
    Ok(Some(first.as_str().to_owned()))
}
