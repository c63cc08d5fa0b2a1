//! The secret of our client at Auth0, rotated there and stored here.
//!
//! Auth0 forgets the old secret at once. Should the new one not have been stored, because this was
//! cut short, the next run finds it at Auth0 and stores it, instead of making another.

use serde::{Deserialize, Serialize};

use super::{Context, NotDone, at};
use crate::{
    auth0::{Credentials, Management, application::Application},
    cli::RotateArgs,
    config::values::{GivenUrl, HttpHosts},
    places::{Held, Named},
    secret::Secret,
};

/// What is noted beside the secret.
#[derive(Serialize, Deserialize)]
struct Noted {
    /// Since when it is in use, as far as is known; seconds since 1970.
    since: u64,
}

pub(super) async fn rotate(
    context: &Context<'_>,
    args: &RotateArgs,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<String, NotDone> {
    let now = context.now();
    let held = context.place.read(Named::ClientSecret).await?;
    let Some(held) = held else { return Err(NotDone::Missing(Named::ClientSecret.key())) };
    if let Some(every) = args.every {
        let since = since(&held).unwrap_or(now);
        let due = since.saturating_add(every.as_secs());
        if due > now {
            note(context, since).await?;
            return Ok(format!("client-secret: nothing to do before {}\n", at(due)));
        }
    }
    let client_id = match &args.auth0_client_id {
        Some(id) => id.clone(),
        None => text(context, Named::ClientId).await?,
    };
    let auth0 = connect(context, args, variable).await?;
    let there = Application::find(&auth0, &client_id).await?;
    let there = there.and_then(|application| application.client_secret);
    let Some(there) = there else {
        let why = "the management token may not read the client's secret, or there is no such \
                   client: it needs read:clients, read:client_keys and update:client_keys";
        return Err(NotDone::Needed(format!("client-secret: {why}")));
    };
    if !held.value.matches(there.expose().as_bytes()) {
        store(context, &there, now).await?;
        return Ok("client-secret: Auth0 had a new one already, which is stored now\n".to_owned());
    }
    let new = Application::rotate_secret(&auth0, &client_id).await?;
    if let Err(why) = store(context, &new, now).await {
        let why = format!(
            "client-secret: Auth0 has a new one, which could not be stored: {why}; run this again, \
             it will be found there"
        );
        return Err(NotDone::Needed(why));
    }
    Ok("client-secret: Auth0 has made a new one, which is stored\n".to_owned())
}

/// Since when a secret is in use, if that was noted.
pub(super) fn since(held: &Held) -> Option<u64> {
    let noted = serde_json::from_str::<Noted>(held.notes.as_deref()?);
    noted.ok().map(|noted| noted.since)
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
    let tell = Box::new(|told: &str| eprintln!("{told}"));
    Ok(Management::connect(tenant.url(), &credentials, context.clock.clone(), tell).await?)
}

async fn text(context: &Context<'_>, named: Named) -> Result<String, NotDone> {
    match context.place.read(named).await? {
        Some(held) => Ok(held.value.expose().to_owned()),
        None => Err(NotDone::Missing(named.key())),
    }
}

async fn store(context: &Context<'_>, secret: &Secret, now: u64) -> Result<(), NotDone> {
    let new = Held { value: secret.clone(), notes: Some(noted(now)) };
    context.place.change(Named::ClientSecret, |_| Ok(Some(new.clone()))).await
}

/// Notes since when the secret is in use, if nobody has yet.
async fn note(context: &Context<'_>, since_when: u64) -> Result<(), NotDone> {
    let decide = |held: Option<Held>| {
        let unnoted = held.filter(|held| since(held).is_none());
        Ok(unnoted.map(|held| Held { notes: Some(noted(since_when)), ..held }))
    };
    context.place.change(Named::ClientSecret, decide).await
}

fn noted(since: u64) -> String {
    serde_json::to_string(&Noted { since }).expect("a number becomes JSON")
}
