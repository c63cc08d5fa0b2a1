//! The secret of our client at Auth0, replaced there and here.
//!
//! Auth0 knows one secret, and forgets the old one when it takes a new one. So the new one is made
//! here, and given to every replica to fall back on, before Auth0 is told of it; then the two change
//! places, and the old one is taken away after a while. What Auth0 says is its secret counts: a run
//! that was cut short, and a rotation in the dashboard, are made up for by the next run.

use std::{
    io::{self, Write},
    time::Duration,
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use rand::{RngCore, rngs::OsRng};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{Context, NotDone, at};
use crate::{
    auth0::{Credentials, Management, application::Application},
    cli::RotateArgs,
    config::values::{GivenUrl, HttpHosts},
    places::{Held, Named},
    secret::Secret,
};

const NAME: &str = "client-secret";

/// What is noted beside a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Noted {
    /// Since when it lies there, as far as is known; seconds since 1970.
    since: u64,
    /// What it is to fall back on, if it is that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    role: Option<Role>,
}

/// What a secret to fall back on is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Role {
    /// The one to come.
    Next,
    /// The one that was.
    Last,
}

/// What lies there.
struct There {
    first: Held,
    fallback: Option<Held>,
    /// The secret that Auth0 knows.
    at_auth0: Secret,
}

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
enum Due {
    /// Make a new secret, for everybody to fall back on.
    Make,
    /// Tell Auth0 of it.
    Tell,
    /// Take the old one away.
    Forget,
    /// Nothing before this second.
    Wait(Wait),
}

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wait {
    Telling(u64),
    Forgetting(u64),
    Making(u64),
}

/// `fallback` is what is noted of a secret to fall back on, `every` the age at which the first is
/// to be replaced. One of which nothing is noted may be anything; it counts as one that was.
fn due(first: u64, fallback: Option<Noted>, now: u64, settle: u64, every: Option<u64>) -> Due {
    let Some(Noted { since, role }) = fallback else {
        return match every.map_or(now, |every| first.saturating_add(every)) {
            ready if ready <= now => Due::Make,
            ready => Due::Wait(Wait::Making(ready)),
        };
    };
    let ready = since.saturating_add(settle);
    match role {
        Some(Role::Next) if ready <= now => Due::Tell,
        Some(Role::Next) => Due::Wait(Wait::Telling(ready)),
        Some(Role::Last) | None if ready <= now => Due::Forget,
        Some(Role::Last) | None => Due::Wait(Wait::Forgetting(ready)),
    }
}

pub(super) async fn rotate(
    context: &Context<'_>,
    args: &RotateArgs,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<String, NotDone> {
    let client_id = match &args.auth0_client_id {
        Some(id) => id.clone(),
        None => text(context, Named::ClientId).await?,
    };
    let auth0 = connect(context, args, variable).await?;
    let (mut told, mut next) = step(context, args, &auth0, &client_id).await?;
    while let (true, Some(Wait::Telling(ready))) = (args.wait, next) {
        (context.tell)(told.trim_end());
        let left = Duration::from_secs(ready.saturating_sub(context.now()) + 1);
        tokio::time::sleep(left).await;
        (told, next) = step(context, args, &auth0, &client_id).await?;
    }
    Ok(told)
}

/// Takes the step that is due; tells what is waited for then.
async fn step(
    context: &Context<'_>,
    args: &RotateArgs,
    auth0: &Management,
    client_id: &str,
) -> Result<(String, Option<Wait>), NotDone> {
    let done = |text: &str| Ok((format!("{NAME}: {text}\n"), None));
    let (now, settle) = (context.now(), args.policy.settle.as_secs());
    let There { first, fallback, at_auth0 } = look(context, auth0, client_id).await?;
    if !is(&first, &at_auth0) {
        exchange(context, &first, &at_auth0).await?;
        return done("Auth0 had another one already, which is used from now on");
    }
    if args.at_once {
        let new = Application::rotate_secret(auth0, client_id).await?;
        exchange(context, &first, &new).await.map_err(|why| {
            NotDone::Needed(format!(
                "{NAME}: Auth0 has a new one, which could not be stored: {why}; run this again, \
                 it will be found there"
            ))
        })?;
        return done("Auth0 has made a new one, which is stored");
    }
    let first_since = note(context, Named::ClientSecret, &first, None).await?;
    let noted = match &fallback {
        None => None,
        Some(held) => {
            let role = noted(held).and_then(|it| it.role);
            Some(Noted { since: note(context, Named::FallbackSecret, held, role).await?, role })
        }
    };
    let every = args.every.map(|every| every.as_secs());
    let wait = match (due(first_since, noted, now, settle, every), fallback) {
        (Due::Make, _) => {
            make(context).await?;
            let wait = Wait::Telling(now.saturating_add(settle));
            let text = format!(
                "{NAME}: a new one was made, and is given to everybody first\n{}",
                said(wait)
            );
            return Ok((text, Some(wait)));
        }
        (Due::Tell, Some(next)) => {
            Application::take_secret(auth0, client_id, &next.value).await?;
            exchange(context, &first, &next.value).await?;
            return done("Auth0 has taken the new one, which is used from now on");
        }
        (Due::Forget, _) => {
            put(context, Named::FallbackSecret, &Secret::new(""), None).await?;
            return done("the old one was taken away");
        }
        (Due::Wait(wait), _) => wait,
        (Due::Tell, None) => unreachable!("only a secret to come is told of"),
    };
    Ok((said(wait), Some(wait)))
}

fn said(wait: Wait) -> String {
    match wait {
        Wait::Telling(ready) => {
            format!("{NAME}: the new one is used with the next run after {}\n", at(ready))
        }
        Wait::Forgetting(ready) => {
            format!("{NAME}: the old one may go with the next run after {}\n", at(ready))
        }
        Wait::Making(ready) => format!("{NAME}: nothing to do before {}\n", at(ready)),
    }
}

/// Of two runs at once, one makes it.
async fn make(context: &Context<'_>) -> Result<(), NotDone> {
    let noted = written(context.now(), Some(Role::Next));
    let decide = |there: Option<Held>| {
        let is_free = there.is_none_or(|held| held.value.expose().is_empty());
        Ok(is_free.then(|| Held { value: generate(), notes: Some(noted.clone()) }))
    };
    context.place.change(Named::FallbackSecret, decide).await
}

async fn look(
    context: &Context<'_>,
    auth0: &Management,
    client_id: &str,
) -> Result<There, NotDone> {
    let first = context.place.read(Named::ClientSecret).await?;
    let Some(first) = first else { return Err(NotDone::Missing(Named::ClientSecret.key())) };
    let fallback = context.place.read(Named::FallbackSecret).await?;
    let is_other = |held: &Held| !held.value.expose().is_empty() && !is(held, &first.value);
    let fallback = fallback.filter(is_other);
    let application = Application::find(auth0, client_id).await?;
    let Some(at_auth0) = application.and_then(|it| it.client_secret) else {
        let why = "the management token may not read the client's secret, or there is no such \
                   client: it needs read:clients, read:client_keys, update:clients and \
                   update:client_keys";
        return Err(NotDone::Needed(format!("{NAME}: {why}")));
    };
    Ok(There { first, fallback, at_auth0 })
}

/// The new secret comes first, and the old one stays to fall back on: Auth0 takes up to half a minute
/// until all of it knows the new one.
async fn exchange(context: &Context<'_>, old: &Held, new: &Secret) -> Result<(), NotDone> {
    put(context, Named::ClientSecret, new, None).await?;
    put(context, Named::FallbackSecret, &old.value, Some(Role::Last)).await
}

/// As long as Auth0's own, and as random.
fn generate() -> Secret {
    let mut bytes = Zeroizing::new([0; 48]);
    OsRng.fill_bytes(bytes.as_mut());
    Secret::new(URL_SAFE_NO_PAD.encode(bytes.as_ref()))
}

/// Since when a secret lies there, if that was noted.
pub(super) fn since(held: &Held) -> Option<u64> {
    noted(held).map(|noted| noted.since)
}

fn noted(held: &Held) -> Option<Noted> {
    serde_json::from_str(held.notes.as_deref()?).ok()
}

async fn connect(
    context: &Context<'_>,
    args: &RotateArgs,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<Management, NotDone> {
    let (name, tenant) = match (&args.mgmt_url, &args.auth0_domain) {
        (Some(url), _) => ("AUTH0_MGMT_URL", url.clone()),
        (None, Some(domain)) => ("AUTH0_DOMAIN", format!("https://{domain}/")),
        (None, None) => {
            (Named::Domain.key(), format!("https://{}/", text(context, Named::Domain).await?))
        }
    };
    let tenant = GivenUrl::parse(&tenant, &HttpHosts::default());
    let tenant = tenant.map_err(|why| NotDone::Usage(format!("{name} {why}")))?;
    let credentials = Credentials::collect(variable)?;
    let tell = Box::new(|told: &str| drop(writeln!(io::stderr(), "mcp-auth: {told}")));
    Ok(Management::connect(tenant.url(), &credentials, context.clock.clone(), tell).await?)
}

async fn text(context: &Context<'_>, named: Named) -> Result<String, NotDone> {
    match context.place.read(named).await? {
        Some(held) => Ok(held.value.expose().to_owned()),
        None => Err(NotDone::Missing(named.key())),
    }
}

async fn put(
    context: &Context<'_>,
    named: Named,
    secret: &Secret,
    role: Option<Role>,
) -> Result<(), NotDone> {
    let new = Held { value: secret.clone(), notes: Some(written(context.now(), role)) };
    context.place.change(named, |_| Ok(Some(new.clone()))).await
}

/// Since when the secret lies there. If nobody has noted that yet, it is since now.
async fn note(
    context: &Context<'_>,
    named: Named,
    held: &Held,
    role: Option<Role>,
) -> Result<u64, NotDone> {
    if let Some(since) = since(held) {
        return Ok(since);
    }
    let now = context.now();
    let decide = |there: Option<Held>| {
        let unnoted = there.filter(|there| since(there).is_none());
        Ok(unnoted.map(|there| Held { notes: Some(written(now, role)), ..there }))
    };
    context.place.change::<NotDone>(named, decide).await?;
    Ok(now)
}

fn written(since: u64, role: Option<Role>) -> String {
    serde_json::to_string(&Noted { since, role }).expect("it becomes JSON")
}

fn is(held: &Held, secret: &Secret) -> bool {
    held.value.matches(secret.expose().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_everywhere_before_it_counts_and_stays_until_it_counts_no_more() {
        let fallback = |since, role| Some(Noted { since, role: Some(role) });
        let due = |fallback, now| due(1000, fallback, now, 100, Some(5000));
        assert_eq!(due(None, 5999), Due::Wait(Wait::Making(6000)));
        assert_eq!(due(None, 6000), Due::Make);
        assert_eq!(due(fallback(6000, Role::Next), 6099), Due::Wait(Wait::Telling(6100)));
        assert_eq!(due(fallback(6000, Role::Next), 6100), Due::Tell);
        assert_eq!(due(fallback(6100, Role::Last), 6199), Due::Wait(Wait::Forgetting(6200)));
        assert_eq!(due(fallback(6100, Role::Last), 6200), Due::Forget);
        let unknown = Some(Noted { since: 6000, role: None });
        assert_eq!(due(unknown, 6100), Due::Forget, "nobody knows that it is a new one");
        assert_eq!(super::due(1000, None, 1000, 100, None), Due::Make);
    }

    #[test]
    fn a_secret_is_made_as_auth0_makes_its_own() {
        let (one, other) = (generate(), generate());
        assert_eq!(one.expose().len(), 64);
        assert_ne!(one.expose(), other.expose());
    }
}
