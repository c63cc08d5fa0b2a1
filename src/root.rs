//! What lives as long as a configuration: the gate, and the fetches that it asks for.

use std::{
    cell::{OnceCell, RefCell},
    collections::HashMap,
    rc::Rc,
    time::Duration,
};

use auth_core::{
    bounded::DigestKey,
    config::{Config, ConfigRefused},
    fetch::{Fetch, FetchId, Report},
    gate::{Gate, StreamId},
    key_ring::FetchOutcome,
    revocation_feed::FeedRead,
    user_id::HashDigits,
};
use log::{error, info, warn};
use proxy_wasm::{
    traits::{Context, HttpContext, RootContext},
    types::ContextType,
};

use crate::{
    host::{self, Counters},
    request::Request,
    verifier,
};

/// What the root context shares with its requests.
pub(crate) struct Shared {
    /// Absent until there is a valid configuration: then nothing is let through.
    gate: RefCell<Option<Gate>>,
    pub(crate) counters: Counters,
}

impl Shared {
    /// Lets the gate decide, and passes on what it counted. Nothing comes back if there is no gate.
    pub(crate) fn with_gate<T>(&self, decide: impl FnOnce(&mut Gate) -> T) -> Option<T> {
        let mut gate = self.gate.borrow_mut();
        let gate = gate.as_mut()?;
        let decided = decide(gate);
        self.counters.flush(gate);
        Some(decided)
    }
}

pub(crate) struct Root {
    shared: OnceCell<Rc<Shared>>,
    under_way: HashMap<u32, FetchId>,
    tick_period: Duration,
}

impl Root {
    pub(crate) fn new() -> Self {
        Self { shared: OnceCell::new(), under_way: HashMap::new(), tick_period: Duration::ZERO }
    }

    fn shared(&self) -> &Rc<Shared> {
        self.shared.get_or_init(|| {
            Rc::new(Shared { gate: RefCell::default(), counters: Counters::define() })
        })
    }

    /// Makes the calls, and finishes those that the host refuses after all others are made: a call
    /// that is made after a request was answered would be that request's, and end with it.
    fn make(&mut self, fetches: Vec<Fetch>) {
        let mut refused = Vec::new();
        for fetch in fetches {
            // The gate asks again for what the host lost; a late answer to the lost call is no answer.
            self.under_way.retain(|_, id| *id != fetch.id);
            match host::dispatch(&fetch) {
                Ok(token) => drop(self.under_way.insert(token, fetch.id)),
                Err(outcome) => refused.push((fetch.id, outcome)),
            }
        }
        for (id, outcome) in refused {
            self.finish(&id, outcome);
        }
    }

    fn finish(&self, id: &FetchId, outcome: FetchOutcome) {
        let now = host::now();
        let fetched = self.shared().with_gate(|gate| {
            let fetched = gate.fetched(id, outcome, now);
            (fetched, gate.is_due(now), gate.revocation_entries())
        });
        let Some((fetched, more_is_due, revocations)) = fetched else { return };
        if *id == FetchId::Revocations {
            self.shared().counters.set_revocation_entries(revocations);
        }
        if more_is_due {
            host::tick_soon();
        }
        report(&fetched.report);
        if let Some(line) = &fetched.audit {
            info!("{line}");
        }
        for (stream, outcome) in &fetched.decided {
            host::perform_on(*stream, outcome);
        }
    }
}

impl Context for Root {
    fn on_http_call_response(
        &mut self,
        token: u32,
        num_headers: usize,
        body_size: usize,
        _: usize,
    ) {
        if let Some(id) = self.under_way.remove(&token) {
            self.finish(&id, host::fetch_outcome(num_headers, body_size));
        }
    }
}

impl RootContext for Root {
    fn on_configure(&mut self, _: usize) -> bool {
        let document = self.get_plugin_configuration().unwrap_or_default();
        let gate = configure(&document);
        if let Err(refused) = &gate {
            error!("{refused}; until this is mended every request is answered 503");
        }
        self.tick_period = gate.as_ref().map_or(Duration::from_secs(1), Gate::tick_period);
        // Answers to the old gate's calls are none to the new one's.
        self.under_way.clear();
        *self.shared().gate.borrow_mut() = gate.ok();
        host::tick_soon();
        true
    }

    fn on_tick(&mut self) {
        host::tick_every(self.tick_period);
        let due = self.shared().with_gate(|gate| gate.due(host::now())).unwrap_or_default();
        self.make(due);
        let overdue = self.shared().with_gate(|gate| gate.overdue(host::now())).unwrap_or_default();
        for (stream, outcome) in &overdue {
            host::perform_on(*stream, outcome);
        }
        if !overdue.is_empty() {
            warn!("{} requests were given up: what they waited for never came", overdue.len());
        }
    }

    fn create_http_context(&self, id: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Request::new(StreamId(id), Rc::clone(self.shared()))))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

fn configure(document: &[u8]) -> Result<Gate, ConfigRefused> {
    let config = Config::parse(document)?;
    let verifier = verifier::pick();
    config.check_algorithms(&*verifier)?;
    if config.user_ids_can_be_searched() {
        warn!("user_id_hash_digits: {}", HashDigits::SEARCHED);
    }
    let mut random = [0; 16];
    getrandom::getrandom(&mut random).map_err(|why| ConfigRefused {
        field: ".".to_owned(),
        problem: format!("the host gives no random bytes: {why}"),
    })?;
    Ok(Gate::new(config, verifier, DigestKey::new(random)))
}

fn report(report: &Report) {
    match report {
        Report::Keys { issuer, usable } => info!("{issuer}: key set fetched, {usable} usable"),
        Report::KeysFailed { issuer, why, stale: true } => {
            warn!("{issuer}: key set not fetched, the old keys stay: {why}");
        }
        Report::KeysFailed { issuer, why, stale: false } => {
            error!("{issuer}: key set not fetched, its tokens cannot be verified: {why}");
        }
        Report::SessionFailed { why, first: true } => warn!("sidecar: no answer of use: {why}"),
        Report::Feed(FeedRead::Failed(why)) => warn!("revocation feed: not read: {why}"),
        Report::Feed(FeedRead::Lost(why)) => {
            error!("revocation feed: lost, on_feed_loss applies: {why}");
        }
        Report::SessionFailed { first: false, .. }
        | Report::Feed(FeedRead::Ordinary | FeedRead::Restored | FeedRead::StillFailing)
        | Report::Nothing => {}
    }
}
