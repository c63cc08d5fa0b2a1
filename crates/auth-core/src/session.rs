//! Sessions as the filter and `mcp-auth` tell them to each other (`GET` and `PUT
//! /v1/sessions/{session_id}`). What may be done with one is decided by whoever holds it.

use serde::{Deserialize, Serialize};

use crate::{
    json::{NotThatKind, Object},
    session_id::SessionId,
    time::UnixTime,
};

/// One login of one user by one client, as it is recorded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Object")]
pub struct Session {
    /// Names the session.
    #[serde(serialize_with = "as_text::serialize")]
    pub session_id: SessionId,
    /// Who is logged in.
    pub user_id: String,
    /// The name that the user id was made of.
    pub username: Option<String>,
    /// The issuer of the identity.
    pub issuer: String,
    /// The issuer of the token, which may stand in front of the identity's.
    pub token_issuer: Option<String>,
    /// The identity's subject at its issuer.
    pub subject: Option<String>,
    /// The OAuth client that acts for the user.
    pub client_id: Option<String>,
    /// What was granted.
    pub scopes: Vec<String>,
    /// When the session was first recorded.
    #[serde(serialize_with = "as_seconds::serialize")]
    pub created_at: UnixTime,
    /// When it was last recorded or refreshed.
    #[serde(serialize_with = "as_seconds::serialize")]
    pub last_seen_at: UnixTime,
    /// When it ends by itself.
    #[serde(serialize_with = "as_seconds::serialize")]
    pub expires_at: UnixTime,
    /// When it was revoked, if it was.
    #[serde(serialize_with = "as_optional_seconds::serialize")]
    pub revoked_at: Option<UnixTime>,
}

/// What a lookup finds: a recorded session, or the revocation of one that was never recorded.
///
/// ```
/// use auth_core::session::KnownSession;
/// let text = r#"{"session_id":"0123456789abcdef","revoked_at":1790000000}"#;
/// let known: KnownSession = serde_json::from_str(text)?;
/// assert!(matches!(known, KnownSession::RevokedUnseen { .. }));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, try_from = "Object")]
pub enum KnownSession {
    /// A session somebody recorded, revoked or not.
    Recorded(Session),
    /// Revoked before anybody recorded it.
    RevokedUnseen {
        /// Names the session.
        #[serde(serialize_with = "as_text::serialize")]
        session_id: SessionId,
        /// When it was revoked.
        #[serde(serialize_with = "as_seconds::serialize")]
        revoked_at: UnixTime,
    },
}

impl TryFrom<&Object> for Session {
    type Error = NotThatKind;

    fn try_from(object: &Object) -> Result<Self, NotThatKind> {
        Ok(Self {
            session_id: as_text::read(object)?,
            user_id: object.text("user_id")?.to_owned(),
            username: object.optional_text("username")?,
            issuer: object.text("issuer")?.to_owned(),
            token_issuer: object.optional_text("token_issuer")?,
            subject: object.optional_text("subject")?,
            client_id: object.optional_text("client_id")?,
            scopes: object.texts("scopes")?,
            created_at: as_seconds::read(object, "created_at")?,
            last_seen_at: as_seconds::read(object, "last_seen_at")?,
            expires_at: as_seconds::read(object, "expires_at")?,
            revoked_at: match object.has("revoked_at") {
                true => Some(as_seconds::read(object, "revoked_at")?),
                false => None,
            },
        })
    }
}

impl TryFrom<Object> for Session {
    type Error = NotThatKind;

    fn try_from(object: Object) -> Result<Self, NotThatKind> {
        Self::try_from(&object)
    }
}

impl TryFrom<Object> for KnownSession {
    type Error = NotThatKind;

    fn try_from(object: Object) -> Result<Self, NotThatKind> {
        let why = match Session::try_from(&object) {
            Ok(session) => return Ok(Self::Recorded(session)),
            Err(why) => why,
        };
        match (as_text::read(&object), as_seconds::read(&object, "revoked_at")) {
            (Ok(session_id), Ok(revoked_at)) => Ok(Self::RevokedUnseen { session_id, revoked_at }),
            _ => Err(why),
        }
    }
}

impl KnownSession {
    /// When it was revoked, if it was.
    pub fn revoked_at(&self) -> Option<UnixTime> {
        match self {
            Self::Recorded(session) => session.revoked_at,
            Self::RevokedUnseen { revoked_at, .. } => Some(*revoked_at),
        }
    }
}

/// The body of `PUT /v1/sessions/{session_id}`: what the caller knows. Times other than the end
/// are the store's to decide, so members with their names are ignored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionReport {
    /// Must agree with the address, where given.
    #[serde(default, with = "as_optional_text", skip_serializing_if = "Option::is_none")]
    pub session_id: Option<SessionId>,
    /// Who is logged in.
    pub user_id: String,
    /// The name that the user id was made of.
    #[serde(default)]
    pub username: Option<String>,
    /// The issuer of the identity.
    pub issuer: String,
    /// The issuer of the token.
    #[serde(default)]
    pub token_issuer: Option<String>,
    /// The identity's subject at its issuer.
    #[serde(default)]
    pub subject: Option<String>,
    /// The OAuth client that acts for the user.
    #[serde(default)]
    pub client_id: Option<String>,
    /// What was granted.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// When the session ends by itself.
    #[serde(with = "as_seconds")]
    pub expires_at: UnixTime,
}

/// Whole seconds since 1970, at most 2⁵³.
pub(crate) mod as_seconds {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    use crate::{
        json::{NotThatKind, Object},
        time::UnixTime,
    };

    const LATEST: u64 = 1 << 53;

    pub(crate) fn read(object: &Object, name: &'static str) -> Result<UnixTime, NotThatKind> {
        object.get(name, "a whole number up to 2^53", |value| {
            value.as_u64().filter(|secs| *secs <= LATEST).map(UnixTime::from_secs)
        })
    }

    pub(crate) fn serialize<S: Serializer>(time: &UnixTime, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_u64(time.secs())
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<UnixTime, D::Error> {
        match u64::deserialize(from)? {
            secs if secs <= LATEST => Ok(UnixTime::from_secs(secs)),
            _ => Err(D::Error::custom("a time beyond 2^53 seconds")),
        }
    }
}

mod as_optional_seconds {
    use serde::{Serialize, Serializer};

    use crate::time::UnixTime;

    #[expect(clippy::ref_option, reason = "the signature is serde's")]
    pub(super) fn serialize<S: Serializer>(
        time: &Option<UnixTime>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        time.map(UnixTime::secs).serialize(to)
    }
}

/// A session id as its text.
pub(crate) mod as_text {
    use serde::Serializer;
    use serde_json::Value;

    use crate::{
        json::{NotThatKind, Object},
        session_id::SessionId,
    };

    pub(crate) fn read(object: &Object) -> Result<SessionId, NotThatKind> {
        object.get("session_id", "16 to 64 characters of base64url", |value: &Value| {
            SessionId::parse(value.as_str()?)
        })
    }

    pub(crate) fn serialize<S: Serializer>(id: &SessionId, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(id.as_str())
    }
}

mod as_optional_text {
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

    use crate::session_id::SessionId;

    #[expect(clippy::ref_option, reason = "the signature is serde's")]
    pub(super) fn serialize<S: Serializer>(
        id: &Option<SessionId>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        id.as_ref().map(SessionId::as_str).serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<SessionId>, D::Error> {
        let Some(text) = Option::<String>::deserialize(from)? else { return Ok(None) };
        SessionId::parse(&text)
            .map(Some)
            .ok_or_else(|| D::Error::custom("a session id has 16 to 64 characters of base64url"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SESSION: &str = r#"{"session_id":"0123456789abcdef","user_id":"alice-1","username":null,"issuer":"https://idp/","token_issuer":null,"subject":"s","client_id":null,"scopes":["mcp:read"],"created_at":1,"last_seen_at":2,"expires_at":3,"revoked_at":null}"#;

    #[test]
    fn a_session_reads_back_as_it_was_written() {
        let known: KnownSession = serde_json::from_str(SESSION).unwrap();
        assert!(matches!(&known, KnownSession::Recorded(session) if session.user_id == "alice-1"));
        assert_eq!(known.revoked_at(), None);
        assert_eq!(serde_json::to_string(&known).unwrap(), SESSION);
    }

    #[test]
    fn a_report_needs_user_issuer_and_end() {
        let whole = r#"{"user_id":"u","issuer":"i","expires_at":9,"created_at":"ignored"}"#;
        assert!(serde_json::from_str::<SessionReport>(whole).is_ok());
        for member in ["user_id", "issuer", "expires_at"] {
            let lacking = whole.replace(member, "x");
            assert!(serde_json::from_str::<SessionReport>(&lacking).is_err(), "{member}");
        }
    }

    #[test]
    fn times_are_whole_seconds_within_reason() {
        for time in ["-1", "1.5", "\"9\"", "null", "9007199254740993"] {
            let text = format!(r#"{{"user_id":"u","issuer":"i","expires_at":{time}}}"#);
            assert!(serde_json::from_str::<SessionReport>(&text).is_err(), "{time}");
        }
    }
}
