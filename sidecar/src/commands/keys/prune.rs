//! `mcp-auth keys prune`

use super::{
    Context, NotDone, at, kind, policy, reencrypt,
    ring::{Ring, named},
    rotate::{name, target_name},
};
use crate::{
    cli::PruneArgs,
    rotation::{Kind, Policy, Step, droppable},
};

pub(super) async fn run(context: &Context<'_>, args: &PruneArgs) -> Result<String, NotDone> {
    let mut told = String::new();
    for target in &args.targets {
        let Some(kind) = kind(*target) else {
            let why = format!("{} has no older values to prune", target_name(*target));
            return Err(NotDone::Usage(why));
        };
        let done = one(context, kind, &policy(kind, &args.policy), args.force).await;
        told.push_str(&done.inspect_err(|_| context.tell_so_far(&told))?);
    }
    Ok(told)
}

async fn one(
    context: &Context<'_>,
    kind: Kind,
    policy: &Policy,
    force: bool,
) -> Result<String, NotDone> {
    let (name, now) = (name(kind), context.now());
    if !force {
        may_go(context, kind, policy, now).await?;
    }
    let mut dropped = Vec::new();
    let decide = |held: Option<_>| {
        let mut ring = Ring::read(kind, held.as_ref(), now)?;
        dropped = match force {
            true => ring.ids.iter().skip(1).cloned().collect(),
            false => droppable(&ring.ids, &ring.notes, now, policy),
        };
        ring.take(&Step::Drop(dropped.clone()), now)?;
        Ok::<_, NotDone>(held.as_ref().and_then(|held| ring.changed(Some(held))))
    };
    context.place.change(named(kind), decide).await?;
    Ok(match dropped.as_slice() {
        [] => format!("{name}: there is nothing to drop\n"),
        ids => format!("{name}: {} dropped\n", ids.join(", ")),
    })
}

/// Whether every older key may go; says when, or why not.
async fn may_go(
    context: &Context<'_>,
    kind: Kind,
    policy: &Policy,
    now: u64,
) -> Result<(), NotDone> {
    let held = context.place.read(named(kind)).await?;
    let ring = Ring::read(kind, held.as_ref(), now)?;
    let name = name(kind);
    for id in ring.ids.iter().skip(1) {
        let stamp = ring.notes.get(id);
        let Some(retired_at) = stamp.and_then(|stamp| stamp.retired_at) else { continue };
        match policy.gone_at(retired_at) {
            None => {
                let why = "whether an older token is still used, mcp_auth_token_uses_total and the \
                           filters' configuration tell; --force drops it";
                return Err(NotDone::Needed(format!("{name}: {id} stays: {why}")));
            }
            Some(gone_at) if gone_at > now => {
                let until = at(gone_at);
                return Err(NotDone::Needed(format!("{name}: {id} counts until {until}")));
            }
            Some(_) => {}
        }
    }
    if kind == Kind::Storage && !droppable(&ring.ids, &ring.notes, now, policy).is_empty() {
        let why = reencrypt::still_needed(context, &ring, policy).await;
        return why.map_or(Ok(()), |why| {
            Err(NotDone::Needed(format!("{name}: an older key stays: {why}")))
        });
    }
    Ok(())
}
