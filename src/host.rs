//! Every call to the host, in the words of `auth_core`.

use std::{time::Duration, time::SystemTime};

use auth_core::{
    decision::{Decision, HeaderEdits, LocalReply},
    fetch::Fetch,
    gate::{Gate, StreamId},
    key_ring::FetchOutcome,
    metric::{Metric, REVOCATION_ENTRIES},
    outcome::Outcome,
    request_head::RequestHead,
    time::UnixTime,
};
use log::{error, info};
use proxy_wasm::{
    hostcalls,
    types::{BufferType, MapType, MetricType},
};

/// The time to the next tick when a request waits for a fetch.
const SOON: Duration = Duration::from_millis(1);

/// What is left to do with a request's stream after an outcome was performed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stream {
    /// Let it go on.
    GoesOn,
    /// It has been answered.
    Answered,
}

/// The host's clock.
pub(crate) fn now() -> UnixTime {
    let since_1970 = hostcalls::get_current_time()
        .ok()
        .and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok())
        .unwrap_or_default();
    UnixTime::from_millis(u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX))
}

/// The head of the current request.
pub(crate) fn request_head() -> RequestHead {
    RequestHead::new(hostcalls::get_map_bytes(MapType::HttpRequestHeaders).unwrap_or_default())
}

/// The body of the current request from one place to another.
pub(crate) fn request_body(from: usize, to: usize) -> Option<Vec<u8>> {
    let size = to.checked_sub(from)?;
    if size == 0 {
        return Some(Vec::new());
    }
    let chunk = hostcalls::get_buffer(BufferType::HttpRequestBody, from, size).ok().flatten()?;
    (chunk.len() == size).then_some(chunk)
}

/// The first value of a field of the current answer.
pub(crate) fn response_header(name: &str) -> Option<Vec<u8>> {
    hostcalls::get_map_value_bytes(MapType::HttpResponseHeaders, name).ok().flatten()
}

/// Asks for ticks at the ordinary pace.
pub(crate) fn tick_every(period: Duration) {
    set_tick_period(period);
}

/// Asks for a tick at once: only the root context's calls outlive the request that needs them.
pub(crate) fn tick_soon() {
    set_tick_period(SOON);
}

fn set_tick_period(period: Duration) {
    if let Err(status) = hostcalls::set_tick_period(period) {
        error!("the host refused the tick period: {status:?}");
    }
}

/// Makes a fetch; its number, or why the host did not make it.
pub(crate) fn dispatch(fetch: &Fetch) -> Result<u32, FetchOutcome> {
    let headers = fetch.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let body = fetch.body.as_deref().map(str::as_bytes);
    hostcalls::dispatch_http_call(&fetch.cluster, headers, body, Vec::new(), fetch.timeout)
        .map_err(|_| FetchOutcome::Unanswered("the host does not know the cluster"))
}

/// The outcome of the fetch whose answer is current.
pub(crate) fn fetch_outcome(num_headers: usize, body_size: usize) -> FetchOutcome {
    if num_headers == 0 {
        return FetchOutcome::Unanswered("the connection broke or the answer was too large");
    }
    let header = |name| {
        hostcalls::get_map_value_bytes(MapType::HttpCallResponseHeaders, name).ok().flatten()
    };
    let status = header(":status")
        .and_then(|status| std::str::from_utf8(&status).ok()?.parse().ok())
        .unwrap_or(0);
    let by_the_host = header("date").is_none() && header("server").is_none();
    match status {
        504 if by_the_host => return FetchOutcome::Unanswered("it took too long"),
        503 if by_the_host => return FetchOutcome::Unanswered("no connection"),
        _ => {}
    }
    let body = match body_size {
        0 => Vec::new(),
        size => hostcalls::get_buffer(BufferType::HttpCallResponseBody, 0, size)
            .ok()
            .flatten()
            .unwrap_or_default(),
    };
    FetchOutcome::Answered { status, body }
}

/// Performs an outcome on a stream that is not the current one, and lets it go on. A stream that is
/// gone meanwhile needs nothing.
pub(crate) fn perform_on(stream: StreamId, outcome: &Outcome) {
    if hostcalls::set_effective_context(stream.0).is_err() {
        return;
    }
    if perform(outcome) == Stream::GoesOn
        && let Err(status) = hostcalls::resume_http_request()
    {
        error!("the host could not resume a request: {status:?}");
    }
}

/// Performs an outcome on the current stream.
pub(crate) fn perform(outcome: &Outcome) -> Stream {
    if let Some(line) = &outcome.audit {
        info!("{line}");
    }
    if let Some(user_id) = &outcome.user_id {
        set_filter_state("mcp_auth.user_id", user_id.as_str());
    }
    if let Some(reason) = outcome.reason {
        set_filter_state("mcp_auth.reason", reason);
    }
    if let Some(call) = &outcome.call {
        set_filter_state("mcp_auth.mcp_method", &call.method);
        if let Some(name) = &call.name {
            set_filter_state("mcp_auth.mcp_name", name);
        }
    }
    match &outcome.decision {
        Decision::Forward(edits) => match edit(edits) {
            Ok(()) => Stream::GoesOn,
            Err(status) => {
                error!("the host could not edit the request headers: {status:?}");
                reply(&LocalReply::not_configured())
            }
        },
        Decision::Reply(local) => reply(local),
    }
}

fn edit(edits: &HeaderEdits) -> Result<(), proxy_wasm::types::Status> {
    for name in &edits.remove {
        hostcalls::remove_map_value(MapType::HttpRequestHeaders, name)?;
    }
    for (name, value) in edits.set.iter() {
        hostcalls::set_map_value(MapType::HttpRequestHeaders, name, Some(value))?;
    }
    Ok(())
}

/// Answers the current request.
pub(crate) fn reply(local: &LocalReply) -> Stream {
    let headers = local.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let body = Some(local.body.as_bytes()).filter(|body| !body.is_empty());
    if let Err(status) = hostcalls::send_http_response(local.status.into(), headers, body) {
        error!("the host could not send a reply: {status:?}");
    }
    Stream::Answered
}

/// Access logs read it as `%FILTER_STATE(wasm.<name>:PLAIN)%`.
fn set_filter_state(name: &str, value: &str) {
    if let Err(status) = hostcalls::set_property(vec![name], Some(value.as_bytes())) {
        error!("the host could not keep {name}: {status:?}");
    }
}

/// The host's counters. A second definition of a name would be a second counter, so each is defined
/// once.
pub(crate) struct Counters {
    /// Those that every request counts come first, so a search ends at once.
    ids: Vec<(Metric, u32)>,
    revocation_entries: Option<u32>,
}

impl Counters {
    /// Defines all counters, so that they show as zero before they count.
    pub(crate) fn define() -> Self {
        let id = |metric: Metric| {
            let id = hostcalls::define_metric(MetricType::Counter, &metric.name()).ok()?;
            Some((metric, id))
        };
        Self {
            ids: Metric::all().filter_map(id).collect(),
            revocation_entries: hostcalls::define_metric(MetricType::Gauge, REVOCATION_ENTRIES)
                .ok(),
        }
    }

    /// Passes on what the gate counted.
    pub(crate) fn flush(&self, gate: &mut Gate) {
        for metric in gate.take_counts() {
            self.increment(metric);
        }
    }

    /// Counts one.
    pub(crate) fn increment(&self, metric: Metric) {
        let own = self.ids.iter().find(|(own, _)| *own == metric);
        if let Some((_, id)) = own
            && let Err(status) = hostcalls::increment_metric(*id, 1)
        {
            error!("the host could not count {}: {status:?}", metric.name());
        }
    }

    /// Says how many entries of the revocation feed this worker holds.
    pub(crate) fn set_revocation_entries(&self, entries: usize) {
        if let Some(id) = self.revocation_entries
            && let Err(status) = hostcalls::record_metric(id, entries as u64)
        {
            error!("the host could not record {REVOCATION_ENTRIES}: {status:?}");
        }
    }
}
