//! What the provider remembers: logins under way, sessions, codes and refresh tokens. All in
//! memory, all bounded: the least recently used entry makes room for a new one.

use std::{num::NonZeroUsize, time::Duration};

use lru::LruCache;

use crate::{
    audience::Audiences,
    client::ClientId,
    clock::UnixTime,
    oauth_error::{ErrorCode, OAuthError},
    pkce::Challenge,
    scope::ScopeSet,
    secret::Opaque,
    user::User,
};

/// How long a code may be redeemed.
pub(crate) const CODE_LIFETIME: Duration = Duration::from_secs(60);
/// How long a login page may stay open.
const LOGIN_LIFETIME: Duration = Duration::from_secs(15 * 60);
/// How long a browser stays logged in.
const SESSION_LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);
/// Entries of each kind.
const CAPACITY: NonZeroUsize = NonZeroUsize::new(10_000).expect("ten thousand is not zero");

/// A valid authorization request, waiting for its user.
#[derive(Debug, Clone)]
pub(crate) struct AuthorizationRequest {
    pub(crate) client: ClientId,
    pub(crate) redirect_uri: String,
    pub(crate) state: Option<String>,
    pub(crate) nonce: Option<String>,
    pub(crate) scope: ScopeSet,
    pub(crate) audiences: Audiences,
    pub(crate) challenge: Challenge,
    pub(crate) login_hint: Option<String>,
}

/// Who logged in, when, in which browser session.
#[derive(Debug, Clone)]
pub(crate) struct Login {
    pub(crate) user: User,
    pub(crate) auth_time: UnixTime,
    /// The public `sid`, not the cookie's value.
    pub(crate) sid: String,
}

/// What a login gave a client.
#[derive(Debug, Clone)]
pub(crate) struct Grant {
    pub(crate) client: ClientId,
    pub(crate) login: Login,
    pub(crate) scope: ScopeSet,
    pub(crate) audiences: Audiences,
    pub(crate) nonce: Option<String>,
}

/// All that came of one code: it dies as a whole when a spent part of it is used again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Family(Opaque);

/// A code or refresh token was refused. The client reads `invalid_grant`, with this text.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum GrantRefused {
    #[error("unknown, revoked or of another client")]
    Unknown,
    #[error("expired")]
    Expired,
    #[error("used before; everything issued from it is revoked")]
    UsedBefore,
    #[error("redirect_uri is not the one of the authorization request")]
    OtherRedirect,
    #[error("code_verifier does not match code_challenge")]
    BadVerifier,
}

impl From<GrantRefused> for OAuthError {
    fn from(refused: GrantRefused) -> Self {
        Self::new(ErrorCode::InvalidGrant, refused.to_string())
    }
}

/// The memory itself.
pub(crate) struct Grants {
    logins: LruCache<Opaque, Timed<AuthorizationRequest>>,
    sessions: LruCache<Opaque, Timed<Login>>,
    codes: LruCache<Opaque, Issued<CodeTerms>>,
    refresh_tokens: LruCache<Opaque, Issued<()>>,
    /// Users by subject, for `/userinfo`.
    users: LruCache<String, User>,
    /// The `jti` of access tokens that were revoked.
    revoked: LruCache<String, ()>,
}

impl Grants {
    pub(crate) fn new() -> Self {
        Self {
            logins: LruCache::new(CAPACITY),
            sessions: LruCache::new(CAPACITY),
            codes: LruCache::new(CAPACITY),
            refresh_tokens: LruCache::new(CAPACITY),
            users: LruCache::new(CAPACITY),
            revoked: LruCache::new(CAPACITY),
        }
    }

    /// Keeps `request` until its user has logged in; the id names it on the login page.
    pub(crate) fn await_login(&mut self, request: AuthorizationRequest, now: UnixTime) -> Opaque {
        let id = Opaque::random();
        self.logins.put(id.clone(), Timed { value: request, until: now.after(LOGIN_LIFETIME) });
        id
    }

    pub(crate) fn awaited(&self, id: &Opaque, now: UnixTime) -> Option<&AuthorizationRequest> {
        self.logins.peek(id).and_then(|login| login.at(now))
    }

    /// The request behind a login page, which is thereby done.
    pub(crate) fn take_awaited(
        &mut self,
        id: &Opaque,
        now: UnixTime,
    ) -> Option<AuthorizationRequest> {
        self.logins.pop(id).filter(|login| login.at(now).is_some()).map(|login| login.value)
    }

    /// Opens a browser session for `user`; the id is the cookie's value.
    pub(crate) fn open_session(&mut self, user: User, now: UnixTime) -> (Opaque, Login) {
        let id = Opaque::random();
        let sid = Opaque::random().expose().to_owned();
        let login = Login { user, auth_time: now, sid };
        self.remember(login.user.clone());
        let until = now.after(SESSION_LIFETIME);
        self.sessions.put(id.clone(), Timed { value: login.clone(), until });
        (id, login)
    }

    pub(crate) fn session(&self, id: &Opaque, now: UnixTime) -> Option<&Login> {
        self.sessions.peek(id).and_then(|session| session.at(now))
    }

    pub(crate) fn close_session(&mut self, id: &Opaque) {
        self.sessions.pop(id);
    }

    /// A code for what `request` asked, now that its user has logged in.
    pub(crate) fn issue_code(
        &mut self,
        request: AuthorizationRequest,
        login: Login,
        now: UnixTime,
    ) -> Opaque {
        let code = Opaque::random();
        let terms = CodeTerms { redirect_uri: request.redirect_uri, challenge: request.challenge };
        let grant = Grant {
            client: request.client,
            login,
            scope: request.scope,
            audiences: request.audiences,
            nonce: request.nonce,
        };
        let family = Family(Opaque::random());
        let until = now.after(CODE_LIFETIME);
        self.codes.put(code.clone(), Issued { grant, family, until, spent: false, terms });
        code
    }

    /// Spends a code: RFC 6749 section 4.1.3, RFC 7636 section 4.6.
    ///
    /// # Errors
    /// A second use revokes the whole family. A wrong redirect URI or verifier spends the code
    /// too: whoever holds it without them is no honest client.
    pub(crate) fn redeem_code(
        &mut self,
        code: &Opaque,
        client: &ClientId,
        redirect_uri: &str,
        verifier: &str,
        now: UnixTime,
    ) -> Result<(Grant, Family), GrantRefused> {
        let issued = self.codes.peek_mut(code).ok_or(GrantRefused::Unknown)?;
        let was_fresh = issued.check(client, now);
        issued.spent |= was_fresh.is_ok();
        let issued = issued.clone();
        self.refused_reuse_kills(was_fresh, &issued.family)?;
        if issued.terms.redirect_uri != redirect_uri {
            return Err(GrantRefused::OtherRedirect);
        }
        if !issued.terms.challenge.is_met_by(verifier) {
            return Err(GrantRefused::BadVerifier);
        }
        Ok((issued.grant, issued.family))
    }

    pub(crate) fn issue_refresh_token(
        &mut self,
        grant: Grant,
        family: Family,
        until: UnixTime,
    ) -> Opaque {
        let token = Opaque::random();
        let issued = Issued { grant, family, until, spent: false, terms: () };
        self.refresh_tokens.put(token.clone(), issued);
        token
    }

    /// What a refresh token still grants; it stays good until [`Self::rotate`].
    ///
    /// # Errors
    /// The use of a token that was rotated away revokes its family (RFC 9700 section 4.14.2).
    pub(crate) fn refreshable(
        &mut self,
        token: &Opaque,
        client: &ClientId,
        now: UnixTime,
    ) -> Result<Grant, GrantRefused> {
        let issued = self.refresh_tokens.peek(token).ok_or(GrantRefused::Unknown)?.clone();
        self.refused_reuse_kills(issued.check(client, now), &issued.family)?;
        Ok(issued.grant)
    }

    /// Spends a refresh token and gives its successor, which ends when the first would have.
    pub(crate) fn rotate(&mut self, token: &Opaque) -> Option<Opaque> {
        let spent = self.refresh_tokens.peek_mut(token)?;
        spent.spent = true;
        let Issued { grant, family, until, .. } = spent.clone();
        Some(self.issue_refresh_token(grant, family, until))
    }

    /// Revokes the family of a refresh token: RFC 7009 section 2.1.
    ///
    /// # Errors
    /// Where the token belongs to another client.
    pub(crate) fn revoke_refresh_token(
        &mut self,
        token: &Opaque,
        client: &ClientId,
    ) -> Result<Revoked, GrantRefused> {
        let Some(issued) = self.refresh_tokens.peek(token) else { return Ok(Revoked::Nothing) };
        if issued.grant.client != *client {
            return Err(GrantRefused::Unknown);
        }
        let family = issued.family.clone();
        self.revoke_family(&family);
        Ok(Revoked::Family)
    }

    pub(crate) fn revoke_access_token(&mut self, jti: &str) {
        self.revoked.put(jti.to_owned(), ());
    }

    pub(crate) fn is_revoked(&self, jti: &str) -> bool {
        self.revoked.contains(jti)
    }

    /// Lets `/userinfo` know `user`, whose token was issued without a login.
    pub(crate) fn remember(&mut self, user: User) {
        self.users.put(user.subject(), user);
    }

    pub(crate) fn user(&self, subject: &str) -> Option<&User> {
        self.users.peek(subject)
    }

    fn refused_reuse_kills(
        &mut self,
        outcome: Result<(), GrantRefused>,
        family: &Family,
    ) -> Result<(), GrantRefused> {
        if outcome == Err(GrantRefused::UsedBefore) {
            self.revoke_family(family);
        }
        outcome
    }

    fn revoke_family(&mut self, family: &Family) {
        self.refresh_tokens.retain(|_, issued| issued.family != *family);
    }
}

/// What revoking a refresh token did.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Revoked {
    Family,
    Nothing,
}

struct Timed<T> {
    value: T,
    until: UnixTime,
}

impl<T> Timed<T> {
    fn at(&self, now: UnixTime) -> Option<&T> {
        (now < self.until).then_some(&self.value)
    }
}

#[derive(Clone)]
struct Issued<T> {
    grant: Grant,
    family: Family,
    until: UnixTime,
    spent: bool,
    terms: T,
}

impl<T> Issued<T> {
    fn check(&self, client: &ClientId, now: UnixTime) -> Result<(), GrantRefused> {
        if self.grant.client != *client {
            return Err(GrantRefused::Unknown);
        }
        if self.spent {
            return Err(GrantRefused::UsedBefore);
        }
        if now >= self.until {
            return Err(GrantRefused::Expired);
        }
        Ok(())
    }
}

#[derive(Clone)]
struct CodeTerms {
    redirect_uri: String,
    challenge: Challenge,
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixTime = UnixTime::from_secs(1_000);

    #[test]
    fn logins_are_bounded() {
        let mut grants = Grants::new();
        let first = grants.await_login(request(), NOW);
        for _ in 0..CAPACITY.get() {
            grants.await_login(request(), NOW);
        }
        assert!(grants.awaited(&first, NOW).is_none());
        assert_eq!(grants.logins.len(), CAPACITY.get());
    }

    #[test]
    fn sessions_and_login_pages_end() {
        let mut grants = Grants::new();
        let page = grants.await_login(request(), NOW);
        let (session, _) = grants.open_session(User::named("a").unwrap(), NOW);
        assert!(grants.awaited(&page, NOW.shifted(899)).is_some());
        assert!(grants.take_awaited(&page, NOW.shifted(900)).is_none());
        assert!(grants.session(&session, NOW.shifted(86_399)).is_some());
        assert!(grants.session(&session, NOW.shifted(86_400)).is_none());
    }

    #[test]
    fn another_clients_attempt_does_not_spend_a_code() {
        let mut grants = Grants::new();
        let (_, login) = grants.open_session(User::named("a").unwrap(), NOW);
        let code = grants.issue_code(request(), login, NOW);
        let redeem = |grants: &mut Grants, client: &str| {
            let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
            grants.redeem_code(&code, &ClientId::new(client), "http://localhost/", verifier, NOW)
        };
        assert_eq!(redeem(&mut grants, "thief").unwrap_err(), GrantRefused::Unknown);
        assert!(redeem(&mut grants, "demo-client").is_ok());
    }

    fn request() -> AuthorizationRequest {
        let challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
        AuthorizationRequest {
            client: ClientId::new("demo-client"),
            redirect_uri: "http://localhost/".into(),
            state: None,
            nonce: None,
            scope: ScopeSet::default(),
            audiences: Audiences::default(),
            challenge: Challenge::parse(Some(challenge), Some("S256")).unwrap(),
            login_hint: None,
        }
    }
}
