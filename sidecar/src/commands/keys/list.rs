//! `mcp-auth keys list`

use auth_core::time::UnixTime;
use comfy_table::{Table, presets::NOTHING};
use serde::Serialize;

use super::{
    Context, NotDone, at, policy,
    ring::{Ring, named},
    rotate::name,
};
use crate::{
    cli::PolicyArgs,
    places::Named,
    rotation::{Kind, Stamp},
    text::{ago, pretty},
};

/// One key.
#[derive(Serialize)]
struct Row {
    list: &'static str,
    id: String,
    state: String,
    #[serde(flatten)]
    stamp: Stamp,
    is_noted: bool,
}

pub(super) async fn run(
    context: &Context<'_>,
    args: &PolicyArgs,
    json: bool,
) -> Result<String, NotDone> {
    let now = context.now();
    let mut rows = Vec::new();
    for kind in [Kind::Signing, Kind::Storage, Kind::Token] {
        let held = context.place.read(named(kind)).await?;
        let known = Ring::read(kind, held.as_ref(), now)?;
        let noted = held.as_ref().and_then(|held| held.notes.as_deref()).unwrap_or_default();
        for (nth, id) in known.ids.iter().enumerate() {
            let stamp = known.notes.get(id).cloned().unwrap_or_default();
            let is_noted = noted.contains(&format!("\"{id}\""));
            let state = state(kind, nth, &stamp, args);
            rows.push(Row { list: name(kind), id: id.clone(), state, stamp, is_noted });
        }
    }
    if json {
        return Ok(pretty(&rows));
    }
    let secret = context.place.read(Named::ClientSecret).await?;
    let mut table = Table::new();
    table.load_style(NOTHING);
    table.set_header(["LIST", "KEY", "ADDED", "STATE"]);
    for row in &rows {
        let added = match row.is_noted {
            true => ago(UnixTime::from_secs(row.stamp.added_at), UnixTime::from_secs(now)),
            false => "not noted".to_owned(),
        };
        table.add_row([row.list.to_owned(), row.id.clone(), added, row.state.clone()]);
    }
    if let Some(secret) = secret {
        let since = super::client_secret::since(&secret);
        let added = since.map_or("not noted".to_owned(), |since| {
            ago(UnixTime::from_secs(since), UnixTime::from_secs(now))
        });
        table.add_row(["client-secret".to_owned(), "–".to_owned(), added, "in use".to_owned()]);
    }
    Ok(format!("{table}\n"))
}

fn state(kind: Kind, nth: usize, stamp: &Stamp, args: &PolicyArgs) -> String {
    if nth == 0 {
        return match kind {
            Kind::Signing => "signs",
            Kind::Storage => "encrypts",
            Kind::Token => "is sent, and taken",
        }
        .to_owned();
    }
    let policy = policy(kind, args);
    match stamp.retired_at {
        None => {
            let ready = stamp.added_at.saturating_add(policy.settle.as_secs());
            format!("is given to everybody; may be used from {}", at(ready))
        }
        Some(retired_at) => match policy.gone_at(retired_at) {
            None => "is still taken".to_owned(),
            Some(gone_at) => format!("still counts; may go from {}", at(gone_at)),
        },
    }
}
