//! What a verified token's claims mean: dates, identity, scopes, clients.

use serde_json::{Value, json};

use crate::support::{
    Bench, ISSUER, NOW, RESOURCE, claims, claims_with, claims_without, config, config_with,
    signing::SigningKey,
};

#[test]
fn every_algorithm_that_needs_no_host_is_verified() {
    let algorithms = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "EdDSA"];
    for algorithm in algorithms {
        let key = SigningKey::for_algorithm(algorithm);
        let mut bench = Bench::with_keys(&config(), [&key]);
        assert_eq!(bench.verdict(&key.sign(&claims())), "allowed", "{algorithm}");
        let (message, signature) = key.sign(&claims()).rsplit_once('.').map(own).unwrap();
        let first = if signature.starts_with('A') { "B" } else { "A" };
        let forged = format!("{message}.{first}{}", &signature[1..]);
        assert_eq!(bench.verdict(&forged), "bad_signature", "{algorithm}");
    }
}

#[test]
fn the_key_decides_which_algorithms_it_serves() {
    let rsa = SigningKey::for_algorithm("RS256");
    let mut bench = Bench::with_keys(&config(), [&rsa]);
    let header = json!({"alg": "ES256", "kid": "RS256"});
    bench.verdict(&rsa.sign_under(&header, &claims()));
    let decided = bench.fail().decided;
    assert_eq!(crate::support::words(&decided), ["unknown_key"]);
}

#[test]
fn an_algorithm_outside_the_issuers_list_is_denied_before_any_check() {
    let config = config_with(|c| c["issuers"][0]["algorithms"] = json!(["ES256"]));
    assert_eq!(denial(&config, &claims()), "algorithm_not_allowed");
}

#[test]
fn keys_in_the_token_are_never_trusted() {
    let (ours, theirs) = (SigningKey::new("a"), SigningKey::new("b"));
    let mut bench = Bench::with_keys(&config(), [&ours]);
    for member in ["jwk", "jku", "x5u", "x5c"] {
        let mut header = json!({"alg": "EdDSA", "kid": "a"});
        header[member] = theirs.jwk();
        assert_eq!(bench.verdict(&theirs.sign_under(&header, &claims())), "bad_signature");
    }
}

#[test]
fn a_token_ends_exactly_at_exp_plus_leeway() {
    let token = claims_with(json!({"exp": NOW + 100}));
    assert_eq!(at_millis(160_000 - 1, &config(), &token), "allowed");
    assert_eq!(at_millis(160_000, &config(), &token), "expired");
}

#[test]
fn a_token_begins_exactly_at_nbf_minus_leeway() {
    let token = claims_with(json!({"nbf": NOW + 100}));
    assert_eq!(at_millis(40_000 - 1, &config(), &token), "not_yet_valid");
    assert_eq!(at_millis(40_000, &config(), &token), "allowed");
}

#[test]
fn iat_ahead_of_the_clock_is_not_yet_valid() {
    let token = claims_with(json!({"iat": NOW + 61}));
    assert_eq!(at_millis(0, &config(), &token), "not_yet_valid");
    assert_eq!(at_millis(1000, &config(), &token), "allowed");
}

#[test]
fn a_leeway_of_zero_takes_the_dates_at_their_word() {
    let config = config_with(|c| c["issuers"][0]["leeway"] = json!("0s"));
    let token = claims_with(json!({"exp": NOW + 10, "nbf": NOW + 5}));
    assert_eq!(at_millis(4_999, &config, &token), "not_yet_valid");
    assert_eq!(at_millis(5_000, &config, &token), "allowed");
    assert_eq!(at_millis(10_000, &config, &token), "expired");
}

#[test]
fn fractional_dates_are_rounded_down() {
    let token = claims_with(json!({"exp": NOW as f64 + 100.9, "iat": NOW as f64 + 60.9}));
    assert_eq!(at_millis(0, &config(), &token), "allowed", "iat is within the leeway");
    assert_eq!(at_millis(160_000, &config(), &token), "expired");
}

#[test]
fn dates_that_are_no_dates_are_malformed() {
    for name in ["exp", "nbf", "iat"] {
        for date in [json!(-1), json!(-0.5), json!(1e16), json!(u64::MAX), json!("1"), Value::Null]
        {
            let token = claims_with(json!({ name: date }));
            assert_eq!(denial(&config(), &token), "malformed_token", "{name}: {date}");
        }
    }
}

#[test]
fn the_latest_date_is_two_to_the_53() {
    assert_eq!(denial(&config(), &claims_with(json!({"exp": 1_u64 << 53}))), "allowed");
    assert_eq!(
        denial(&config(), &claims_with(json!({"exp": (1_u64 << 53) + 1}))),
        "malformed_token"
    );
}

#[test]
fn exp_is_required() {
    assert_eq!(denial(&config(), &claims_without(&["exp"])), "malformed_token");
    assert_eq!(denial(&config(), &claims_without(&["iat"])), "allowed");
}

#[test]
fn a_lifetime_of_exactly_the_limit_is_accepted() {
    let config = config_with(|c| c["issuers"][0]["max_token_lifetime"] = json!("1h"));
    assert_eq!(denial(&config, &claims_with(json!({"exp": NOW + 3600}))), "allowed");
    assert_eq!(denial(&config, &claims_with(json!({"exp": NOW + 3601}))), "lifetime_too_long");
    assert_eq!(denial(&config, &claims_without(&["iat"])), "lifetime_too_long");
}

#[test]
fn claims_of_the_wrong_type_are_malformed() {
    for (name, value) in [
        ("iss", json!(1)),
        ("iss", json!([ISSUER])),
        ("iss", Value::Null),
        ("aud", json!(1)),
        ("aud", json!([RESOURCE, 1])),
        ("aud", Value::Null),
        ("sub", json!(1)),
        ("sub", Value::Null),
        ("azp", json!(["client"])),
        ("client_id", json!(1)),
        ("client_id", Value::Null),
        ("scope", json!(1)),
        ("scp", json!(["a", 1])),
        ("permissions", json!({"a": true})),
        ("sid", json!(1)),
        ("jti", json!(1)),
    ] {
        let token = claims_with(json!({ name: value }));
        assert_eq!(denial(&config(), &token), "malformed_token", "{name}: {value}");
    }
}

#[test]
fn an_issuer_is_compared_byte_for_byte() {
    for issuer in ["https://idp.example", "https://IDP.example/", "https://idp.example//", ""] {
        assert_eq!(denial(&config(), &claims_with(json!({"iss": issuer}))), "unknown_issuer");
    }
    assert_eq!(denial(&config(), &claims_without(&["iss"])), "unknown_issuer");
}

#[test]
fn one_fitting_audience_is_enough() {
    for (aud, verdict) in [
        (json!(["https://other.example/", RESOURCE]), "allowed"),
        (json!([]), "wrong_audience"),
        (json!("https://mcp.example.com/mcp/"), "wrong_audience"),
        (json!(format!("{RESOURCE} https://other.example/")), "wrong_audience"),
    ] {
        assert_eq!(denial(&config(), &claims_with(json!({ "aud": aud }))), verdict, "{aud}");
    }
    assert_eq!(denial(&config(), &claims_without(&["aud"])), "wrong_audience");
}

#[test]
fn a_resources_audiences_replace_the_issuers_which_replace_its_identifier() {
    let of_issuer = config_with(|c| c["issuers"][0]["audiences"] = json!(["api"]));
    let mut of_resource = of_issuer.clone();
    of_resource["resources"][0]["audiences"] = json!(["own"]);
    for (config, accepted) in [(config(), RESOURCE), (of_issuer, "api"), (of_resource, "own")] {
        for aud in [RESOURCE, "api", "own"] {
            let verdict = if aud == accepted { "allowed" } else { "wrong_audience" };
            assert_eq!(denial(&config, &claims_with(json!({ "aud": aud }))), verdict, "{aud}");
        }
    }
}

#[test]
fn azp_names_the_client_before_client_id() {
    let config = config_with(|c| c["issuers"][0]["clients"] = json!(["good"]));
    for (members, verdict) in [
        (json!({"azp": "good"}), "allowed"),
        (json!({"client_id": "good"}), "allowed"),
        (json!({"azp": "good", "client_id": "good"}), "allowed"),
        (json!({"azp": "bad"}), "client_not_allowed"),
        (json!({}), "client_not_allowed"),
        (json!({"azp": "good", "client_id": "bad"}), "malformed_token"),
    ] {
        assert_eq!(denial(&config, &claims_with(members.clone())), verdict, "{members}");
    }
}

#[test]
fn clients_that_differ_are_malformed_even_where_any_is_accepted() {
    let token = claims_with(json!({"azp": "a", "client_id": "b"}));
    assert_eq!(denial(&config(), &token), "malformed_token");
}

#[test]
fn the_first_usable_username_claim_is_taken() {
    for (members, username) in [
        (json!({"preferred_username": "p", "email": "e@x", "name": "n"}), "p"),
        (json!({"preferred_username": "", "email": "e@x", "name": "n"}), "e@x"),
        (json!({"preferred_username": 5, "email": ["e@x"], "name": "n"}), "n"),
        (json!({"preferred_username": null}), "user-1"),
    ] {
        let identity = identity(&config(), &claims_with(members.clone()));
        assert_eq!(identity["x-user-name"], username, "{members}");
    }
}

#[test]
fn without_any_username_a_token_is_malformed() {
    let token = claims_without(&["preferred_username", "sub"]);
    assert_eq!(denial(&config(), &token), "malformed_token");
}

#[test]
fn an_email_counts_unless_it_is_not_verified() {
    for (verified, counts) in [
        (json!(true), true),
        (json!("true"), true),
        (json!(false), false),
        (json!("false"), false),
        (json!("TRUE"), false),
        (json!(1), false),
        (Value::Null, false),
    ] {
        let members = json!({"preferred_username": "", "email": "e@x", "email_verified": verified});
        let identity = identity(&config(), &claims_with(members));
        assert_eq!(identity.contains_key("x-user-email"), counts, "{verified}");
        assert_eq!(identity["x-user-name"], if counts { "e@x" } else { "user-1" }, "{verified}");
    }
}

#[test]
fn an_email_without_a_word_about_it_counts() {
    let identity = identity(&config(), &claims_with(json!({"email": "e@x"})));
    assert_eq!(identity["x-user-email"], "e@x");
}

#[test]
fn scopes_of_all_claims_are_merged_each_once() {
    let token =
        claims_with(json!({"scope": "a  b", "scp": ["c", "a", "d e", ""], "permissions": ["f"]}));
    assert_eq!(identity(&config(), &token)["x-user-scopes"], "a b c f");
}

#[test]
fn only_the_configured_scope_claims_count() {
    let config = config_with(|c| {
        c["issuers"][0]["scope_claims"] = json!(["roles"]);
        c["resources"][0]["scopes"] = json!(["mcp:read"]);
    });
    assert_eq!(denial(&config, &claims_with(json!({"scope": "mcp:read"}))), "insufficient_scope");
    assert_eq!(denial(&config, &claims_with(json!({"roles": ["mcp:read"]}))), "allowed");
    assert_eq!(
        denial(&config, &claims_with(json!({"roles": ["mcp:reader"]}))),
        "insufficient_scope"
    );
}

#[test]
fn every_scope_of_the_resource_is_needed() {
    let config = config_with(|c| c["resources"][0]["scopes"] = json!(["a", "b"]));
    assert_eq!(denial(&config, &claims_with(json!({"scope": "a"}))), "insufficient_scope");
    assert_eq!(denial(&config, &claims_with(json!({"scope": "b a"}))), "allowed");
}

#[test]
fn the_identity_provider_behind_an_issuer_counts_as_the_issuer() {
    let config = config_with(|c| {
        c["issuers"][0]["identity_issuer_claim"] = json!("idp_iss");
        c["identity_headers"] =
            json!({"x-id": "user_id", "x-issuer": "issuer", "x-token-issuer": "token_issuer"});
    });
    let tenant = "https://tenant.auth0.com/";
    let token = claims_with(json!({"idp_iss": tenant, "preferred_username": "user@example.com"}));
    let identity = identity(&config, &token);
    assert_eq!(identity["x-id"], "user-example-com-11b07dcc", "as from the provider itself");
    assert_eq!((&*identity["x-issuer"], &*identity["x-token-issuer"]), (tenant, ISSUER));
}

#[test]
fn a_missing_or_odd_identity_issuer_is_malformed() {
    let config = config_with(|c| c["issuers"][0]["identity_issuer_claim"] = json!("idp_iss"));
    for members in
        [json!({}), json!({"idp_iss": ""}), json!({"idp_iss": 1}), json!({"idp_iss": null})]
    {
        assert_eq!(denial(&config, &claims_with(members.clone())), "malformed_token", "{members}");
    }
}

#[test]
fn claims_become_headers_if_a_header_can_carry_them() {
    let config = config_with(|c| c["identity_headers"] = json!({"x-claim": "claim:c"}));
    for (claim, header) in [
        (json!("Åsa\r\nx: y"), Some("%C3%85sa%0D%0Ax: y")),
        (json!(5), Some("5")),
        (json!(1.5), Some("1.5")),
        (json!(true), Some("true")),
        (json!(["a", "b"]), Some("a b")),
        (json!([]), None),
        (json!(["a", 1]), None),
        (json!({"a": 1}), None),
        (Value::Null, None),
        (json!(""), None),
        (json!("a".repeat(1025)), None),
    ] {
        let identity = identity(&config, &claims_with(json!({ "c": claim })));
        assert_eq!(identity.get("x-claim").map(String::as_str), header, "{claim}");
    }
}

#[test]
fn sid_names_the_session_before_jti() {
    let session =
        |members: Value| identity(&config(), &claims_with(members))["x-session-id"].clone();
    let of_sid = session(json!({"sid": "s", "jti": "1"}));
    assert_eq!(of_sid, session(json!({"sid": "s", "jti": "2"})));
    assert_ne!(of_sid, session(json!({"jti": "1"})));
    assert_ne!(session(json!({"nonce": 1})), session(json!({"nonce": 2})), "each token its own");
}

#[test]
fn default_headers_say_all_there_is_to_say() {
    let token = claims_with(json!({"azp": "client", "scope": "a", "email": "e@x", "sid": "s"}));
    let identity = identity(&config(), &token);
    insta::assert_debug_snapshot!(identity, @r#"
    {
        "x-client-id": "client",
        "x-session-id": "Xy87yTnrTJlbwov30bfrJQ",
        "x-user-email": "e@x",
        "x-user-id": "alice-20e08ebb",
        "x-user-issuer": "https://idp.example/",
        "x-user-name": "alice",
        "x-user-scopes": "a",
        "x-user-subject": "user-1",
    }
    "#);
}

fn own((left, right): (&str, &str)) -> (String, String) {
    (left.to_owned(), right.to_owned())
}

/// What becomes of a token with these claims and a right signature.
fn denial(config: &Value, claims: &Value) -> &'static str {
    at_millis(0, config, claims)
}

/// As [`denial`], at this time after [`NOW`].
fn at_millis(millis: i64, config: &Value, claims: &Value) -> &'static str {
    let key = SigningKey::new("a");
    let mut bench = Bench::with_keys(config, [&key]);
    bench.at_millis(millis);
    bench.verdict(&key.sign(claims))
}

fn identity(config: &Value, claims: &Value) -> std::collections::BTreeMap<String, String> {
    let key = SigningKey::new("a");
    Bench::with_keys(config, [&key]).identity(&key.sign(claims))
}
