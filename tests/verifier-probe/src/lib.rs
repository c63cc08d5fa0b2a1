//! A Proxy-Wasm filter that answers every request itself: what the verifier that the filter picks on
//! this host, and the one that computes, make of the signatures in the body. So that outsiders'
//! vectors reach the host's own verification, which no token could carry them to.

// The filter's very file, whose picking this is to try.
#[path = "../../../src/verifier.rs"]
mod verifier;

use auth_core::{
    algorithm::Algorithm,
    jwk::VerificationKey,
    signature::{Software, Verify},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use proxy_wasm::{
    traits::{Context, HttpContext, RootContext},
    types::{Action, ContextType, LogLevel},
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

mod entry {
    proxy_wasm::main! {{
        proxy_wasm::set_log_level(super::LogLevel::Info);
        proxy_wasm::set_root_context(|_| Box::new(super::Root));
    }}
}

struct Root;

impl Context for Root {}

impl RootContext for Root {
    fn create_http_context(&self, _: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Probe))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

struct Probe;

/// One line of `signature-vectors`.
#[derive(Deserialize)]
struct Group {
    alg: Algorithm,
    jwk: Map<String, Value>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    message: String,
    signature: String,
}

/// What was accepted, in the order of the cases.
#[derive(Serialize)]
struct Verdicts {
    picked: Vec<bool>,
    software: Vec<bool>,
}

impl Context for Probe {}

impl HttpContext for Probe {
    fn on_http_request_headers(&mut self, _: usize, _: bool) -> Action {
        Action::Continue
    }

    fn on_http_request_body(&mut self, size: usize, last: bool) -> Action {
        if last {
            let body = self.get_http_request_body(0, size).unwrap_or_default();
            let (status, answer) = match answer(&body) {
                Ok(answer) => (200, answer),
                Err(why) => (400, why),
            };
            self.send_http_response(status, vec![], Some(answer.as_bytes()));
        }
        Action::Pause
    }
}

fn answer(body: &[u8]) -> Result<String, String> {
    let group: Group = serde_json::from_slice(body).map_err(|why| why.to_string())?;
    let key = VerificationKey::parse(&group.jwk).map_err(|why| why.to_string())?;
    let picked = verifier::pick();
    let judge = |verifier: &dyn Verify| -> Result<Vec<bool>, String> {
        let judged = group.cases.iter().map(|case| {
            let (message, signature) = (decode(&case.message)?, decode(&case.signature)?);
            Ok(verifier.verify(group.alg, &key, &message, &signature))
        });
        judged.collect()
    };
    let verdicts = Verdicts { picked: judge(&*picked)?, software: judge(&Software)? };
    serde_json::to_string(&verdicts).map_err(|why| why.to_string())
}

fn decode(text: &str) -> Result<Vec<u8>, String> {
    URL_SAFE_NO_PAD.decode(text).map_err(|why| why.to_string())
}
