//! Dispatched calls, timers, the clock, metrics, queues and foreign functions.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};

use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType, LogLevel, MetricType, Status};
use proxy_wasm_testhost::{Call, CallState, Failure, Outcome, Response, TestHost, Undelivered};

#[test]
fn call_is_captured_as_the_plugin_made_it() {
    let host = started();
    host.get("/").send();
    let call = host.take_call();
    assert_eq!((call.cluster.as_str(), call.method(), call.path()), ("auth", "POST", "/check"));
    assert_eq!((call.body.as_slice(), call.timeout), (b"q".as_slice(), Some(SECOND)));
    assert_eq!(host.call_state(&call), CallState::InFlight);
}

#[test]
fn answer_lets_the_plugin_go_on() {
    let host = started();
    let stream = host.get("/").send();
    assert_eq!(stream.outcome(), Outcome::Paused);
    host.answer(&host.take_call(), Response::ok("yes"));
    assert!(stream.forwarded().is_some());
    assert!(host.calls().is_empty());
}

#[test]
fn answers_may_come_in_any_order() {
    let host = started();
    let (first, second) = (host.get("/1").send(), host.get("/2").send());
    let (call_of_first, call_of_second) = (host.take_call(), host.take_call());
    host.answer(&call_of_second, Response::ok("yes"));
    assert!(first.is_paused() && second.forwarded().is_some());
    host.answer(&call_of_first, Response::ok("no"));
    assert_eq!(first.reply().status, 403);
}

#[test]
fn call_to_an_unknown_cluster_is_refused_at_once() {
    let stream = started().get("/").header("x-cluster", "nowhere").send();
    assert_eq!(stream.reply().text(), "BadArgument");
}

#[test]
fn call_without_a_pseudo_header_is_refused_at_once() {
    let stream = started().get("/").header("x-drop", ":authority").send();
    assert_eq!(stream.reply().text(), "BadArgument");
}

#[test]
fn call_is_answered_once() {
    let host = started();
    host.get("/").send();
    let call = host.take_call();
    host.answer(&call, Response::ok("yes"));
    let again = host.try_answer(&call, Response::ok("yes"));
    assert_eq!(again, Err(Undelivered::AlreadyAnswered(call.token)));
}

#[test]
fn call_outlives_its_stream_and_its_answer_is_dropped() {
    let host = started();
    let stream = host.get("/").send();
    stream.close();
    let call = host.take_call();
    host.answer(&call, Response::ok("yes"));
    assert_eq!(stream.outcome(), Outcome::Abandoned);
    assert_eq!(host.call_state(&call), CallState::Answered);
}

#[test]
fn timeout_is_a_synthetic_504() {
    let host = started();
    let stream = host.get("/").send();
    host.advance(SECOND - Duration::from_millis(1));
    assert!(stream.is_paused());
    host.advance(Duration::from_millis(1));
    assert_eq!(stream.reply().text(), "status 504, 24 bytes");
}

#[test]
fn timeout_of_zero_is_none() {
    let host = started();
    let stream = host.get("/").header("x-timeout", "0").send();
    host.advance(Duration::from_secs(86_400));
    assert!(stream.is_paused());
    assert_eq!(host.take_call().timeout, None);
}

#[test]
fn failures_look_as_in_envoy() {
    let seen = |failure| {
        let host = started();
        let stream = host.get("/").send();
        host.fail(&host.take_call(), failure);
        let text = stream.reply().text().to_owned();
        text.split(',').next().unwrap_or_default().to_owned()
    };
    assert_eq!(seen(Failure::Refused), "status 503");
    assert_eq!(seen(Failure::Timeout), "status 504");
    assert_eq!(seen(Failure::Reset), "no headers");
    assert_eq!(seen(Failure::TooLarge), "no headers");
}

#[test]
fn call_of_the_root_calls_the_root_back() {
    let host = started();
    host.advance(TICK);
    let call: Call = host.take_call();
    assert_eq!(call.path(), "/keys");
    host.answer(&call, Response::ok("keys"));
    assert!(host.logged("root got 4 bytes"));
}

#[test]
fn ticks_come_each_period_and_see_their_own_time() {
    let host = started();
    host.set_time(UNIX_EPOCH + Duration::from_secs(1000));
    host.advance(TICK * 2 + SECOND);
    assert!(host.logged("tick at 1010") && host.logged("tick at 1020"));
    assert_eq!(host.metrics().counter("ticks"), 2);
    assert_eq!(host.now(), UNIX_EPOCH + Duration::from_secs(1021));
}

#[test]
fn setting_the_clock_fires_no_timer() {
    let host = started();
    host.set_time(host.now() + TICK * 100);
    assert_eq!(host.metrics().counter("ticks"), 0);
    assert_eq!(host.tick_period(), Some(TICK));
}

#[test]
fn unregistered_foreign_function_is_not_found() {
    let stream = started().get("/").header("x-foreign", "verify_signature").send();
    assert_eq!(stream.reply().text(), "Err(NotFound)");
}

#[test]
fn registered_foreign_function_gets_arguments_and_gives_results() {
    let calls = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&calls);
    let host = host().foreign_function("reverse", move |arguments| {
        counted.fetch_add(1, Ordering::Relaxed);
        Ok(Some(arguments.iter().rev().copied().collect()))
    });
    host.start().unwrap();
    let stream = host.get("/").header("x-foreign", "reverse").send();
    assert_eq!(stream.reply().text(), "Ok(Some([99, 98, 97]))");
    assert_eq!(calls.load(Ordering::Relaxed), 1);
}

#[test]
fn foreign_function_may_refuse() {
    let host = host().foreign_function("refuse", |_| Err(Status::BadArgument));
    host.start().unwrap();
    let stream = host.get("/").header("x-foreign", "refuse").send();
    assert_eq!(stream.reply().text(), "Err(BadArgument)");
}

#[test]
fn queue_tells_the_root_of_a_new_item() {
    let host = started();
    host.get("/").header("x-enqueue", "item").send();
    assert!(host.logged("queue has item"));
}

#[test]
fn every_metric_counts_what_happened() {
    let host = started();
    let before = Arc::new(Mutex::new(host.metrics()));
    host.tick();
    assert_eq!(before.lock().unwrap().counter("ticks"), 0);
    assert_eq!(host.metrics().counter("ticks"), 1);
    assert_eq!(host.metrics().definitions("ticks"), 1);
}

const SECOND: Duration = Duration::from_secs(1);
const TICK: Duration = Duration::from_secs(10);

fn host() -> TestHost {
    TestHost::new(register).cluster("auth")
}

fn started() -> TestHost {
    let host = host();
    host.start().expect("the plugin starts");
    host
}

fn register() {
    proxy_wasm::set_log_level(LogLevel::Info);
    proxy_wasm::set_root_context(|_| Box::new(Root { ticks: 0, queue: 0 }));
}

struct Root {
    ticks: u32,
    queue: u32,
}

impl Context for Root {
    fn on_http_call_response(&mut self, _token: u32, _headers: usize, body: usize, _: usize) {
        log::info!("root got {body} bytes");
    }
}

impl RootContext for Root {
    fn on_configure(&mut self, _size: usize) -> bool {
        let define = proxy_wasm::hostcalls::define_metric;
        self.ticks = define(MetricType::Counter, "ticks").expect("a metric is defined");
        self.queue = self.register_shared_queue("queue");
        self.set_tick_period(TICK);
        true
    }

    fn on_tick(&mut self) {
        let increment = proxy_wasm::hostcalls::increment_metric;
        increment(self.ticks, 1).expect("the metric is defined");
        let since = self.get_current_time().duration_since(UNIX_EPOCH);
        log::info!("tick at {}", since.expect("after 1970").as_secs());
        let headers = vec![(":method", "GET"), (":path", "/keys"), (":authority", "auth")];
        let call = self.dispatch_http_call("auth", headers, None, vec![], Duration::ZERO);
        call.expect("the cluster is known");
    }

    fn on_queue_ready(&mut self, queue: u32) {
        let item = self.dequeue_shared_queue(queue).expect("the queue is there");
        log::info!("queue has {}", String::from_utf8_lossy(&item.unwrap_or_default()));
    }

    fn create_http_context(&self, _id: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Asking))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

/// Asks the `auth` cluster about each request.
struct Asking;

impl Asking {
    fn say(&self, status: u32, text: &str) -> Action {
        self.send_http_response(status, vec![], Some(text.as_bytes()));
        Action::Pause
    }
}

impl Context for Asking {
    fn on_http_call_response(&mut self, _token: u32, headers: usize, size: usize, _: usize) {
        if headers == 0 {
            self.say(502, "no headers");
            return;
        }
        let status = self.get_http_call_response_header(":status").unwrap_or_default();
        let body = self.get_http_call_response_body(0, size).unwrap_or_default();
        match (status.as_str(), body.as_slice()) {
            ("200", b"yes") => self.resume_http_request(),
            ("200", _) => drop(self.say(403, "no")),
            _ => drop(self.say(502, &format!("status {status}, {} bytes", body.len()))),
        }
    }
}

impl HttpContext for Asking {
    fn on_http_request_headers(&mut self, _count: usize, _end: bool) -> Action {
        if let Some(name) = self.get_http_request_header("x-foreign") {
            let result = self.call_foreign_function(&name, Some(b"abc"));
            return self.say(200, &format!("{result:?}"));
        }
        if let Some(item) = self.get_http_request_header("x-enqueue") {
            let queue = self.resolve_shared_queue("", "queue").expect("the queue is registered");
            self.enqueue_shared_queue(queue, Some(item.as_bytes())).expect("the queue is there");
            return Action::Continue;
        }
        let mut headers = vec![(":method", "POST"), (":path", "/check"), (":authority", "auth")];
        let dropped = self.get_http_request_header("x-drop");
        headers.retain(|(name, _)| dropped.as_deref() != Some(name));
        let cluster = self.get_http_request_header("x-cluster").unwrap_or("auth".to_owned());
        let timeout = if self.get_http_request_header("x-timeout").is_some() {
            Duration::ZERO
        } else {
            SECOND
        };
        match self.dispatch_http_call(&cluster, headers, Some(b"q"), vec![], timeout) {
            Ok(_) => Action::Pause,
            Err(status) => self.say(500, &format!("{status:?}")),
        }
    }
}
