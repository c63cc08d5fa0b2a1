//! Every forgery against the core. `tests/blackbox/test_forgeries.py` tries them in Envoy.

use std::collections::HashSet;

use auth_core::{
    bounded::DigestKey,
    config::Config,
    decision::Decision,
    fetch::FetchId,
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
    let now = UnixTime::from_secs(NOW);
    let fields = [
        (":method", "POST"),
        (":path", "/mcp"),
        (":authority", "mcp.example.com"),
        ("authorization", &format!("Bearer {token}")),
    ];
    let fields = fields.map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec()));
    let head = RequestHead::new(fields.into());
    match gate.start(StreamId(1), head, false, now) {
        Some(outcome) => outcome,
        None => fetch(gate).pop().expect("it waited for the keys").1,
    }
}

fn gate() -> Gate {
    let config = Config::parse(config().to_string().as_bytes()).expect("it is valid");
    let mut gate = Gate::new(config, Box::new(Software), DigestKey::new([7; 16]));
    fetch(&mut gate);
    gate
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
