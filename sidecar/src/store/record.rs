//! What a store keeps of one session: either the session, or that it was revoked unseen.

use auth_core::{
    session::{KnownSession, Session},
    session_id::SessionId,
    time::UnixTime,
};
use serde::{Deserialize, Serialize};

/// A session, or the revocation of one that nobody has recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// A recorded session.
    Session(Session),
    /// A revocation that came first.
    Unseen {
        /// Names the session.
        session_id: SessionId,
        /// When it was revoked.
        revoked_at: UnixTime,
        /// How long that is remembered.
        expires_at: UnixTime,
    },
}

impl Record {
    /// Names the session.
    pub fn id(&self) -> &SessionId {
        match self {
            Self::Session(session) => &session.session_id,
            Self::Unseen { session_id, .. } => session_id,
        }
    }

    /// When the record is gone.
    pub fn expires_at(&self) -> UnixTime {
        match self {
            Self::Session(session) => session.expires_at,
            Self::Unseen { expires_at, .. } => *expires_at,
        }
    }

    /// When the session was revoked, if it was.
    pub fn revoked_at(&self) -> Option<UnixTime> {
        match self {
            Self::Session(session) => session.revoked_at,
            Self::Unseen { revoked_at, .. } => Some(*revoked_at),
        }
    }

    /// The session, if one was recorded.
    pub fn session(&self) -> Option<&Session> {
        match self {
            Self::Session(session) => Some(session),
            Self::Unseen { .. } => None,
        }
    }

    /// What a lookup answers.
    pub fn into_known(self) -> KnownSession {
        match self {
            Self::Session(session) => KnownSession::Recorded(session),
            Self::Unseen { session_id, revoked_at, .. } => {
                KnownSession::RevokedUnseen { session_id, revoked_at }
            }
        }
    }

    /// The bytes a store keeps.
    pub fn to_bytes(&self) -> Vec<u8> {
        let kept = match self {
            Self::Session(session) => Kept::Session(session.clone()),
            Self::Unseen { session_id, revoked_at, expires_at } => Kept::Unseen {
                unseen: session_id.as_str().to_owned(),
                revoked_at: revoked_at.secs(),
                expires_at: expires_at.secs(),
            },
        };
        serde_json::to_vec(&kept).expect("text and numbers become JSON")
    }

    /// Reads the bytes a store kept.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        match serde_json::from_slice(bytes).ok()? {
            Kept::Session(session) => Some(Self::Session(session)),
            Kept::Unseen { unseen, revoked_at, expires_at } => Some(Self::Unseen {
                session_id: SessionId::parse(&unseen)?,
                revoked_at: UnixTime::from_secs(revoked_at),
                expires_at: UnixTime::from_secs(expires_at),
            }),
        }
    }
}

/// The place of a session in every listing: newest first means highest first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The second it was created.
    pub created_at: u64,
    /// Its id, to tell sessions of one second apart.
    pub id: String,
}

impl Position {
    /// The place of this session.
    pub fn of(session: &Session) -> Self {
        Self { created_at: session.created_at.secs(), id: session.session_id.as_str().to_owned() }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Kept {
    Session(Session),
    Unseen { unseen: String, revoked_at: u64, expires_at: u64 },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_read_back_as_they_were_written() {
        let unseen = Record::Unseen {
            session_id: SessionId::new("https://idp/", "sid"),
            revoked_at: UnixTime::from_secs(1),
            expires_at: UnixTime::from_secs(2),
        };
        assert_eq!(Record::from_bytes(&unseen.to_bytes()), Some(unseen));
        assert_eq!(Record::from_bytes(b"{}"), None);
    }
}
