//! The principal: who a verified token speaks for, and the headers that tell an MCP server so.

use std::{borrow::Cow, cell::OnceCell, rc::Rc, sync::Arc, time::Duration};

use serde_json::Value;

use crate::{
    claims::VerifiedClaims,
    config::{ClaimRule, Config, Issuer, IssuerIndex, ScopeHierarchy},
    denial::Denial,
    identity_header::{self, IdentityHeader, Source},
    json::Json,
    mcp::session::Owner,
    needs::Needs,
    scope::Scope,
    session_id::SessionId,
    time::UnixTime,
    user_id::UserId,
};

/// Whoever a token speaks for. Made only from verified claims.
#[derive(Debug)]
pub struct Principal {
    pub(crate) issuer: IssuerIndex,
    pub(crate) user_id: UserId,
    // Texts are shared with the headers that carry them as they are: a gateway remembers a hundred
    // thousand principals.
    pub(crate) username: Arc<str>,
    pub(crate) identity_issuer: Arc<str>,
    pub(crate) subject: Option<Arc<str>>,
    pub(crate) client_id: Option<Arc<str>>,
    /// As the token says.
    pub(crate) scopes: TokenScopes,
    /// What those bring with them.
    implied_scopes: Box<[Box<str>]>,
    /// `acr` and `auth_time`, where some rule asks for them.
    acr: Option<Box<str>>,
    auth_time: Option<u64>,
    /// The claims that rules are about, those that are there.
    policy_claims: Box<[(Box<str>, Value)]>,
    /// Whom MCP sessions are bound to, once somebody has asked.
    owner: OnceCell<Owner>,
    pub(crate) session_id: SessionId,
    pub(crate) validity: Validity,
    pub(crate) audiences: Box<[Box<str>]>,
    /// The identity headers, encoded.
    pub(crate) headers: Rc<[(Rc<str>, Arc<str>)]>,
}

/// Scopes of a token, each once, joined by spaces: none has a space in it.
#[derive(Debug)]
pub(crate) struct TokenScopes(pub(crate) Arc<str>);

impl TokenScopes {
    pub(crate) fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.split(' ').filter(|scope| !scope.is_empty())
    }

    fn contains(&self, scope: &str) -> bool {
        self.iter().any(|own| own == scope)
    }
}

/// When a token is valid, in seconds since 1970.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Validity {
    exp: u64,
    nbf: Option<u64>,
    pub(crate) iat: Option<u64>,
}

impl Principal {
    /// Reads the claims.
    ///
    /// # Errors
    /// [`Denial::MalformedToken`] if a claim that is needed is missing, or one that is used has the
    /// wrong type.
    pub fn new(claims: &VerifiedClaims<'_>, config: &Config) -> Result<Self, Denial> {
        let issuer = &config.issuers[claims.issuer().0];
        let username = username(claims, issuer)?;
        let identity_issuer = identity_issuer(claims, issuer)?;
        let subject = claims.text("sub")?;
        let scopes = scopes(claims, issuer)?;
        let wanted = &config.policy_claims;
        let claim = |name: &String| Some((name.as_str().into(), claims.get(name)?.clone().into()));
        let mut principal = Self {
            issuer: claims.issuer(),
            user_id: UserId::new(username, &identity_issuer, config.hash_digits),
            username: username.into(),
            identity_issuer,
            subject: subject.map(Arc::from),
            implied_scopes: implied(&scopes, &config.scope_hierarchy),
            acr: if wanted.acr { claims.text("acr")?.map(Box::from) } else { None },
            auth_time: if wanted.auth_time { claims.date("auth_time")? } else { None },
            policy_claims: wanted.names.iter().filter_map(claim).collect(),
            owner: OnceCell::new(),
            client_id: client_id(claims)?.map(Arc::from),
            scopes,
            session_id: claims.session_id().clone(),
            validity: Validity::read(claims)?,
            audiences: claims.list("aud")?.into_iter().map(Box::from).collect(),
            headers: Rc::new([]),
        };
        principal.headers = config
            .identity_headers
            .iter()
            .filter_map(|header| principal.header(header, claims, issuer))
            .collect();
        Ok(principal)
    }

    /// Whom MCP sessions are bound to: the person, whatever token they show.
    pub(crate) fn owner(&self) -> Owner {
        let subject = self.subject.as_ref().unwrap_or(&self.username);
        *self.owner.get_or_init(|| Owner::new(&self.identity_issuer, subject))
    }

    /// Whether the claim that `rule` is about has one of its values, or is a list that does.
    pub(crate) fn fits(&self, rule: &ClaimRule) -> bool {
        let found = self.policy_claims.iter().find(|(name, _)| **name == *rule.name);
        found.is_some_and(|(_, value)| match value {
            Value::Array(items) => items.iter().any(|item| rule.values.contains(item)),
            value => rule.values.contains(value),
        })
    }

    /// Checks what a request needs: scopes first, then the login.
    pub(crate) fn meets(
        &self,
        needs: &Needs,
        leeway: Duration,
        now: UnixTime,
    ) -> Result<(), Denial> {
        let implied = |scope: &str| self.implied_scopes.iter().any(|own| **own == *scope);
        let granted =
            |scope: &Scope| self.scopes.contains(scope.as_str()) || implied(scope.as_str());
        if !needs.scopes.iter().all(granted) {
            return Err(Denial::InsufficientScope);
        }
        match self.logged_in_well_enough(needs, leeway, now) {
            true => Ok(()),
            false => Err(Denial::InsufficientUserAuthentication),
        }
    }

    /// Whether the login is recent and strong enough. Where nobody says when it was, the token was
    /// issued no sooner.
    pub(crate) fn logged_in_well_enough(
        &self,
        needs: &Needs,
        leeway: Duration,
        now: UnixTime,
    ) -> bool {
        let since = self.auth_time.or(self.validity.iat).map(UnixTime::from_secs);
        let is_recent = |most: Duration| since.is_some_and(|since| now <= since + most + leeway);
        let acr = self.acr.as_deref();
        needs.max_age.is_none_or(is_recent)
            && needs
                .acr_values
                .iter()
                .all(|list| acr.is_some_and(|acr| list.iter().any(|one| one == acr)))
    }

    fn header(
        &self,
        header: &IdentityHeader,
        claims: &VerifiedClaims<'_>,
        issuer: &Issuer,
    ) -> Option<(Rc<str>, Arc<str>)> {
        let value = match header.source() {
            Source::UserId => encoded(&self.user_id.shared())?,
            Source::Username => encoded(&self.username)?,
            Source::Issuer => encoded(&self.identity_issuer)?,
            Source::TokenIssuer => encoded(&issuer.issuer)?,
            Source::Subject => encoded(self.subject.as_ref()?)?,
            Source::Scopes => encoded(&self.scopes.0)?,
            Source::ClientId => encoded(self.client_id.as_ref()?)?,
            Source::SessionId => identity_header::encode(self.session_id.as_str())?.into(),
            Source::Claim(name) if name == "email" && !email_is_verified(claims) => return None,
            Source::Claim(name) => identity_header::encode(&claim_text(claims.get(name)?)?)?.into(),
        };
        Some((Rc::clone(header.name()), value))
    }
}

impl Validity {
    fn read(claims: &VerifiedClaims<'_>) -> Result<Self, Denial> {
        let exp = claims.date("exp")?.ok_or(Denial::MalformedToken)?;
        Ok(Self { exp, nbf: claims.date("nbf")?, iat: claims.date("iat")? })
    }

    /// Checks the dates against the clock: `exp`, then `nbf` and `iat`.
    pub(crate) fn check(&self, leeway: Duration, now: UnixTime) -> Result<(), Denial> {
        if now >= self.end(leeway) {
            return Err(Denial::Expired);
        }
        let latest_start = (now + leeway).secs();
        match [self.nbf, self.iat].into_iter().flatten().any(|start| start > latest_start) {
            true => Err(Denial::NotYetValid),
            false => Ok(()),
        }
    }

    /// When the token stops being accepted.
    pub(crate) fn end(&self, leeway: Duration) -> UnixTime {
        UnixTime::from_secs(self.exp) + leeway
    }

    /// Checks how long the token lives in all.
    pub(crate) fn check_lifetime(&self, most: Option<Duration>) -> Result<(), Denial> {
        let Some(most) = most else { return Ok(()) };
        match self.iat {
            Some(iat) if self.exp.saturating_sub(iat) <= most.as_secs() => Ok(()),
            _ => Err(Denial::LifetimeTooLong),
        }
    }
}

/// The first of the configured claims that is a non-empty string; an unverified email is passed
/// over.
fn username<'c>(claims: &'c VerifiedClaims<'_>, issuer: &Issuer) -> Result<&'c str, Denial> {
    issuer
        .username_claims
        .iter()
        .filter(|name| *name != "email" || email_is_verified(claims))
        .find_map(|name| claims.get(name)?.as_str().filter(|text| !text.is_empty()))
        .ok_or(Denial::MalformedToken)
}

fn email_is_verified(claims: &VerifiedClaims<'_>) -> bool {
    match claims.get("email_verified") {
        None | Some(Json::Bool(true)) => true,
        Some(Json::Text(text)) => text == "true",
        Some(_) => false,
    }
}

fn identity_issuer(claims: &VerifiedClaims<'_>, issuer: &Issuer) -> Result<Arc<str>, Denial> {
    let Some(claim) = &issuer.identity_issuer_claim else { return Ok(Arc::clone(&issuer.issuer)) };
    let named = claims.text(claim)?.filter(|text| !text.is_empty());
    named.map(Arc::from).ok_or(Denial::MalformedToken)
}

/// A text as a header carries it: shared where it stays as it is.
fn encoded(text: &Arc<str>) -> Option<Arc<str>> {
    match identity_header::encode(text)? {
        Cow::Borrowed(_) => Some(Arc::clone(text)),
        Cow::Owned(encoded) => Some(encoded.into()),
    }
}

fn client_id<'c>(claims: &'c VerifiedClaims<'_>) -> Result<Option<&'c str>, Denial> {
    match (claims.text("azp")?, claims.text("client_id")?) {
        (Some(azp), Some(client_id)) if azp != client_id => Err(Denial::MalformedToken),
        (azp, client_id) => Ok(azp.or(client_id)),
    }
}

/// Scopes of all the configured claims: strings are split at spaces, items of arrays stand for
/// themselves. An item with a space in it would read as two scopes further on, so it counts for none.
fn scopes(claims: &VerifiedClaims<'_>, issuer: &Issuer) -> Result<TokenScopes, Denial> {
    let mut scopes: Vec<&str> = Vec::new();
    let mut add = |item| {
        let one = !str::is_empty(item) && !item.contains(char::is_whitespace);
        if one && !scopes.contains(&item) {
            scopes.push(item);
        }
    };
    for name in &issuer.scope_claims {
        match claims.get(name) {
            Some(Json::Text(text)) => text.split(' ').for_each(&mut add),
            _ => claims.list(name)?.into_iter().for_each(&mut add),
        }
    }
    Ok(TokenScopes(scopes.join(" ").into()))
}

/// What these scopes bring with them.
fn implied(scopes: &TokenScopes, hierarchy: &ScopeHierarchy) -> Box<[Box<str>]> {
    let granted = hierarchy.iter().filter(|(scope, _)| scopes.contains(scope));
    granted.flat_map(|(_, implied)| implied).map(|scope| scope.as_str().into()).collect()
}

/// A claim as a header's text: strings, numbers and booleans, arrays of strings.
fn claim_text<'c>(value: &'c Json<'_>) -> Option<Cow<'c, str>> {
    match value {
        Json::Text(text) => Some(Cow::Borrowed(text)),
        Json::Number(number) => Some(Cow::Owned(number.to_string())),
        Json::Bool(flag) => Some(Cow::Owned(flag.to_string())),
        Json::List(items) => {
            let texts: Option<Vec<&str>> = items.iter().map(Json::as_str).collect();
            Some(Cow::Owned(texts?.join(" ")))
        }
        Json::Null | Json::Object(_) => None,
    }
}
