//! Somebody with a token who calls what an MCP server offers.

use auth_core::{decision::Decision, outcome::Outcome, request_head::RequestHead};
use serde_json::{Map, Value, json};

use super::{
    Bench, claims_with, config_with, head,
    signing::{SigningKey, jwks},
    word,
};

/// The version whose headers mirror the body.
pub(crate) const MODERN: (&str, &str) = ("mcp-protocol-version", "2026-07-28");
/// What every body has to be.
pub(crate) const JSON: (&str, &str) = ("content-type", "application/json");

/// Somebody with a token.
pub(crate) struct Caller {
    pub(crate) bench: Bench,
    token: String,
}

impl Caller {
    /// With these scopes, at a resource with these rules.
    pub(crate) fn new(rules: &Value, scopes: &str) -> Self {
        Self::of(&rules_config(rules), scopes)
    }

    /// With these scopes, under this configuration.
    pub(crate) fn of(config: &Value, scopes: &str) -> Self {
        Self::with_claims(config, json!({"scope": scopes}))
    }

    /// With these claims, under this configuration.
    pub(crate) fn with_claims(config: &Value, claims: Value) -> Self {
        let key = SigningKey::new("a");
        let mut bench = Bench::new(config);
        bench.due();
        bench.answer(&jwks([&key]));
        Self { bench, token: key.sign(&claims_with(claims)) }
    }

    /// As [`Self::of`], before the keys were fetched.
    pub(crate) fn without_keys(config: &Value, key: &SigningKey, scopes: &str) -> Self {
        let token = key.sign(&claims_with(json!({"scope": scopes})));
        Self { bench: Bench::new(config), token }
    }

    /// The head of a request with the token.
    pub(crate) fn head(&self, method: &str, fields: &[(&str, &str)]) -> RequestHead {
        let authorization = format!("Bearer {}", self.token);
        head(method, "/mcp", &[&[("authorization", &*authorization)], fields].concat())
    }

    /// What becomes of a POST with these fields, whose body comes in these pieces.
    pub(crate) fn send(&mut self, fields: &[(&str, &str)], pieces: &[impl AsRef<[u8]>]) -> Outcome {
        let head = self.head("POST", fields);
        self.bench.send_with_body(head, pieces).expect("it is decided")
    }

    /// What becomes of a body from a client of an older version.
    pub(crate) fn call(&mut self, body: &Value) -> Outcome {
        self.send(&[JSON], &[body.to_string()])
    }

    /// The same as a word.
    pub(crate) fn calls(&mut self, body: &Value) -> &'static str {
        word(&self.call(body))
    }
}

/// A configuration whose one resource has these rules, where bodies can be read.
pub(crate) fn rules_config(rules: &Value) -> Value {
    config_with(|config| {
        config["body_access"] = json!(true);
        let resource = config["resources"][0].as_object_mut().expect("it is an object");
        resource.insert("scopes".to_owned(), json!(["mcp:read"]));
        resource.extend(rules.as_object().expect("it is an object").clone());
    })
}

/// A call of a tool.
pub(crate) fn tool(name: &str) -> Value {
    message("tools/call", &json!({"name": name, "arguments": {"name": "delete_note"}}))
}

/// A request.
pub(crate) fn message(method: &str, params: &Value) -> Value {
    json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
}

/// The status that a denied request is answered with.
pub(crate) fn status(outcome: &Outcome) -> u16 {
    match &outcome.decision {
        Decision::Reply(reply) => reply.status,
        Decision::Forward(_) => panic!("it is forwarded"),
    }
}

/// The parameters of the one challenge in a reply; none if there is no challenge.
pub(crate) fn challenge(outcome: &Outcome) -> Value {
    let Decision::Reply(reply) = &outcome.decision else { panic!("it is forwarded") };
    let mut all = reply.headers.iter().filter(|(name, _)| *name == "www-authenticate");
    let (Some((_, value)), None) = (all.next(), all.next()) else { return json!({}) };
    let parameters = value.strip_prefix("Bearer ").expect("the scheme is Bearer");
    let parameter = |text: &str| {
        let (name, quoted) = text.split_once('=').expect("a parameter has a value");
        let value = quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
        let value = value.filter(|value| !value.contains(['"', '\\'])).expect("it is quoted");
        (name.to_owned(), Value::from(value))
    };
    let parameters: Vec<(String, Value)> = parameters.split(", ").map(parameter).collect();
    let count = parameters.len();
    let object: Map<String, Value> = parameters.into_iter().collect();
    assert_eq!(object.len(), count, "each parameter is there once: {value}");
    Value::Object(object)
}
