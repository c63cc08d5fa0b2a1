//! Every forgery against the core. `tests/blackbox/test_forgeries.py` tries them in Envoy.

use std::collections::HashSet;

use auth_core::{
    bounded::DigestKey,
    config::Config,
    decision::Decision,
    explain::explain,
    fetch::{Fetch, FetchId},
    gate::{Gate, StreamId},
    key_ring::FetchOutcome,
    outcome::Outcome,
    request_head::RequestHead,
    signature::Software,
    time::UnixTime,
};
use forgeries::{Forgery, all, config, key_sets};

/// After everything was issued, before anything ends.
const NOW: u64 = 1_800_000_000;

#[test]
fn every_forgery_is_refused_for_its_reason() {
    let forgeries = all();
    let mut gate = gate();
    let wrong: Vec<String> =
        forgeries.iter().filter_map(|forgery| differs(&mut gate, forgery)).collect();
    assert!(wrong.is_empty(), "{} of {}: {wrong:#?}", wrong.len(), forgeries.len());
    let honest = forgeries.iter().filter(|forgery| forgery.reason == "allowed").count();
    assert_eq!(honest, 8, "the tokens that they were made from pass");
    assert!(forgeries.len() - honest >= 300);
}

#[test]
fn forgeries_have_names_of_their_own_and_differ() {
    let forgeries = all();
    let names: HashSet<_> = forgeries.iter().map(|forgery| &forgery.name).collect();
    assert_eq!(names.len(), forgeries.len());
}

#[test]
fn forgeries_are_the_same_in_every_run() {
    let tokens = || all().into_iter().map(|forgery| forgery.token).collect::<Vec<_>>();
    assert_eq!(tokens(), tokens());
}

#[test]
fn an_explanation_says_what_the_gate_decided_and_shows_no_token() {
    let sets = key_sets();
    for Forgery { name, token, .. } in all() {
        let fetch = |fetch: &Fetch| {
            let body = sets[&fetch.cluster].to_string().into_bytes();
            FetchOutcome::Answered { status: 200, body }
        };
        let head = head(&token);
        let explained = explain(&mut new_gate(), &head, None, fetch, UnixTime::from_secs(NOW));
        let refusals: Vec<_> = explained.findings.iter().filter_map(|it| it.refuses).collect();
        let told: Vec<_> = refusals.iter().map(|denial| denial.reason()).collect();
        let decided = explained.outcome.expect("everything was there").reason;
        assert_eq!(told, Vec::from_iter(decided), "{name}: {:#?}", explained.findings);
        let secret = token.rsplit_once('.').map_or("", |(_, signature)| signature);
        let shows = |text: &str| secret.len() > 20 && text.contains(secret);
        assert!(!explained.findings.iter().any(|finding| shows(&finding.text)), "{name}");
    }
}

/// What became of a forgery, if it is not what should have.
fn differs(gate: &mut Gate, forgery: &Forgery) -> Option<String> {
    let outcome = send(gate, &forgery.token);
    let became = match &outcome.decision {
        Decision::Forward(_) => "allowed",
        Decision::Reply(_) => outcome.reason.unwrap_or("no reason"),
    };
    (became != forgery.reason)
        .then(|| format!("{}: {became}, not {}", forgery.name, forgery.reason))
}

fn send(gate: &mut Gate, token: &str) -> Outcome {
    match gate.start(StreamId(1), head(token), false, UnixTime::from_secs(NOW)) {
        Some(outcome) => outcome,
        None => fetch(gate).pop().expect("it waited for the keys").1,
    }
}

fn head(token: &str) -> RequestHead {
    let fields = [
        (":method", "POST"),
        (":path", "/mcp"),
        (":authority", "mcp.example.com"),
        ("authorization", &format!("Bearer {token}")),
    ];
    let fields = fields.map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec()));
    RequestHead::new(fields.into())
}

fn gate() -> Gate {
    let mut gate = new_gate();
    fetch(&mut gate);
    gate
}

fn new_gate() -> Gate {
    let config = Config::parse(config().to_string().as_bytes()).expect("it is valid");
    Gate::new(config, Box::new(Software), DigestKey::new([7; 16]))
}

/// Makes the fetches that are due.
fn fetch(gate: &mut Gate) -> Vec<(StreamId, Outcome)> {
    let now = UnixTime::from_secs(NOW);
    let sets = key_sets();
    let mut decided = Vec::new();
    for fetch in gate.due(now) {
        assert!(matches!(fetch.id, FetchId::Keys(_)));
        let body = sets[&fetch.cluster].to_string().into_bytes();
        decided.extend(
            gate.fetched(&fetch.id, FetchOutcome::Answered { status: 200, body }, now).decided,
        );
    }
    decided
}
