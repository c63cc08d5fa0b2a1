//! Why a request is decided as it is, in an operator's words: every rule that was asked, what it found,
//! and how it decided. The verdict is the gate's; what is told on the way comes from the same functions
//! in the same order as in [`crate::flow`], so the two cannot part without a test noticing.

mod teller;
mod words;

use self::teller::Teller;
use crate::{
    denial::Denial,
    fetch::Fetch,
    gate::{Gate, StreamId},
    key_ring::FetchOutcome,
    outcome::Outcome,
    request_head::RequestHead,
    time::UnixTime,
};

/// Rounds of fetches, at most: keys, then a session.
const MOST_ROUNDS: usize = 4;

/// A decision with the way to it.
#[derive(Debug)]
pub struct Explanation {
    /// What was found, in the order in which it is asked.
    pub findings: Vec<Finding>,
    /// What the gate decided; nothing if what it needs did not arrive.
    pub outcome: Option<Outcome>,
}

/// What one rule found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Which rule: `path`, `origin`, `token`, ….
    pub subject: &'static str,
    /// What it looked at, without a secret.
    pub text: String,
    /// The reason, if it refuses the request.
    pub refuses: Option<Denial>,
}

/// Lets `gate` decide a request and tells why. `fetch` makes the calls that the gate asks for.
///
/// The token must not have been decided by this gate before, or the caches answer.
pub fn explain(
    gate: &mut Gate,
    head: &RequestHead,
    body: Option<&[u8]>,
    mut fetch: impl FnMut(&Fetch) -> FetchOutcome,
    now: UnixTime,
) -> Explanation {
    let id = StreamId(1);
    make_fetches(gate, &mut fetch, now);
    let mut outcome = gate.start(id, head.clone(), body.is_some(), now);
    for _ in 0..MOST_ROUNDS {
        if outcome.is_some() {
            break;
        }
        outcome = body.and_then(|body| gate.body(id, body, true, now));
        outcome = outcome.or_else(|| make_fetches(gate, &mut fetch, now));
    }
    gate.forget(id);
    let mut findings = Teller::tell(gate, head, body, now);
    let refused = findings.iter().any(|finding| finding.refuses.is_some());
    // What only the gate knows: sessions, revocations, MCP sessions, outages.
    if let (Some(reason), false) = (outcome.as_ref().and_then(|outcome| outcome.reason), refused) {
        let denial = Denial::ALL.into_iter().find(|denial| denial.reason() == reason);
        let text = denial.map_or(reason, Denial::description).to_owned();
        findings.push(Finding { subject: "decision", text, refuses: denial });
    }
    Explanation { findings, outcome }
}

/// Makes what is due, and returns what it decided.
fn make_fetches(
    gate: &mut Gate,
    fetch: &mut impl FnMut(&Fetch) -> FetchOutcome,
    now: UnixTime,
) -> Option<Outcome> {
    let mut decided = None;
    for due in gate.due(now) {
        let outcome = fetch(&due);
        let fetched = gate.fetched(&due.id, outcome, now);
        decided = decided.or(fetched.decided.into_iter().next().map(|(_, outcome)| outcome));
    }
    decided
}
