//! Scopes that clients ask for, against those that are offered.

use super::error::OAuthError;

/// Scopes of OpenID Connect, which many clients ask for by habit. They mean nothing to an MCP
/// server and are passed over.
const PASSED_OVER: [&str; 4] = ["openid", "profile", "email", "offline_access"];

/// The scopes of the parameter `scope` (RFC 6749 §3.3), each once; none if it asks for none.
///
/// ```
/// use mcp_auth::oauth::scope::asked;
/// let offered = ["mcp:read".to_owned(), "mcp:write".to_owned()];
/// assert_eq!(asked(Some("openid mcp:write mcp:write"), &offered).unwrap(), ["mcp:write"]);
/// assert!(asked(Some("admin"), &offered).is_err());
/// ```
///
/// # Errors
/// [`OAuthError::InvalidScope`] if one is not offered.
pub fn asked(parameter: Option<&str>, offered: &[String]) -> Result<Vec<String>, OAuthError> {
    let mut scopes: Vec<String> = Vec::new();
    for scope in parameter.unwrap_or("").split(' ').filter(|scope| !scope.is_empty()) {
        if offered.iter().all(|known| known != scope) {
            if PASSED_OVER.contains(&scope) {
                continue;
            }
            let sentence = format!("the scopes offered are {}", offered.join(" "));
            return Err(OAuthError::InvalidScope(sentence));
        }
        if scopes.iter().all(|known| known != scope) {
            scopes.push(scope.to_owned());
        }
    }
    Ok(scopes)
}
