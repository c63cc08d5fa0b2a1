//! The user id that a token stands for, computed here once more.
//!
//! On purpose not `auth-core`'s code: the demo compares what the filter says with what an outsider
//! gets who knows only the rule.

use serde_json::Value;
use sha2::{Digest, Sha256};

/// `{sanitized}-{hash}` of the user that these claims name; none without a name or an issuer.
pub(crate) fn from_claims(claims: &Value) -> Option<String> {
    let issuer = claims["iss"].as_str()?;
    Some(user_id(username(claims)?, issuer))
}

/// The first that is there; an e-mail address only where it is not known to be unverified.
fn username(claims: &Value) -> Option<&str> {
    let verified = matches!(&claims["email_verified"], Value::Null | Value::Bool(true))
        || claims["email_verified"] == "true";
    ["preferred_username", "email", "name", "sub"]
        .into_iter()
        .filter(|name| *name != "email" || verified)
        .filter_map(|name| claims[name].as_str())
        .find(|value| !value.is_empty())
}

fn user_id(username: &str, issuer: &str) -> String {
    let dashed: String = username
        .to_lowercase()
        .chars()
        .map(|c| if c.is_ascii_lowercase() || c.is_ascii_digit() { c } else { '-' })
        .collect();
    let words: Vec<_> = dashed.split('-').filter(|word| !word.is_empty()).collect();
    let label: String = words.join("-").chars().take(20).collect();
    let label = if label.is_empty() { "user" } else { &label };
    let digest = Sha256::digest(format!("{username}:{issuer}"));
    let hash: String = digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    format!("{label}-{hash}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{from_claims, user_id};

    #[test]
    fn reference_values_of_the_contract() {
        for (username, expected) in [
            ("user@example.com", "user-example-com-11b07dcc"),
            ("Alice.Smith+mcp@Example.COM", "alice-smith-mcp-exam-d3e1813f"),
            ("auth0|user123", "auth0-user123-d8c33dc4"),
            ("--a--b--", "a-b-953f144e"),
            ("abcdefghijklmnopqrs.tuvwxyz@example.com", "abcdefghijklmnopqrs--a5f23e6b"),
            ("日本語", "user-a8efbbee"),
            ("ÅSA Öberg", "sa-berg-d591fa4e"),
            ("İstanbul", "i-stanbul-e1058f5d"),
        ] {
            assert_eq!(user_id(username, "https://tenant.auth0.com/"), expected, "{username}");
        }
    }

    #[test]
    fn the_name_comes_from_the_first_claim_that_has_one() {
        let iss = "https://tenant.auth0.com/";
        let expected = Some(user_id("b@example.com", iss));
        let claims = json!({"iss": iss, "preferred_username": "", "email": "b@example.com"});
        assert_eq!(from_claims(&claims), expected);
        let claims = json!({"iss": iss, "sub": "s", "email": "b@x", "email_verified": false});
        assert_eq!(from_claims(&claims), Some(user_id("s", iss)));
        assert_eq!(from_claims(&json!({"sub": "s"})), None);
    }
}
