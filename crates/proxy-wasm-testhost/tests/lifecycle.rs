//! Starting, ending and crashing.

use std::cell::Cell;

use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType, LogLevel};
use proxy_wasm_testhost::{Outcome, Refused, TestHost};

#[test]
fn both_configurations_reach_the_plugin() {
    let host = TestHost::new(register).vm_configuration("vm").plugin_configuration("plugin");
    host.start().unwrap();
    assert!(host.logged("vm configuration: vm"));
    assert!(host.logged("plugin configuration: plugin"));
}

#[test]
fn refused_vm_start_is_told() {
    let host = TestHost::new(register).vm_configuration("refuse");
    assert_eq!(host.start(), Err(Refused::VmStart));
}

#[test]
fn refused_configuration_is_told() {
    let host = TestHost::new(register).plugin_configuration("refuse");
    assert_eq!(host.start(), Err(Refused::Configure));
}

#[test]
fn configuration_is_readable_only_while_configuring() {
    let host = started();
    host.tick();
    assert!(host.logged("configuration on tick: None"));
}

#[test]
fn closing_logs_then_is_done_then_deletes() {
    let host = started();
    let stream = host.get("/").send();
    stream.close();
    assert!(!stream.is_alive());
    let lines: Vec<String> = host.logs().into_iter().map(|line| line.message).collect();
    let at = |text: &str| lines.iter().position(|line| line == text).unwrap();
    assert!(at("log GET") < at("done") && at("done") < at("dropped"));
}

#[test]
fn shutting_down_closes_open_streams() {
    let host = started();
    let stream = host.get("/").send();
    host.shut_down();
    assert!(!stream.is_alive());
}

#[test]
#[should_panic(expected = "the plugin panicked: panicked at")]
fn panic_in_a_callback_is_a_panic_of_the_test() {
    started().get("/panic").send();
}

#[test]
#[should_panic(expected = "unexpected status: 2")]
fn panic_of_the_sdk_is_a_panic_of_the_test() {
    started().get("/read-response-in-request").send();
}

#[test]
fn panic_of_one_plugin_leaves_other_hosts_alone() {
    let broken = started();
    let crash = std::panic::AssertUnwindSafe(|| broken.get("/panic").send());
    assert!(std::panic::catch_unwind(crash).is_err());
    assert!(broken.logged("panicked at"));
    let host = started();
    assert!(matches!(host.get("/").send().outcome(), Outcome::Forwarded(_)));
}

#[test]
#[should_panic(expected = "has panicked before and is gone")]
fn crashed_plugin_is_not_entered_again() {
    let host = started();
    let crash = std::panic::AssertUnwindSafe(|| host.get("/panic").send());
    assert!(std::panic::catch_unwind(crash).is_err());
    host.tick();
}

#[test]
fn hosts_in_one_test_have_globals_of_their_own() {
    let (first, second) = (started(), started());
    first.get("/").send();
    first.get("/").send();
    second.get("/").send();
    assert!(first.logged("request 2"));
    assert!(second.logged("request 1") && !second.logged("request 2"));
}

#[test]
fn log_lines_name_their_context() {
    let host = started();
    let stream = host.get("/").send();
    let line = host.logs().into_iter().find(|line| line.message == "request 1").unwrap();
    assert_eq!((line.context, line.level), (stream.id(), LogLevel::Info));
}

fn started() -> TestHost {
    let host = TestHost::new(register);
    host.start().expect("the plugin starts");
    host
}

thread_local! {
    static REQUESTS: Cell<u32> = const { Cell::new(0) };
}

fn register() {
    proxy_wasm::set_log_level(LogLevel::Info);
    proxy_wasm::set_root_context(|_| Box::new(Root));
}

struct Root;

impl Context for Root {}

impl RootContext for Root {
    fn on_vm_start(&mut self, _size: usize) -> bool {
        let configuration = self.get_vm_configuration().unwrap_or_default();
        log::info!("vm configuration: {}", String::from_utf8_lossy(&configuration));
        configuration != b"refuse"
    }

    fn on_configure(&mut self, _size: usize) -> bool {
        let configuration = self.get_plugin_configuration().unwrap_or_default();
        log::info!("plugin configuration: {}", String::from_utf8_lossy(&configuration));
        configuration != b"refuse"
    }

    fn on_tick(&mut self) {
        log::info!("configuration on tick: {:?}", self.get_plugin_configuration());
    }

    fn create_http_context(&self, _id: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Stream))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

struct Stream;

impl Context for Stream {
    fn on_done(&mut self) -> bool {
        log::info!("done");
        true
    }
}

impl HttpContext for Stream {
    fn on_http_request_headers(&mut self, _count: usize, _end: bool) -> Action {
        REQUESTS.set(REQUESTS.get() + 1);
        log::info!("request {}", REQUESTS.get());
        match self.get_http_request_header(":path").as_deref() {
            Some("/panic") => panic!("the filter is broken"),
            Some("/read-response-in-request") => {
                self.get_http_response_header(":status");
            }
            _ => {}
        }
        Action::Continue
    }

    fn on_log(&mut self) {
        let method = self.get_http_request_header(":method").unwrap_or_default();
        log::info!("log {method}");
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        log::info!("dropped");
    }
}
