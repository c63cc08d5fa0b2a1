//! The filter's configuration as a JSON Schema with descriptions, and as a table.

use auth_core::config::Config;
use serde_json::{Value, json};

/// What each field means, by its place.
const MEANINGS: &[(&str, &str)] = &[
    ("issuers", "Who may issue tokens; at least one."),
    ("issuers[].issuer", "Compared with `iss` byte for byte."),
    (
        "issuers[].audiences",
        "Accepted `aud`, any one of them, at every resource that accepts this issuer. Empty: the matched resource's identifier, which is the safe choice.",
    ),
    ("issuers[].jwks", "Its keys: `uri` and `cluster`, or `keys`."),
    ("issuers[].jwks.uri", "Where the key set is: an absolute http or https URL."),
    (
        "issuers[].jwks.cluster",
        "The Envoy cluster that reaches `uri` (Istio: `outbound|443||tenant.auth0.com`). It has to verify the server's certificate.",
    ),
    (
        "issuers[].jwks.timeout",
        "How long a fetch may take, and so how long a request waits for keys. A duration.",
    ),
    (
        "issuers[].jwks.refresh",
        "How often the set is fetched in the background; old keys stay when that fails. A duration.",
    ),
    (
        "issuers[].jwks.cooldown",
        "Least time between fetches that unknown key ids cause. A duration.",
    ),
    ("issuers[].jwks.keys", "A fixed key set (JWKs) instead of `uri` and `cluster`."),
    (
        "issuers[].algorithms",
        "Accepted algorithms; never `none` or `HS*`. `ES384` and `ES512` only where the host verifies them (Envoy, Istio). Default: RS256, RS384, RS512, PS256, PS384, PS512, ES256, EdDSA.",
    ),
    ("issuers[].leeway", "Clock skew allowed on `exp`, `nbf` and `iat`. A duration; may be `0s`."),
    ("issuers[].max_token_lifetime", "Longest `exp` − `iat`. A duration; absent: no limit."),
    ("issuers[].clients", "Accepted client ids (`azp`, else `client_id`). Empty: any."),
    (
        "issuers[].identity_issuer_claim",
        "For an issuer that stands in front of an identity provider (mcp-auth: `idp_iss`): the claim that names the provider, which then counts as issuer in the user id and the headers.",
    ),
    ("issuers[].scope_claims", "Claims with scopes, strings or arrays, merged."),
    (
        "issuers[].username_claims",
        "The first that is a non-empty string; an email only where it counts as verified.",
    ),
    (
        "issuers[].session",
        "With `observe`, sessions are recorded, and refused once they are revoked; with `required`, they have to be known as well. Both need `sessions`.",
    ),
    (
        "resources",
        "The MCP servers behind the gateway; the longest matching path wins. A path under none of them and not public is answered 404.",
    ),
    ("resources[].path", "Whole segments: `/mcp` matches `/mcp` and `/mcp/x`, never `/mcpx`."),
    (
        "resources[].hosts",
        "For these hosts only; a rule with the request's host goes before one for any. Empty: any.",
    ),
    (
        "resources[].resource",
        "RFC 8707 identifier: an absolute http or https URL without query and fragment. The RFC 9728 document is published for it.",
    ),
    ("resources[].name", "`resource_name` in that document."),
    ("resources[].issuers", "Accepted issuers, by name. Absent: all."),
    ("resources[].audiences", "Replaces the issuer's list for this resource."),
    ("resources[].clients", "Accepted client ids, besides what the issuer accepts. Empty: any."),
    (
        "resources[].claims",
        "`{department: [eng, ops]}`: each claim named has one of its values, or is a list that has one. Otherwise 403 `claim_not_allowed`.",
    ),
    ("resources[].scopes", "Scopes that every request needs."),
    (
        "resources[].max_age",
        "For every request: how long ago the user logged in at most (`auth_time`, else `iat`). A duration.",
    ),
    ("resources[].acr_values", "For every request: the token's `acr` is one of these."),
    (
        "resources[].tools",
        "What `tools/call` needs besides, by tool name. Every rule that matches applies.",
    ),
    ("resources[].tools[].name", "Name of the tool; `*` is the only wildcard."),
    ("resources[].tools[].scopes", "Scopes that the call needs."),
    ("resources[].tools[].max_age", "How long ago the user logged in at most. A duration."),
    ("resources[].tools[].acr_values", "The token's `acr` is one of these."),
    ("resources[].methods", "The same by MCP method, and by prompt name or resource URI."),
    (
        "resources[].methods[].method",
        "MCP method, such as `resources/read`; `*` is the only wildcard.",
    ),
    (
        "resources[].methods[].name",
        "Name or URI, for `tools/call`, `prompts/get`, `resources/read`, `resources/subscribe` and `resources/unsubscribe`. Absent: any.",
    ),
    ("resources[].methods[].scopes", "Scopes that the call needs."),
    ("resources[].methods[].max_age", "How long ago the user logged in at most. A duration."),
    ("resources[].methods[].acr_values", "The token's `acr` is one of these."),
    (
        "resources[].trust_mcp_headers",
        "Believe `Mcp-Method` and `Mcp-Name` (2026-07-28) without comparing them with the body; only for servers known to refuse a mismatch themselves.",
    ),
    (
        "resources[].origins",
        "Accepted `Origin` values, byte for byte. Empty: any; an absent one is always accepted.",
    ),
    ("public", "Paths forwarded without a token, identity headers stripped; whole segments."),
    ("sessions", "The sidecar mcp-auth. Absent: no session is looked up."),
    ("sessions.cluster", "The Envoy cluster that reaches its internal API."),
    (
        "sessions.token",
        "Bearer token of that API. `${…}` is not expanded: mount the configuration as a secret.",
    ),
    (
        "sessions.timeout",
        "How long a lookup may take, and so how long a request waits for it. A duration.",
    ),
    ("sessions.cache", "How long a looked-up session is trusted. A duration."),
    (
        "sessions.revocations",
        "How often the revocation feed is read: a revoked session is refused within this time. A duration.",
    ),
    (
        "sessions.on_feed_loss",
        "What becomes of tokens of issuers with sessions once the feed has been unreadable for `feed_loss_after`.",
    ),
    ("sessions.feed_loss_after", "How long the feed may be unreadable. A duration."),
    (
        "scope_implies",
        "`{mcp:write: [mcp:read]}`: what a granted scope brings with it, over any number of steps.",
    ),
    (
        "body_access",
        "The host lets the filter read a body while it holds the headers (Envoy 1.35 or later with `allow_on_headers_stop_iteration: true`).",
    ),
    (
        "body_limit",
        "Longest body read for a rule, as a whole number with B, KiB or MiB, up to 64MiB; over it 413.",
    ),
    (
        "identity_headers",
        "Header: source. Given, it replaces the default whole. Sources: `user_id`, `username`, `issuer`, `token_issuer`, `subject`, `scopes`, `client_id`, `session_id`, `claim:NAME`.",
    ),
    (
        "user_id_hash_digits",
        "8 to 40 hex digits of the hash in user ids. Whoever may choose their own username can find a collision of 8: use 16 or more where ids guard data, here and in mcp-auth (`MCP_USER_ID_HASH_DIGITS`) alike.",
    ),
    ("forward_token", "Leave `Authorization` in place for the MCP server."),
    ("token_cache", "Verified tokens kept per worker; 0 turns the cache off. At most 1000000."),
    (
        "audit",
        "Which requests leave an audit line: each new token and each denial; every request; none.",
    ),
];

/// The JSON Schema, with what each field means.
pub fn filter_schema() -> String {
    let mut schema = Config::schema();
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema".into();
    schema["title"] = "Configuration of mcp_auth_filter.wasm".into();
    schema["required"] = json!(["issuers", "resources"]);
    describe(&mut schema, "");
    let text = serde_json::to_string_pretty(&schema).expect("a schema becomes JSON");
    format!("{text}\n")
}

/// The same as a page.
pub fn filter_configuration() -> String {
    let mut page = String::from(
        "# The filter's configuration\n\n<!-- Made by `make docs` from the filter's own reader. -->\n\n\
         JSON, or YAML where the host turns it into JSON. Unknown and doubled keys, bad values and \
         contradictions are refused with the field's name, and the filter then answers 503 to \
         everything. Durations are like `250ms`, `30s`, `10m`, `24h`, `30d`, and not zero.\n\n\
         `mcp-auth config check --filter FILE` checks one and prints it with its defaults. In an \
         editor, [`filter-config.schema.json`](filter-config.schema.json) completes and explains it; \
         with the YAML language server, begin the file with\n\n```yaml\n\
         # yaml-language-server: $schema=./filter-config.schema.json\n```\n\n\
         | field | meaning | default |\n|---|---|---|\n",
    );
    let schema = Config::schema();
    for (place, meaning) in MEANINGS {
        let field = at(&schema, place);
        let is_required = is_required(&schema, place);
        let default = match &field["default"] {
            _ if is_required => "required".to_owned(),
            Value::Null => String::new(),
            Value::Array(items) if items.is_empty() => String::new(),
            Value::Object(members) if members.is_empty() => String::new(),
            Value::String(text) if text.is_empty() => String::new(),
            Value::String(text) => format!("`{text}`"),
            Value::Array(items) => {
                items.iter().map(|item| format!("`{}`", plain(item))).collect::<Vec<_>>().join(" ")
            }
            Value::Object(members) => members
                .iter()
                .map(|(name, value)| format!("`{name}: {}`", plain(value)))
                .collect::<Vec<_>>()
                .join(", "),
            other => format!("`{other}`"),
        };
        let words = field["enum"].as_array().map_or(String::new(), |words| {
            let words: Vec<_> = words.iter().map(|word| format!("`{}`", plain(word))).collect();
            format!("One of {}. ", words.join(", "))
        });
        let meaning = meaning.replace('|', "\\|");
        page.push_str(&format!("| `{place}` | {words}{meaning} | {default} |\n"));
    }
    page
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Gives every property its description.
fn describe(schema: &mut Value, place: &str) {
    if let Some((_, meaning)) = MEANINGS.iter().find(|(known, _)| *known == place) {
        schema["description"] = (*meaning).into();
    }
    if let Some(items) = schema.get_mut("items").filter(|items| items.get("properties").is_some()) {
        describe_properties(items, &format!("{place}[]"));
    }
    describe_properties(schema, place);
}

fn describe_properties(schema: &mut Value, place: &str) {
    let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) else {
        return;
    };
    for (name, property) in properties {
        let place = if place.is_empty() { name.clone() } else { format!("{place}.{name}") };
        describe(property, &place);
    }
}

/// The schema of a field; null if there is none.
fn at(schema: &Value, place: &str) -> Value {
    let mut schema = schema;
    for name in place.split('.') {
        let (name, is_item) = match name.strip_suffix("[]") {
            Some(name) => (name, true),
            None => (name, false),
        };
        schema = &schema["properties"][name];
        if is_item {
            schema = &schema["items"];
        }
    }
    schema.clone()
}

fn is_required(schema: &Value, place: &str) -> bool {
    let (parent, name) = place.rsplit_once('.').unwrap_or(("", place));
    let parent = if parent.is_empty() { schema.clone() } else { at(schema, parent) };
    let required = parent["required"].as_array().cloned().unwrap_or_default();
    required.iter().any(|required| required == name) || ["issuers", "resources"].contains(&place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_has_a_meaning_and_every_meaning_a_field() {
        let mut places = Vec::new();
        collect(&Config::schema(), "", &mut places);
        let mut known: Vec<_> = MEANINGS.iter().map(|(place, _)| (*place).to_owned()).collect();
        places.sort();
        known.sort();
        assert_eq!(places, known);
    }

    #[test]
    fn defaults_in_the_schema_are_those_of_the_reader() {
        let least = json!({
            "issuers": [{"issuer": "https://a/", "jwks": {"uri": "https://a/", "cluster": "a"}}],
            "resources": [{"path": "/", "resource": "https://b/"}],
            "sessions": {"cluster": "c"},
        });
        let whole = Config::with_defaults(least.to_string().as_bytes()).unwrap();
        let schema = Config::schema();
        for (place, _) in MEANINGS {
            let default = at(&schema, place)["default"].clone();
            let pointer = format!("/{}", place.replace("[]", "/0").replace('.', "/"));
            if let (false, Some(value)) = (default.is_null(), whole.pointer(&pointer)) {
                assert_eq!(*value, default, "{place}");
            }
        }
        assert_eq!(whole["issuers"][0]["leeway"], "60s");
        assert_eq!(whole["identity_headers"]["x-user-email"], "claim:email");
    }

    fn collect(schema: &Value, place: &str, places: &mut Vec<String>) {
        let inner = if schema.get("items").is_some() { &schema["items"] } else { schema };
        let place =
            if schema.get("items").is_some() { format!("{place}[]") } else { place.to_owned() };
        for (name, property) in inner["properties"].as_object().into_iter().flatten() {
            let place = if place.is_empty() { name.clone() } else { format!("{place}.{name}") };
            places.push(place.clone());
            collect(property, &place, places);
        }
    }
}
