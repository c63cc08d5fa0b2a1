//! `mcp-auth keys reencrypt`, and whether an older storage key is still needed.

use std::time::Duration;

use reqwest::Method;

use super::{Context, NotDone, api::Api, at, ring::Ring};
use crate::{oauth::reencryption::Progress, rotation::Policy, routes::KeysReport};

const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Has everything encrypted anew, and waits for the end of it. A pass that is under way already may
/// have passed by what was written since, so the next one counts.
pub(super) async fn run(api: &Api<'_>, tell: &(dyn Fn(&str) + Sync)) -> Result<String, NotDone> {
    let before = report(api).await?;
    if before.storage.len() < 2 {
        return Ok("there is only one storage key: everything is encrypted with it\n".to_owned());
    }
    let ended = |progress: Option<&Progress>| progress.and_then(|it| it.last.clone());
    let last = ended(before.reencryption.as_ref());
    let under_way = before.reencryption.as_ref().and_then(|it| Some(it.current.as_ref()?.began_at));
    api.send(Method::POST, &["v1", "reencryption"], &[]).await?;
    let mut seen = None;
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let report = report(api).await?;
        let progress = report.reencryption.filter(|it| Some(&it.key) == report.storage.first());
        let pass = ended(progress.as_ref())
            .filter(|pass| Some(pass) != last.as_ref() && Some(pass.began_at) != under_way);
        if let Some(pass) = pass {
            return Ok(format!(
                "{} values looked at, {} encrypted anew, {} that no key opens\n",
                pass.seen, pass.renewed, pass.unreadable
            ));
        }
        let now = progress.and_then(|it| it.current).map(|pass| pass.seen);
        if let Some(count) = now
            && seen != now
        {
            tell(&format!("{count} values looked at so far"));
            seen = now;
        }
    }
}

/// Why an older storage key must stay, if it must: a whole pass that began when every replica
/// encrypted with the first key has to find nothing else.
pub(super) async fn still_needed(
    context: &Context<'_>,
    ring: &Ring,
    policy: &Policy,
) -> Option<String> {
    let report = match report(&context.api).await {
        Ok(report) => report,
        Err(why) => return Some(why.to_string()),
    };
    let first = ring.ids.first()?;
    if report.storage.first() != Some(first) {
        return Some("the service does not work with the newest list yet".to_owned());
    }
    let first_at = ring.notes.get(first).and_then(|stamp| stamp.first_at).unwrap_or(u64::MAX);
    let everywhere = first_at.saturating_add(policy.settle.as_secs());
    let progress = report.reencryption.filter(|progress| &progress.key == first);
    let Some(last) = progress.and_then(|progress| progress.last) else {
        return Some("not everything is encrypted anew yet".to_owned());
    };
    if last.began_at < everywhere {
        return Some(format!("no pass has begun since {} yet", at(everywhere)));
    }
    match last.renewed {
        0 => None,
        found => Some(format!("the last pass still found {found} values of it; another will look")),
    }
}

async fn report(api: &Api<'_>) -> Result<KeysReport, NotDone> {
    Ok(api.json(Method::GET, &["v1", "keys"], &[]).await?)
}
