//! The model: who may go on, by what has been told so far and without a look at the gate. It knows
//! nothing of caches and waiting, and of each denial it knows whether its reason is true.

use std::collections::{BTreeMap, BTreeSet};

use auth_core::{
    decision::{Decision, HeaderEdits},
    outcome::Outcome,
    session_id::SessionId,
};

use crate::{
    step::{McpSession, Request, Says, Twist as T},
    world::{START, Told, Verdict, owner, user_id},
};

const LEEWAY: u64 = 60;
/// How long what the sidecar said of a session is believed.
const CACHE: u64 = 30;
const FEED_LOSS_AFTER: u64 = 60;
const BODY_PATIENCE: u64 = 60;
const MAX_AGE: u64 = 3600;

/// What has been told.
#[derive(Default)]
pub(crate) struct Model {
    keys: &'static [&'static str],
    verdicts: BTreeMap<String, (Verdict, u64)>,
    revoked: BTreeSet<String>,
    /// Whose MCP sessions are.
    owners: BTreeMap<String, String>,
    /// When the feed was last read; at first, when it was first to be.
    feed_read: Option<u64>,
    sidecar_failed: bool,
}

/// What a request is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Target {
    Open,
    Nothing,
    Unclear,
    Metadata,
    Server,
}

/// What somebody who knows its body finds in a request.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Call {
    None,
    Known(Says),
    Unknowable,
    TooLong,
}

impl Model {
    pub(crate) fn asked(&mut self, now: u64) {
        self.feed_read.get_or_insert(now);
    }

    pub(crate) fn told(&mut self, told: Told, now: u64) {
        match told {
            Told::Keys(kids) => self.keys = kids,
            Told::Session { id, verdict } => {
                self.verdicts.insert(id, (verdict, now));
            }
            Told::Feed { revokes } => {
                self.feed_read = Some(now);
                self.revoked.extend(revokes);
            }
            Told::Owner { mcp_session, owner: Some(owner) } => {
                self.owners.insert(mcp_session, owner);
            }
            Told::Owner { owner: None, .. } | Told::Nothing => {}
            Told::Taken { mcp_session } => {
                self.owners.remove(&mcp_session);
            }
            Told::SidecarFailed => self.sidecar_failed = true,
        }
    }

    /// A server has answered `request` with success in this MCP session.
    pub(crate) fn used(&mut self, request: Request, mcp_session: String) {
        let user = owner(request.issuer(), request.username());
        self.owners.entry(mcp_session).or_insert(user);
    }

    /// Holds what became of a request against what should.
    pub(crate) fn judge(&self, request: Request, came_at: u64, outcome: &Outcome, now: u64) {
        match (&outcome.decision, outcome.reason) {
            (Decision::Forward(edits), reason) => {
                assert_eq!(reason, None);
                self.judge_forward(request, edits, now);
            }
            (Decision::Reply(reply), Some(reason)) => {
                assert!((400..600).contains(&reply.status));
                let true_reason = self.is_true(reason, request, came_at, now);
                assert!(true_reason, "{reason} is not true of {request:?} at {now}");
            }
            (Decision::Reply(reply), None) => {
                assert!(matches!(reply.status, 200 | 204) && request.target() == Target::Metadata);
            }
        }
    }

    fn judge_forward(&self, request: Request, edits: &HeaderEdits, now: u64) {
        let removes = |name: &str| edits.remove.iter().any(|removed| removed == name);
        let set = |name: &str| {
            edits.set.iter().find(|(set, _)| &**set == name).map(|(_, value)| &**value)
        };
        assert!(removes("x_user-id") || !request.has(T::ForgesUser), "a forged identity is left");
        match request.target() {
            Target::Open => return assert!(edits.set.is_empty()),
            Target::Server => {}
            Target::Nothing | Target::Unclear | Target::Metadata => panic!("{request:?} went on"),
        }
        assert!(!request.has(T::OtherOrigin), "another site's page got on");
        let has_token = !request.has(T::NoToken) || request.has(T::TwoTokens);
        assert!(removes("authorization") || !has_token, "the token goes on");
        if request.has(T::Preflight) && !request.has_body() {
            return assert!(edits.set.is_empty());
        }
        assert!(has_token && !request.is_two_things(), "{request:?}");
        assert!(request.flaw().is_none(), "{request:?}");
        assert!(self.has_key(request), "its key is not published any more");
        assert!(now < request.expires_at() + LEEWAY, "it has expired");
        assert!(request.has_begun(now), "it is not valid yet");
        let session = request.session_id();
        assert!(!self.revoked.contains(&session), "its session is revoked");
        assert!(!self.is_feed_lost(now), "nobody knows who is revoked");
        assert!(
            request.has(T::OfObservedIssuer) || self.is_live(request, now),
            "its session is not known"
        );
        assert!(self.is_no_others(request), "the MCP session is somebody else's");
        assert!(!request.has(T::MayNotRead), "its scope is not enough");
        match request.call() {
            Call::None | Call::Known(Says::Add) => {}
            Call::Known(Says::Delete | Says::AddAndDelete) => {
                assert!(!request.has(T::MayNotWrite), "it may not delete");
            }
            Call::Known(Says::Pay) => assert!(request.logged_in_well(now), "a weak or old login"),
            Call::Known(Says::Nothing | Says::Garbage) | Call::Unknowable | Call::TooLong => {
                panic!("nobody knows what it calls")
            }
        }
        let user_id = user_id(request.username(), request.issuer());
        assert_eq!(set("x-user-id"), Some(&*user_id));
        assert_eq!(set("x-session-id"), Some(&*session));
    }

    /// Whether a denial's reason is true.
    fn is_true(&self, reason: &str, request: Request, came_at: u64, now: u64) -> bool {
        let is_main = !request.has(T::OfObservedIssuer);
        match reason {
            "unmatched_path" => request.target() == Target::Nothing,
            "method_not_allowed" => request.target() == Target::Metadata,
            "origin_not_allowed" => request.has(T::OtherOrigin),
            "missing_token" => request.has(T::NoToken),
            "malformed_request" => {
                request.target() == Target::Unclear
                    || request.is_two_things()
                    || request.call() == Call::Unknowable
            }
            "malformed_token" => request.has(T::Garbled),
            "algorithm_not_allowed" => request.has(T::OtherAlgorithm),
            "wrong_type" => request.has(T::OtherType),
            "unknown_issuer" => request.has(T::OfUnknownIssuer),
            "unknown_key" => !self.has_key(request),
            "jwks_unavailable" => is_main && self.keys.is_empty(),
            "bad_signature" => request.has(T::Unsigned),
            "expired" => now >= request.expires_at() + LEEWAY,
            "not_yet_valid" => !request.has_begun(now),
            "wrong_audience" => request.has(T::ForAnotherServer),
            "lifetime_too_long" => request.has(T::LongLife),
            "client_not_allowed" => request.has(T::OtherClient),
            "claim_not_allowed" => request.has(T::OtherTenant),
            "session_revoked" => {
                let said = self.verdicts.get(&request.session_id());
                self.revoked.contains(&request.session_id())
                    || is_main && said.is_some_and(|it| matches!(it.0, Verdict::Revoked))
            }
            "session_not_found" => {
                let known = self.verdicts.contains_key(&request.session_id());
                is_main && known && !self.is_live(request, now)
            }
            "sessions_unavailable" => {
                let is_asked = request.mcp_session != McpSession::None;
                let is_open = is_asked || !self.was_told_lately(request, now);
                self.sidecar_failed || self.is_feed_lost(now) || is_main && is_open
            }
            "session_of_another_user" => !self.is_no_others(request),
            "insufficient_scope" => request.has(T::MayNotRead) || request.has(T::MayNotWrite),
            "insufficient_user_authentication" => !request.logged_in_well(now),
            "body_too_large" => request.call() == Call::TooLong,
            "body_timeout" => now >= came_at + BODY_PATIENCE,
            _ => false,
        }
    }

    fn has_key(&self, request: Request) -> bool {
        match request.has(T::OfObservedIssuer) {
            true => request.kid() == "fixed",
            false => self.keys.contains(&request.kid()),
        }
    }

    fn is_live(&self, request: Request, now: u64) -> bool {
        match self.verdicts.get(&request.session_id()) {
            Some((Verdict::Live { user_id: whose, expires_at }, said)) => {
                let own = *whose == user_id(request.username(), request.issuer());
                own && now < *expires_at && now < said + CACHE
            }
            Some((Verdict::Revoked | Verdict::Unknown, _)) | None => false,
        }
    }

    fn was_told_lately(&self, request: Request, now: u64) -> bool {
        let verdict = self.verdicts.get(&request.session_id());
        verdict.is_some_and(|(_, said)| now < said + CACHE)
    }

    fn is_no_others(&self, request: Request) -> bool {
        let owner = owner(request.issuer(), request.username());
        let known = request.mcp_session.key().and_then(|key| self.owners.get(&key));
        known.is_none_or(|known| *known == owner)
    }

    fn is_feed_lost(&self, now: u64) -> bool {
        self.feed_read.is_some_and(|read| read + FEED_LOSS_AFTER <= now)
    }
}

impl Request {
    fn target(self) -> Target {
        match () {
            () if self.has(T::OpenPath) => Target::Open,
            () if self.has(T::UnknownPath) => Target::Nothing,
            () if self.has(T::EncodedPath) => Target::Unclear,
            () if self.has(T::MetadataPath) => Target::Metadata,
            () => Target::Server,
        }
    }

    /// Whether it could mean two things, whatever it calls.
    fn is_two_things(self) -> bool {
        let has_two_tokens = self.has(T::TwoTokens) && !self.has(T::NoToken);
        let has_two_sessions = self.has(T::TwoMcpSessions);
        has_two_tokens || self.has(T::TokenInQuery) || has_two_sessions
    }

    /// What is wrong with its token whenever it comes.
    fn flaw(self) -> Option<T> {
        let flaws = [
            T::Unsigned,
            T::ForAnotherServer,
            T::OfUnknownIssuer,
            T::OtherAlgorithm,
            T::OtherType,
            T::Garbled,
            T::OtherClient,
            T::OtherTenant,
            T::LongLife,
        ];
        flaws.into_iter().find(|flaw| self.has(*flaw))
    }

    fn has_begun(self, now: u64) -> bool {
        !self.has(T::NotYetValid) || START + 600 <= now + LEEWAY
    }

    fn logged_in_well(self, now: u64) -> bool {
        !self.has(T::WeakLogin) && now <= START + MAX_AGE + LEEWAY
    }

    fn session_id(self) -> String {
        SessionId::new(self.issuer(), &self.sid()).to_string()
    }

    fn call(self) -> Call {
        if !self.has_body() {
            return Call::None;
        }
        if self.has(T::FatBody) {
            return Call::TooLong;
        }
        match self.says {
            Says::Nothing | Says::Garbage => Call::Unknowable,
            _ if self.has(T::Mirrors) && self.has(T::MirrorsFalsely) => Call::Unknowable,
            Says::AddAndDelete if self.has(T::Mirrors) => Call::Unknowable,
            says => Call::Known(says),
        }
    }
}
