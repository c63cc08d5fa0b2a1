//! A small filter with its native unit tests: nobody passes without the team's header, and
//! the upstream gets the tenant that a lookup service names.
//!
//! `cargo test -p proxy-wasm-testhost --example header_guard` runs the tests;
//! `cargo run -p proxy-wasm-testhost --example header_guard` plays one request through.

use std::time::Duration;

use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::{Action, LogLevel};
use proxy_wasm_testhost::{Response, TestHost};

/// What `proxy_wasm::main!` would run in the Wasm module.
fn register() {
    proxy_wasm::set_log_level(LogLevel::Info);
    proxy_wasm::set_http_context(|_, _| Box::new(HeaderGuard));
}

struct HeaderGuard;

impl HttpContext for HeaderGuard {
    fn on_http_request_headers(&mut self, _count: usize, _end: bool) -> Action {
        let Some(team) = self.get_http_request_header("x-team") else {
            self.send_http_response(401, vec![], Some(b"which team?"));
            return Action::Pause;
        };
        let path = format!("/tenants/{team}");
        let headers = vec![(":method", "GET"), (":path", &path), (":authority", "tenants")];
        let timeout = Duration::from_secs(2);
        if self.dispatch_http_call("tenants", headers, None, vec![], timeout).is_err() {
            self.send_http_response(500, vec![], None);
        }
        Action::Pause
    }
}

impl Context for HeaderGuard {
    fn on_http_call_response(&mut self, _token: u32, headers: usize, body: usize, _: usize) {
        // Without headers (a reset, too large a body) there is no status to ask for.
        let status = (headers > 0).then(|| self.get_http_call_response_header(":status")).flatten();
        let body = self.get_http_call_response_body(0, body).unwrap_or_default();
        match (status.as_deref(), String::from_utf8(body)) {
            (Some("200"), Ok(tenant)) => {
                self.set_http_request_header("x-tenant", Some(&tenant));
                self.resume_http_request();
            }
            _ => {
                log::warn!("no tenant: status {status:?}");
                self.send_http_response(503, vec![("retry-after", "2")], None);
            }
        }
    }
}

fn main() {
    let host = TestHost::new(register).cluster("tenants");
    host.start().expect("the filter starts");
    let stream = host.get("/").header("x-team", "blue").send();
    println!("at first: {:?}", stream.outcome());
    host.answer(&host.take_call(), Response::ok("tenant-7"));
    println!("answered: {:?}", stream.outcome());
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proxy_wasm_testhost::{Failure, Response, TestHost};

    use super::register;

    #[test]
    fn request_without_a_team_is_refused() {
        let host = host();
        let stream = host.get("/").send();
        assert_eq!(stream.reply().status, 401);
        assert!(host.calls().is_empty());
    }

    #[test]
    fn tenant_replaces_every_forged_one() {
        let host = host();
        let stream = host.get("/").header("x-team", "blue").header("x-tenant", "forged").send();
        assert!(stream.is_paused());

        let call = host.take_call();
        assert_eq!(call.path(), "/tenants/blue");
        host.answer(&call, Response::ok("tenant-7"));

        let forwarded = stream.forwarded().expect("the request goes on");
        assert_eq!(forwarded.get_all("x-tenant"), ["tenant-7"]);
    }

    #[test]
    fn every_failure_of_the_lookup_keeps_the_request_out() {
        for failure in [Failure::Timeout, Failure::Refused, Failure::Reset, Failure::TooLarge] {
            let host = host();
            let stream = host.get("/").header("x-team", "blue").send();
            host.fail(&host.take_call(), failure);
            assert_eq!(stream.reply().status, 503, "{failure:?}");
            assert!(stream.forwarded().is_none());
        }
    }

    #[test]
    fn slow_lookup_times_out() {
        let host = host();
        let stream = host.get("/").header("x-team", "blue").send();
        host.advance(Duration::from_secs(2));
        assert_eq!(stream.reply().headers.get("retry-after"), Some("2"));
        assert!(host.logged("no tenant"));
    }

    fn host() -> TestHost {
        let host = TestHost::new(register).cluster("tenants");
        host.start().expect("the filter starts");
        host
    }
}
