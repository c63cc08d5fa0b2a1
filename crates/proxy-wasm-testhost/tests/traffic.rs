//! Requests, responses, bodies and local replies. The plugin does what the `x-do` header of the
//! request says, so that each test reads as one story.

use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::{Action, BufferType, MapType};
use proxy_wasm_testhost::{Outcome, Response, Stream, TestHost};

#[test]
fn continued_request_is_forwarded_with_its_edits() {
    let stream = send("set");
    let Outcome::Forwarded(headers) = stream.outcome() else { panic!("{:?}", stream.outcome()) };
    assert_eq!(headers.get_all("x-user"), ["alice"]);
}

#[test]
fn added_header_comes_behind_a_forged_one() {
    let stream = host().get("/").header("x-do", "add").header("x-user", "forged").send();
    assert_eq!(stream.forwarded().unwrap().get_all("x-user"), ["forged", "alice"]);
}

#[test]
fn set_header_removes_every_forged_copy() {
    let forged = host().get("/").header("x-do", "set").header("x-user", "a").header("X-User", "b");
    assert_eq!(forged.send().forwarded().unwrap().get_all("x-user"), ["alice"]);
}

#[test]
fn reading_one_header_gives_the_first_value() {
    let stream = host().get("/").header("x-do", "echo").header("x-in", "1").header("x-in", "2");
    assert_eq!(stream.send().reply().text(), "1");
}

#[test]
fn replacing_the_whole_map_drops_the_rest() {
    let headers = send("set-map").forwarded().unwrap();
    assert_eq!(headers, [(":path", "/new"), ("x-only", "1")]);
}

#[test]
fn paused_request_is_not_forwarded() {
    let stream = send("pause");
    assert_eq!(stream.outcome(), Outcome::Paused);
    assert!(stream.is_paused() && stream.forwarded().is_none());
}

#[test]
fn client_that_leaves_a_paused_request_abandons_it() {
    let stream = send("pause");
    stream.close();
    assert_eq!(stream.outcome(), Outcome::Abandoned);
}

#[test]
fn resumed_request_is_forwarded() {
    let host = host();
    let stream = host.get("/").header("x-do", "pause").send();
    host.call_foreign_callback(RESUME, &stream.id().to_le_bytes());
    assert!(stream.forwarded().is_some());
    assert!(host.misuses().is_empty());
}

#[test]
#[should_panic(expected = "unexpected status: 2")]
fn header_set_after_the_resume_is_a_bad_argument() {
    let host = host();
    let stream = host.get("/").header("x-do", "pause").send();
    host.call_foreign_callback(RESUME_THEN_SET, &stream.id().to_le_bytes());
}

#[test]
fn resuming_twice_is_a_misuse() {
    let host = host();
    let stream = host.get("/").header("x-do", "pause").send();
    host.call_foreign_callback(RESUME, &stream.id().to_le_bytes());
    host.call_foreign_callback(RESUME, &stream.id().to_le_bytes());
    assert_eq!(host.misuses().len(), 1);
}

#[test]
fn context_of_a_dead_stream_cannot_become_effective() {
    let host = host();
    let stream = host.get("/").header("x-do", "pause").send();
    stream.close();
    host.call_foreign_callback(RESUME, &stream.id().to_le_bytes());
    assert!(host.shared_data("status").is_some_and(|status| status == b"BadArgument"));
    assert!(stream.forwarded().is_none());
}

#[test]
fn local_reply_ends_the_request_whatever_the_action() {
    for action in ["deny", "deny-and-continue"] {
        let stream = send(action);
        assert_eq!(stream.reply().status, 403);
        assert!(stream.forwarded().is_none() && !stream.is_alive());
    }
}

#[test]
fn local_reply_passes_the_response_callbacks_of_its_filter() {
    let reply = send("deny").reply();
    assert_eq!(reply.headers.get("x-seen"), Some("403"));
    assert_eq!(reply.headers.get("content-type"), Some("text/plain"));
    assert_eq!(reply.headers.get("content-length"), Some("2"));
    assert_eq!(reply.text(), "no");
}

#[test]
fn local_reply_to_head_has_no_body() {
    let head = host().request([(":method", "HEAD"), (":path", "/"), ("x-do", "deny")]);
    let reply = head.send().reply();
    assert_eq!((reply.status, reply.body.len()), (403, 0));
}

#[test]
fn second_local_reply_is_a_misuse() {
    let host = host();
    let stream = host.get("/").header("x-do", "deny-twice").send();
    assert_eq!(stream.reply().status, 403);
    assert_eq!(host.misuses().len(), 1);
}

#[test]
fn resume_after_a_local_reply_forwards_nothing() {
    let host = host();
    let stream = host.get("/").header("x-do", "deny-then-resume").send();
    assert_eq!(stream.reply().status, 403);
    assert!(stream.forwarded().is_none());
    assert_eq!(host.misuses().len(), 1);
}

#[test]
fn reset_stream_is_over() {
    let stream = send("reset");
    assert_eq!(stream.outcome(), Outcome::Reset);
    assert!(!stream.is_alive() && stream.forwarded().is_none());
}

#[test]
fn response_of_the_upstream_passes_the_plugin_and_ends_the_stream() {
    let stream = send("set");
    stream.respond(Response::new(201).body("hello"));
    let response = stream.response().unwrap();
    assert_eq!(response, Response::new(201).header("x-seen", "201").body("hello"));
    assert!(!stream.is_alive());
}

#[test]
#[should_panic(expected = "no upstream waits to answer")]
fn upstream_cannot_answer_what_it_never_got() {
    send("pause").respond(Response::ok(""));
}

#[test]
#[should_panic(expected = "unexpected status: 2")]
fn request_headers_are_gone_once_the_request_went_on() {
    send("read-request-late").respond(Response::ok(""));
}

#[test]
fn body_waits_while_the_headers_are_held() {
    let host = host();
    let stream = host.get("/").header("x-do", "pause").end_of_stream(false).send();
    stream.body("one ", false);
    stream.body("two", true);
    assert!(!host.logged_body("one two"));
    host.call_foreign_callback(RESUME, &stream.id().to_le_bytes());
    assert!(host.logged_body("one two"));
    assert_eq!(stream.forwarded_body(), b"one two");
}

#[test]
fn body_arrives_while_the_headers_are_held_where_that_is_allowed() {
    let host = host_where_bodies_pass();
    let stream = host.get("/").header("x-do", "whole-body").end_of_stream(false).send();
    stream.body("one ", false);
    assert!(stream.is_paused());
    stream.body("two", true);
    assert_eq!(stream.forwarded_body(), b"one two");
    assert_eq!(stream.forwarded().unwrap().get("x-length"), Some("7"));
}

#[test]
fn continuing_at_a_chunk_lets_held_headers_go() {
    let host = host_where_bodies_pass();
    let stream = host.get("/").header("x-do", "pause").end_of_stream(false).send();
    assert!(stream.forwarded().is_none());
    stream.body("chunk", false);
    assert!(stream.forwarded().is_some());
}

#[test]
fn continuing_at_trailers_lets_held_headers_go() {
    let host = host_where_bodies_pass();
    let stream = host.get("/").header("x-do", "whole-body").end_of_stream(false).send();
    stream.body("chunk", false);
    assert!(stream.is_paused());
    stream.trailers();
    assert!(stream.forwarded().is_some());
    assert_eq!(stream.forwarded_body(), b"chunk");
}

#[test]
fn trailers_wait_while_the_headers_are_held() {
    let host = host();
    let stream = host.get("/").header("x-do", "pause").end_of_stream(false).send();
    stream.body("chunk", false);
    stream.trailers();
    assert!(stream.forwarded().is_none() && host.shared_data("trailers").is_none());
    host.call_foreign_callback(RESUME, &stream.id().to_le_bytes());
    assert_eq!(stream.forwarded_body(), b"chunk");
    assert!(host.shared_data("trailers").is_some());
    stream.respond(Response::ok(""));
}

#[test]
fn plugin_replaces_the_body() {
    let stream = host().get("/").header("x-do", "replace-body").body("secret").send();
    assert_eq!(stream.forwarded_body(), b"redacted");
}

#[test]
fn property_set_by_the_plugin_belongs_to_the_stream() {
    let host = host();
    let first = host.get("/").header("x-do", "property").send();
    let second = host.get("/").send();
    assert_eq!(first.property(["mcp_auth.user_id"]).unwrap(), b"alice");
    assert_eq!(second.property(["mcp_auth.user_id"]), None);
}

#[test]
fn property_of_the_request_reaches_the_plugin() {
    let request = host().get("/").header("x-do", "address");
    let stream = request.property(["source", "address"], "10.0.0.1").send();
    assert_eq!(stream.reply().text(), "10.0.0.1");
}

const RESUME: u32 = 1;
const RESUME_THEN_SET: u32 = 2;

fn host() -> TestHost {
    let host = TestHost::new(register);
    host.start().expect("the plugin starts");
    host
}

fn host_where_bodies_pass() -> TestHost {
    let host = TestHost::new(register).allow_on_headers_stop_iteration(true);
    host.start().expect("the plugin starts");
    host
}

fn send(action: &str) -> Stream {
    host().get("/").header("x-do", action).send()
}

trait LoggedBody {
    fn logged_body(&self, body: &str) -> bool;
}

impl LoggedBody for TestHost {
    fn logged_body(&self, body: &str) -> bool {
        self.shared_data("body").is_some_and(|seen| seen == body.as_bytes())
    }
}

fn register() {
    proxy_wasm::set_root_context(|_| Box::new(Root));
    proxy_wasm::set_http_context(|_, _| Box::new(Obedient { order: String::new() }));
}

struct Root;

impl Context for Root {
    /// The argument is the number of the stream to act on.
    fn on_foreign_function(&mut self, function: u32, _size: usize) {
        let data = hostcalls::get_buffer(BufferType::CallData, 0, 4);
        let data = data.expect("call data is readable").expect("call data is there");
        let id = u32::from_le_bytes(data.try_into().expect("four bytes"));
        if let Err(status) = hostcalls::set_effective_context(id) {
            let status = format!("{status:?}");
            self.set_shared_data("status", Some(status.as_bytes()), None).expect("data is set");
            return;
        }
        hostcalls::resume_http_request().expect("an open stream resumes");
        if function == RESUME_THEN_SET {
            let map = MapType::HttpRequestHeaders;
            hostcalls::set_map_value(map, "x-late", Some("1")).expect("the SDK panics before");
        }
    }
}

impl proxy_wasm::traits::RootContext for Root {}

struct Obedient {
    order: String,
}

impl Context for Obedient {}

impl HttpContext for Obedient {
    fn on_http_request_headers(&mut self, _count: usize, _end: bool) -> Action {
        self.order = self.get_http_request_header("x-do").unwrap_or_default();
        match self.order.as_str() {
            "set" => self.set_http_request_header("x-user", Some("alice")),
            "add" => self.add_http_request_header("x-user", "alice"),
            "set-map" => self.set_http_request_headers(vec![(":path", "/new"), ("x-only", "1")]),
            "echo" => {
                let value = self.get_http_request_header("x-in").unwrap_or_default();
                self.send_http_response(200, vec![], Some(value.as_bytes()));
            }
            "address" => {
                let value = self.get_property(vec!["source", "address"]).unwrap_or_default();
                self.send_http_response(200, vec![], Some(&value));
            }
            "property" => self.set_property(vec!["mcp_auth.user_id"], Some(b"alice")),
            "pause" | "whole-body" => return Action::Pause,
            "deny-and-continue" => self.send_http_response(403, vec![], Some(b"no")),
            "deny" => {
                self.send_http_response(403, vec![], Some(b"no"));
                return Action::Pause;
            }
            "deny-twice" => {
                self.send_http_response(403, vec![], Some(b"no"));
                self.send_http_response(404, vec![], None);
            }
            "deny-then-resume" => {
                self.send_http_response(403, vec![], Some(b"no"));
                self.resume_http_request();
            }
            "reset" => {
                self.reset_http_request();
                return Action::Pause;
            }
            _ => {}
        }
        Action::Continue
    }

    fn on_http_request_body(&mut self, size: usize, end: bool) -> Action {
        let body = self.get_http_request_body(0, size).unwrap_or_default();
        self.set_shared_data("body", Some(&body), None).expect("data is set");
        match self.order.as_str() {
            "replace-body" => self.set_http_request_body(0, size, b"redacted"),
            "whole-body" if !end => return Action::Pause,
            "whole-body" => self.set_http_request_header("x-length", Some(&size.to_string())),
            _ => {}
        }
        Action::Continue
    }

    fn on_http_request_trailers(&mut self, _count: usize) -> Action {
        self.set_shared_data("trailers", Some(b"seen"), None).expect("data is set");
        Action::Continue
    }

    fn on_http_response_headers(&mut self, _count: usize, _end: bool) -> Action {
        if self.order == "read-request-late" {
            self.get_http_request_header(":path");
        }
        let status = self.get_http_response_header(":status").unwrap_or_default();
        self.set_http_response_header("x-seen", Some(&status));
        Action::Continue
    }
}
