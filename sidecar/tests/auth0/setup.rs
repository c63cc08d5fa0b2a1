//! `mcp-auth setup auth0`, as an operator calls it.

use std::{fs, os::unix::fs::PermissionsExt, process::Stdio};

use clap::Parser;
use mcp_auth::{
    cli::{Cli, Command},
    commands,
};
use serde_json::{Value, json};
use tokio::process;

use super::double::{APPLICATION, Double, Fault, TOKEN, What};

const AUDIENCE: &str = "https://mcp.example.com/mcp";
const NAME: &str = "mcp-auth mcp.example.com";

struct Ran {
    code: i32,
    out: String,
    err: String,
}

#[tokio::test]
async fn a_fresh_tenant_becomes_what_mcp_auth_needs() {
    let double = Double::start().await;
    let ran = setup(&double, &[], &[]).await;
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(ran.out.contains("3 things changed"), "{}", ran.out);
    let tenant = double.tenant();
    let api = tenant.api(AUDIENCE);
    assert_eq!(api["signing_alg"], "RS256");
    assert_eq!(
        (&api["allow_offline_access"], &api["enforce_policies"]),
        (&json!(true), &json!(true))
    );
    assert_eq!(
        (&api["token_lifetime"], &api["token_dialect"]),
        (&json!(7200), &json!("rfc9068_profile_authz"))
    );
    assert_eq!(api["scopes"][1]["value"], "mcp:write");
    let application = tenant.client(NAME);
    for (field, value) in [
        ("app_type", json!("regular_web")),
        ("oidc_conformant", json!(true)),
        ("callbacks", json!(["https://mcp.example.com/auth/callback"])),
        ("allowed_logout_urls", json!(["https://mcp.example.com/logout/done"])),
        ("grant_types", json!(["authorization_code", "refresh_token"])),
        ("token_endpoint_auth_method", json!("client_secret_basic")),
    ] {
        assert_eq!(application[field], value, "{field}");
    }
    let refresh = &application["refresh_token"];
    assert_eq!((&refresh["rotation_type"], &refresh["leeway"]), (&json!("rotating"), &json!(60)));
    assert_eq!(refresh["idle_token_lifetime"], 30 * 86400);
    assert_eq!(refresh["token_lifetime"], 90 * 86400);
    assert_eq!(tenant.settings["resource_parameter_profile"], "compatibility");
    assert_eq!(tenant.settings["flags"]["enable_dynamic_client_registration"], false);
    assert_eq!(tenant.settings["flags"]["enable_client_connections"], true, "others stay");
}

#[tokio::test]
async fn doing_it_again_changes_nothing_and_says_so() {
    let double = Double::start().await;
    assert_eq!(setup(&double, &[], &[]).await.code, 0);
    double.tenant().calls.clear();
    let again = setup(&double, &[], &[]).await;
    assert_eq!((again.code, double.writes()), (0, Vec::<String>::new()));
    assert!(again.out.contains("nothing had to be changed"), "{}", again.out);
    assert!(again.out.contains("Username-Password-Authentication"), "{}", again.out);
}

#[tokio::test]
async fn a_dry_run_prints_each_field_and_writes_nothing() {
    let double = Double::start().await;
    let ran = setup(&double, &["--dry-run"], &[]).await;
    assert_eq!((ran.code, double.writes()), (0, Vec::<String>::new()));
    for line in [
        "  ~ resource_parameter_profile: \"audience\" -> \"compatibility\"",
        "  ~ flags.enable_dynamic_client_registration: true -> false",
        "  + signing_alg: \"RS256\"",
        "  + refresh_token.leeway: 60",
        "3 things would be changed; nothing was written",
    ] {
        assert!(ran.out.contains(line), "{line}:\n{}", ran.out);
    }
}

#[tokio::test]
async fn the_guide_shows_what_a_fresh_tenant_lacks() {
    let double = Double::start().await;
    let ran = setup(&double, &["--dry-run"], &[]).await;
    let guide = include_str!("../../../docs/how-to/auth0.md");
    assert!(guide.contains(&format!("\n```\n{}```\n", ran.out)), "{}", ran.out);
}

#[tokio::test]
async fn the_example_is_enough() {
    let double = Double::start().await;
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("management-token");
    fs::write(&token, TOKEN).unwrap();
    let example = include_str!("../../../examples/auth0/.env.example");
    let example = example.replace("./management-token", token.to_str().unwrap());
    let variables = example.lines().filter(|it| !it.starts_with('#'));
    let variables: Vec<_> = variables.filter_map(|it| it.split_once('=')).collect();
    let ran = run(&double, &["--dry-run"], &variables).await;
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(ran.out.contains("3 things would be changed"), "{}", ran.out);
}

#[tokio::test]
async fn only_what_differs_is_written_and_what_is_not_ours_stays() {
    let double = Double::start().await;
    assert_eq!(setup(&double, &[], &[]).await.code, 0);
    {
        let mut tenant = double.tenant();
        let client = tenant.clients.iter_mut().find(|it| it["name"] == NAME).unwrap();
        client["callbacks"] = json!(["https://other.example/callback"]);
        client.insert("description".to_owned(), json!("somebody's words"));
        client["refresh_token"]["leeway"] = json!(0);
        client["refresh_token"]["policies"] = json!([{"audience": "x", "scope": ["y"]}]);
        client["jwt_configuration"]["alg"] = json!("HS256");
        let api =
            tenant.resource_servers.iter_mut().find(|it| it["identifier"] == AUDIENCE).unwrap();
        api["scopes"] = json!([{"value": "other:scope", "description": "kept"}]);
    }
    let ran = setup(&double, &[], &[]).await;
    assert!(ran.out.contains("  ~ refresh_token.leeway: 0 -> 60"), "{}", ran.out);
    let tenant = double.tenant();
    let client = tenant.client(NAME);
    assert_eq!(
        client["callbacks"],
        json!(["https://other.example/callback", "https://mcp.example.com/auth/callback"])
    );
    assert_eq!(client["description"], "somebody's words");
    assert_eq!(client["refresh_token"]["policies"], json!([{"audience": "x", "scope": ["y"]}]));
    assert_eq!(client["jwt_configuration"], json!({"alg": "RS256", "secret_encoded": false}));
    let scopes = tenant.api(AUDIENCE)["scopes"].as_array().unwrap();
    assert_eq!(scopes[0], json!({"value": "other:scope", "description": "kept"}));
    assert_eq!(scopes.len(), 3);
}

#[tokio::test]
async fn whoever_was_faster_is_no_failure() {
    let double = Double::start().await;
    let overtaken = |path| Fault { method: "POST", path, what: What::Overtaken };
    double.tenant().faults.push_back(overtaken("/api/v2/resource-servers"));
    let ran = setup(&double, &[], &[]).await;
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(ran.out.contains(&format!("API {AUDIENCE}: as it should be")), "{}", ran.out);

    set_policy(&double, "require_client_grant");
    double.tenant().faults.push_back(overtaken("/api/v2/client-grants"));
    let ran = setup(&double, &[], &[]).await;
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert_eq!(double.tenant().client_grants.len(), 1);
}

#[tokio::test]
async fn an_api_that_asks_for_a_grant_gets_one_and_one_that_forbids_users_is_refused() {
    let double = Double::start().await;
    assert_eq!(setup(&double, &[], &[]).await.code, 0);
    set_policy(&double, "require_client_grant");
    let ran = setup(&double, &[], &[]).await;
    assert!(ran.out.contains("granted: mcp:read, mcp:write"), "{} {}", ran.out, ran.err);
    assert_eq!(double.tenant().client_grants[0]["subject_type"], "user");
    let more = setup(&double, &[], &[("MCP_SCOPES", "mcp:read,mcp:admin")]).await;
    assert!(more.out.contains("granted: mcp:admin"), "{} {}", more.out, more.err);
    let granted = double.tenant().client_grants[0]["scope"].clone();
    assert_eq!(granted, json!(["mcp:read", "mcp:write", "mcp:admin"]));
    set_policy(&double, "deny_all");
    let ran = setup(&double, &[], &[]).await;
    assert!(ran.code == 1 && ran.err.contains("deny_all"), "{}", ran.err);
    assert!(ran.out.contains("application"), "what was done is told: {}", ran.out);
}

#[tokio::test]
async fn connections_are_enabled_by_name_and_a_tenant_without_any_is_told() {
    let double = Double::start().await;
    double.tenant().settings["flags"]["enable_client_connections"] = json!(false);
    for nth in 1..150 {
        let connection = json!({"id": format!("con_{nth}"), "name": format!("company-{nth}")});
        double.tenant().connections.push(connection.as_object().unwrap().clone());
    }
    let ran = setup(&double, &[], &[]).await;
    assert!(
        ran.code == 1 && ran.err.contains("--connections, of: Username-Password"),
        "{}",
        ran.err
    );
    let ran = setup(&double, &["--connections", "company-149,nobody"], &[]).await;
    assert!(ran.code == 1 && ran.err.contains("\"nobody\""), "{}", ran.err);
    let ran = setup(&double, &["--connections", "company-149"], &[]).await;
    assert!(ran.code == 0 && ran.out.contains("enabled: company-149"), "{} {}", ran.out, ran.err);
    assert_eq!(double.tenant().enabled["con_149"].len(), 1);
    let again = setup(&double, &["--connections", "company-149"], &[]).await;
    assert!(again.out.contains("nothing had to be changed"), "{}", again.out);
}

#[tokio::test]
async fn two_applications_of_one_name_are_not_guessed_between() {
    let double = Double::start().await;
    assert_eq!(setup(&double, &[], &[]).await.code, 0);
    let mut twin = double.tenant().client(NAME).clone();
    twin["client_id"] = json!("twin");
    double.tenant().clients.push(twin);
    let ran = setup(&double, &[], &[]).await;
    assert!(ran.code == 1 && ran.err.contains("AUTH0_CLIENT_ID") && ran.err.contains("twin"));
    let ran = setup(
        &double,
        &["--connections", "Username-Password-Authentication"],
        &[("AUTH0_CLIENT_ID", "twin")],
    )
    .await;
    assert_eq!(ran.code, 0, "{}", ran.err);
    let ran = setup(&double, &[], &[("AUTH0_CLIENT_ID", "nobody")]).await;
    assert!(ran.code == 1 && ran.err.contains("no application nobody"), "{}", ran.err);
}

#[tokio::test]
async fn the_tenant_can_be_left_alone() {
    let double = Double::start().await;
    double.tenant().scopes = Some(vec![
        "read:resource_servers",
        "create:resource_servers",
        "read:clients",
        "create:clients",
        "read:connections",
        "read:client_grants",
    ]);
    let ran = setup(&double, &[], &[]).await;
    assert!(ran.code == 1 && ran.err.contains("read:tenant_settings"), "{}", ran.err);
    let ran = setup(&double, &["--keep-tenant"], &[]).await;
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert_eq!(double.tenant().settings["resource_parameter_profile"], "audience");
}

#[tokio::test]
async fn an_application_may_call_instead_of_a_token() {
    let double = Double::start().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secret");
    fs::write(&file, APPLICATION.1).unwrap();
    let by_application = [
        ("AUTH0_MGMT_CLIENT_ID", APPLICATION.0),
        ("AUTH0_MGMT_CLIENT_SECRET_FILE", file.to_str().unwrap()),
    ];
    let ran = run(&double, &["--dry-run"], &by_application).await;
    assert_eq!(ran.code, 0, "{}", ran.err);
    let ran = run(&double, &["--dry-run"], &[]).await;
    assert!(ran.code == 2 && ran.err.contains("AUTH0_MGMT_TOKEN is required"), "{}", ran.err);
}

#[tokio::test]
async fn pauses_are_told_on_standard_error() {
    let double = Double::start().await;
    let what = What::TooMany(vec![("retry-after", "1".to_owned())]);
    double.tenant().faults.push_back(Fault { method: "GET", path: "/api/v2/tenants", what });
    let ran = setup(&double, &[], &[]).await;
    assert!(ran.code == 0 && ran.err.contains("waiting 1.0 s, then attempt 2"), "{}", ran.err);
}

#[tokio::test]
async fn secrets_go_to_a_private_file_or_nowhere() {
    let double = Double::start().await;
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let secret = "secret-of-client";
    for form in ["env", "k8s", "json"] {
        let shown = setup(&double, &["--output", form], &[]).await;
        assert!(shown.code == 0 && shown.out.contains("AUTH0_AUDIENCE"), "{}", shown.err);
        assert!(!shown.out.contains(secret) && !shown.err.contains(secret), "{form}");
        let shown = setup(&double, &["--output", form, "--show-secrets"], &[]).await;
        assert!(shown.out.contains(secret), "{form}: {}", shown.out);
        let file = path(form);
        let ran = setup(&double, &["--output", form, "--output-file", &file], &[]).await;
        assert!(!ran.out.contains(secret) && !ran.err.contains(secret), "{form}");
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(fs::read_to_string(&file).unwrap().contains(secret), "{form}");
        let again = setup(&double, &["--output", form, "--output-file", &file], &[]).await;
        assert!(again.out.contains("says so already"), "{}", again.out);
    }
    let env = fs::read_to_string(path("env")).unwrap();
    assert!(
        env.contains("\nAUTH0_CLIENT_ID=client_") || env.starts_with("AUTH0_DOMAIN=tenant"),
        "{env}"
    );
    fs::write(path("env"), "something else").unwrap();
    let ran = setup(&double, &["--output", "env", "--output-file", &path("env")], &[]).await;
    assert!(ran.code == 1 && ran.err.contains("--force"), "{}", ran.err);
}

#[tokio::test]
async fn secrets_are_not_shown_on_a_terminal() {
    let args = ["mcp-auth", "setup", "auth0", "--output", "env", "--show-secrets"];
    let Command::Setup(args) = Cli::try_parse_from(args).unwrap().command else { unreachable!() };
    let stopped = commands::setup::run(&args, |_| None, true).await.unwrap_err();
    assert!(stopped.why.is_usage() && stopped.why.to_string().contains("--output-file"));
}

#[tokio::test]
async fn a_secret_that_may_not_be_read_is_asked_for() {
    let double = Double::start().await;
    assert_eq!(setup(&double, &[], &[]).await.code, 0);
    double.tenant().scopes = Some(vec![
        "read:resource_servers",
        "read:clients",
        "read:connections",
        "read:tenant_settings",
    ]);
    let ran = setup(&double, &["--output", "env", "--show-secrets"], &[]).await;
    assert!(ran.code == 1 && ran.err.contains("read:client_keys"), "{}", ran.err);
}

#[tokio::test]
async fn the_filters_configuration_is_written_too() {
    let double = Double::start().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("filter.json");
    let two = "https://mcp.example.com/mcp,https://other.example.com/mcp";
    let ran = setup(
        &double,
        &["--filter-file", path.to_str().unwrap()],
        &[("MCP_RESOURCES", two), ("MCP_AUTH_TOKEN", "first,second")],
    )
    .await;
    assert_eq!(ran.code, 0, "{}", ran.err);
    let filter: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    assert_eq!(filter["issuers"][0]["issuer"], "https://mcp.example.com");
    assert_eq!(filter["resources"][1]["hosts"], json!(["other.example.com"]));
    assert_eq!(filter["sessions"]["token"], "first");
    assert!(
        !ran.out.contains("first,")
            && fs::metadata(&path).unwrap().permissions().mode() & 0o77 == 0
    );
}

#[tokio::test]
async fn wrong_usage_is_named() {
    let double = Double::start().await;
    for (args, env, named) in [
        (&[][..], &[("AUTH0_DOMAIN", "https://tenant.auth0.com")][..], "AUTH0_DOMAIN"),
        (&[], &[("MCP_AUTH_URL", "http://mcp.example.com")], "MCP_AUTH_URL"),
        (&[], &[("MCP_RESOURCES", "")], "MCP_RESOURCES"),
        (&[], &[("AUTH0_MGMT_URL", "http://tenant.auth0.com")], "AUTH0_MGMT_URL"),
        (&["--token-lifetime", "31d"], &[], "--token-lifetime"),
        (&["--token-lifetime", "5m"], &[], "MCP_ACCESS_TOKEN_TTL"),
        (&["--name", "<b>"], &[], "--name"),
        (&["--output", "xml"], &[], "xml"),
        (&["--show-secrets"], &[], "--output"),
    ] {
        let ran = setup(&double, args, env).await;
        assert!(ran.code == 2 && ran.err.contains(named), "{named}: {} {}", ran.code, ran.err);
    }
    assert!(double.tenant().calls.is_empty());
}

/// Sets who may have tokens of the API on behalf of users.
fn set_policy(double: &Double, policy: &str) {
    let mut tenant = double.tenant();
    let api = tenant.resource_servers.iter_mut().find(|it| it["identifier"] == AUDIENCE).unwrap();
    let policy = json!({"user": {"policy": policy}, "client": {"policy": "deny_all"}});
    api.insert("subject_type_authorization".to_owned(), policy);
}

async fn setup(double: &Double, args: &[&str], env: &[(&str, &str)]) -> Ran {
    run(double, args, &[env, &[("AUTH0_MGMT_TOKEN", TOKEN)]].concat()).await
}

async fn run(double: &Double, args: &[&str], env: &[(&str, &str)]) -> Ran {
    let output = process::Command::new(env!("CARGO_BIN_EXE_mcp-auth"))
        .args(["setup", "auth0"])
        .args(args)
        .env_clear()
        .envs([
            ("AUTH0_DOMAIN", "tenant.eu.auth0.com"),
            ("AUTH0_MGMT_URL", double.url.as_str()),
            ("MCP_AUTH_URL", "https://mcp.example.com"),
            ("MCP_RESOURCES", AUDIENCE),
        ])
        .envs(env.iter().copied())
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .unwrap();
    Ran {
        code: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}
