//! The revocation feed as `mcp-auth` writes it and the filter reads it (`GET /v1/revocations`).
//! Keeping and matching the entries is left to the reader.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    json::{NotThatKind, Object},
    session::{as_seconds, as_text},
    session_id::SessionId,
    time::UnixTime,
};

/// One entry of the feed: whose tokens are refused, and until when the entry matters.
///
/// ```
/// use auth_core::revocation::Revocation;
/// let text = r#"{"user_id":"alice-1","issued_before":10,"expires_at":20}"#;
/// let entry: Revocation = serde_json::from_str(text)?;
/// assert!(matches!(entry, Revocation::User { .. }));
/// assert!(serde_json::from_str::<Revocation>(r#"{"user_id":"alice-1","expires_at":20}"#).is_err());
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, try_from = "Object")]
pub enum Revocation {
    /// Every token of one session.
    Session {
        /// Names the session.
        #[serde(serialize_with = "as_text::serialize")]
        session_id: SessionId,
        /// No token of the session outlives this.
        #[serde(serialize_with = "as_seconds::serialize")]
        expires_at: UnixTime,
    },
    /// The tokens of one user with `iat` ≤ `issued_before`, and those without `iat`.
    User {
        /// Names the user.
        user_id: String,
        /// The second of the revocation.
        #[serde(serialize_with = "as_seconds::serialize")]
        issued_before: UnixTime,
        /// No token so old outlives this.
        #[serde(serialize_with = "as_seconds::serialize")]
        expires_at: UnixTime,
    },
    /// The tokens of one client with `iat` ≤ `issued_before`, and those without `iat`.
    Client {
        /// Names the client.
        client_id: String,
        /// The second of the revocation.
        #[serde(serialize_with = "as_seconds::serialize")]
        issued_before: UnixTime,
        /// No token so old outlives this.
        #[serde(serialize_with = "as_seconds::serialize")]
        expires_at: UnixTime,
    },
}

impl TryFrom<Object> for Revocation {
    type Error = NotThatKind;

    fn try_from(object: Object) -> Result<Self, NotThatKind> {
        let expires_at = as_seconds::read(&object, "expires_at")?;
        if object.has("session_id") {
            return Ok(Self::Session { session_id: as_text::read(&object)?, expires_at });
        }
        let issued_before = as_seconds::read(&object, "issued_before")?;
        if object.has("user_id") {
            let user_id = object.text("user_id")?.to_owned();
            return Ok(Self::User { user_id, issued_before, expires_at });
        }
        let client_id = object.text("client_id")?.to_owned();
        Ok(Self::Client { client_id, issued_before, expires_at })
    }
}

impl Revocation {
    /// From when on the entry can hit no living token.
    pub fn expires_at(&self) -> UnixTime {
        match self {
            Self::Session { expires_at, .. }
            | Self::User { expires_at, .. }
            | Self::Client { expires_at, .. } => *expires_at,
        }
    }
}

/// One answer of the feed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Object")]
pub struct RevocationPage {
    /// Where the next read begins; opaque.
    pub cursor: String,
    /// Whether another page is ready.
    pub more: bool,
    /// In the order in which they happened.
    pub entries: Vec<Revocation>,
}

impl TryFrom<Object> for RevocationPage {
    type Error = NotThatKind;

    fn try_from(mut object: Object) -> Result<Self, NotThatKind> {
        let entries = object.take_objects("entries")?;
        Ok(Self {
            cursor: object.text("cursor")?.to_owned(),
            more: object.get("more", "true or false", Value::as_bool)?,
            entries: entries.into_iter().map(Revocation::try_from).collect::<Result<_, _>>()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_reads_back_as_it_was_written() {
        let text = concat!(
            r#"{"cursor":"c","more":false,"entries":["#,
            r#"{"session_id":"0123456789abcdef","expires_at":3},"#,
            r#"{"user_id":"u","issued_before":1,"expires_at":2},"#,
            r#"{"client_id":"c","issued_before":1,"expires_at":2}]}"#,
        );
        let page: RevocationPage = serde_json::from_str(text).unwrap();
        assert_eq!(page.entries.len(), 3);
        assert_eq!(page.entries[2].expires_at(), UnixTime::from_secs(2));
        assert_eq!(serde_json::to_string(&page).unwrap(), text);
    }

    #[test]
    fn an_entry_that_names_nobody_is_refused() {
        assert!(serde_json::from_str::<Revocation>(r#"{"expires_at":3}"#).is_err());
        let bad = r#"{"session_id":"short","expires_at":3}"#;
        assert!(serde_json::from_str::<Revocation>(bad).is_err());
    }
}
