//! `mcp-auth keys`: shows, rotates and prunes keys where they lie outside of the service. Which step
//! is due is `crate::rotation`'s to say; what is still encrypted with which key, the service's.

mod client_secret;
mod list;
mod prune;
mod reencrypt;
mod ring;
mod rotate;

use auth_core::time::UnixTime;

use super::api::{self, Api};
use crate::{
    auth0,
    cli::{KeysArgs, KeysCommand, PlaceArgs, PolicyArgs, Target},
    clock::Clock,
    config::Refused,
    places::{NotKept, Place},
    rotation::{Kind, Policy},
    secret::Secret,
    text::date,
};

/// Why a command was not done.
#[derive(Debug, thiserror::Error)]
pub enum NotDone {
    /// A variable or flag.
    #[error("{0}")]
    Usage(String),
    /// The place.
    #[error(transparent)]
    Place(#[from] NotKept),
    /// What lies there is no key.
    #[error("{0}: {1}")]
    BadKey(&'static str, String),
    /// Nothing lies there.
    #[error("{0} is not there: make it with `mcp-auth secrets generate`")]
    Missing(&'static str),
    /// A key must stay for now.
    #[error("{0}")]
    Needed(String),
    /// The internal API.
    #[error(transparent)]
    Api(#[from] api::NotDone),
    /// The Management API.
    #[error("{0}")]
    Auth0(#[from] auth0::Failure),
}

impl From<Refused> for NotDone {
    fn from(why: Refused) -> Self {
        Self::Usage(why.to_string())
    }
}

/// What the commands work with.
struct Context<'a> {
    place: Place,
    api: Api<'a>,
    clock: Clock,
    tell: &'a (dyn Fn(&str) + Sync),
}

impl Context<'_> {
    /// What was done before something failed.
    fn tell_so_far(&self, told: &str) {
        told.lines().for_each(self.tell);
    }
}

/// Does what the command line says, and tells what to print. Long work goes on telling `tell`.
///
/// # Errors
/// [`NotDone`]
pub async fn run(
    args: &KeysArgs,
    token: Option<&Secret>,
    variable: impl Fn(&str) -> Option<String>,
    tell: &(dyn Fn(&str) + Sync),
) -> Result<String, NotDone> {
    let api = Api::new(&args.internal_url, token)?;
    let clock = Clock::system();
    let place = |args: &PlaceArgs| place_of(args, &variable);
    match &args.command {
        KeysCommand::List { place: args, policy, json } => {
            let context = Context { place: place(args)?, api, clock, tell };
            list::run(&context, policy, *json).await
        }
        KeysCommand::Rotate(args) => {
            let context = Context { place: place(&args.place)?, api, clock, tell };
            rotate::run(&context, args, &variable).await
        }
        KeysCommand::Prune(args) => {
            let context = Context { place: place(&args.place)?, api, clock, tell };
            prune::run(&context, args).await
        }
        KeysCommand::Reencrypt => reencrypt::run(&api, tell).await,
    }
}

impl Context<'_> {
    fn now(&self) -> u64 {
        self.clock.now().secs()
    }
}

fn place_of(args: &PlaceArgs, variable: impl Fn(&str) -> Option<String>) -> Result<Place, NotDone> {
    match &args.dir {
        Some(folder) => Ok(Place::folder(folder.clone())),
        None => {
            let cluster = args.cluster.clone();
            Ok(Place::kubernetes(cluster.namespace, cluster.context, variable)?)
        }
    }
}

/// The list that is meant, if it is one.
const fn kind(target: Target) -> Option<Kind> {
    match target {
        Target::Signing => Some(Kind::Signing),
        Target::Storage => Some(Kind::Storage),
        Target::Token => Some(Kind::Token),
        Target::ClientSecret => None,
    }
}

fn policy(kind: Kind, args: &PolicyArgs) -> Policy {
    Policy { settle: args.settle, counts_for: kind.counts_for(), every: None, at_once: false }
}

fn at(secs: u64) -> String {
    date(UnixTime::from_secs(secs))
}
