//! `mcp-auth keys rotate`

use std::{fmt::Write as _, time::Duration};

use super::{
    Context, NotDone, at, client_secret, kind, policy, reencrypt,
    ring::{Ring, named},
};
use crate::{
    cli::{RotateArgs, Target},
    rotation::{Kind, Policy, Step, Until, droppable, due},
};

/// What is added to the moment that is waited for, because clocks tell whole seconds.
const A_MOMENT: Duration = Duration::from_secs(1);

pub(super) async fn run(
    context: &Context<'_>,
    args: &RotateArgs,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<String, NotDone> {
    let mut told = String::new();
    for target in &args.targets {
        let done = match kind(*target) {
            Some(kind) => one(context, args, kind).await,
            None => client_secret::rotate(context, args, &variable).await,
        };
        told.push_str(&done.inspect_err(|_| context.tell_so_far(&told))?);
    }
    Ok(told)
}

async fn one(context: &Context<'_>, args: &RotateArgs, kind: Kind) -> Result<String, NotDone> {
    let given = Policy { every: args.every, at_once: args.at_once, ..policy(kind, &args.policy) };
    let mut told = step(context, kind, &given).await?;
    if !args.wait {
        return Ok(told.text);
    }
    // From here on the rotation is only ended, none is begun.
    let ending = Policy { every: Some(Duration::MAX), ..given };
    while let Some(Until::Promote(_, ready)) = &told.next {
        let left = Duration::from_secs(ready.saturating_sub(context.now())) + A_MOMENT;
        (context.tell)(told.text.trim_end());
        tokio::time::sleep(left).await;
        told = step(context, kind, &ending).await?;
    }
    Ok(told.text)
}

/// What a run has done, and what comes next.
struct Told {
    text: String,
    next: Option<Until>,
}

/// Drops what may go, and takes one step of a rotation.
async fn step(context: &Context<'_>, kind: Kind, given: &Policy) -> Result<Told, NotDone> {
    let now = context.now();
    let held = context.place.read(named(kind)).await?;
    let before = Ring::read(kind, held.as_ref(), now)?;
    let mut policy = *given;
    let mut kept = None;
    if kind == Kind::Storage && !droppable(&before.ids, &before.notes, now, given).is_empty() {
        kept = reencrypt::still_needed(context, &before, given).await;
        if kept.is_some() {
            policy.counts_for = None;
        }
    }
    let mut told = Told { text: String::new(), next: None };
    context
        .place
        .change(named(kind), |held| {
            told = Told { text: String::new(), next: None };
            let mut ring = Ring::read(kind, held.as_ref(), now)?;
            loop {
                let step = due(&ring.ids, &ring.notes, now, &policy);
                ring.take(&step, now)?;
                line(&mut told.text, kind, &step, &ring);
                match step {
                    Step::Drop(_) => continue,
                    Step::Add { .. } | Step::Promote(_) => {
                        let ending = Policy { every: Some(Duration::MAX), ..policy };
                        if let Step::Wait(until) = due(&ring.ids, &ring.notes, now, &ending) {
                            told.next = Some(until);
                        }
                    }
                    Step::Wait(until) => told.next = Some(until),
                }
                break;
            }
            Ok::<_, NotDone>(ring.changed(held.as_ref()))
        })
        .await?;
    if let Some(until) = &told.next {
        next(&mut told.text, kind, until);
    }
    if let Some(why) = kept {
        writeln!(told.text, "{}: an older key stays: {why}", name(kind)).expect(ALL_TEXT);
    }
    Ok(told)
}

const ALL_TEXT: &str = "a String takes all text";

fn line(text: &mut String, kind: Kind, step: &Step, ring: &Ring) {
    let (name, does) = (name(kind), does(kind));
    let done = match step {
        Step::Add { first: true } => {
            writeln!(text, "{name}: {} was made, and {does} now", ring.ids[0])
        }
        Step::Add { first: false } => {
            writeln!(text, "{name}: {} was made, and is given to everybody first", ring.ids[1])
        }
        Step::Promote(id) => writeln!(text, "{name}: {id} {does} now"),
        Step::Drop(dead) => writeln!(text, "{name}: {} dropped", dead.join(", ")),
        Step::Wait(_) => Ok(()),
    };
    done.expect(ALL_TEXT);
}

fn next(text: &mut String, kind: Kind, until: &Until) {
    let (name, does) = (name(kind), does(kind));
    let done = match until {
        Until::Promote(_, u64::MAX) | Until::Drop(_, u64::MAX) | Until::Add(u64::MAX) => Ok(()),
        Until::Promote(id, ready) => {
            writeln!(text, "{name}: {id} {does} with the next run after {}", at(*ready))
        }
        Until::Drop(id, ready) => {
            writeln!(text, "{name}: {id} may go with the next run after {}", at(*ready))
        }
        Until::Add(ready) => writeln!(text, "{name}: nothing to do before {}", at(*ready)),
    };
    done.expect(ALL_TEXT);
}

pub(super) const fn name(kind: Kind) -> &'static str {
    match kind {
        Kind::Signing => "signing",
        Kind::Storage => "storage",
        Kind::Token => "token",
    }
}

const fn does(kind: Kind) -> &'static str {
    match kind {
        Kind::Signing => "signs",
        Kind::Storage => "encrypts",
        Kind::Token => "is sent by commands",
    }
}

/// The name of a target on the command line.
pub(super) const fn target_name(target: Target) -> &'static str {
    match target {
        Target::Signing => name(Kind::Signing),
        Target::Storage => name(Kind::Storage),
        Target::Token => name(Kind::Token),
        Target::ClientSecret => "client-secret",
    }
}
