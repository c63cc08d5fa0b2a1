//! The client of the Management API: patient, bounded, and clear about who is at fault.

use std::sync::{Arc, Mutex};

use mcp_auth::{
    auth0::{
        Credentials, Failure, Management, application::Application, connection::Connection,
        resource_server::ResourceServer,
    },
    clock::Clock,
    secret::Secret,
};
use serde_json::json;

use super::double::{APPLICATION, Double, Fault, TOKEN, What};

type Told = Arc<Mutex<Vec<String>>>;

#[tokio::test]
async fn client_credentials_become_a_token() {
    let double = Double::start().await;
    let (id, secret) = APPLICATION;
    let by = |secret: &str| Credentials::Application {
        client_id: id.to_owned(),
        client_secret: Secret::new(secret),
    };
    let (auth0, _) = connect(&double, &by(secret)).await;
    assert!(Application::list(&auth0.unwrap()).await.unwrap().is_empty());
    let (auth0, _) = connect(&double, &by("hunter2")).await;
    let why = auth0.unwrap_err().to_string();
    assert!(why.contains("AUTH0_MGMT_CLIENT_ID") && !why.contains("hunter2"), "{why}");
}

#[tokio::test]
async fn a_wrong_token_and_a_missing_scope_are_told_apart() {
    let double = Double::start().await;
    let (auth0, _) = connect(&double, &Credentials::Token(Secret::new("hunter2"))).await;
    let why = Application::list(&auth0.unwrap()).await.unwrap_err();
    assert!(matches!(why, Failure::TokenRefused(..)), "{why}");
    double.tenant().scopes = Some(vec!["read:connections"]);
    let (auth0, _) = with_token(&double).await;
    let why = Application::list(&auth0).await.unwrap_err().to_string();
    assert!(why.contains("GET /api/v2/clients") && why.contains("read:clients"), "{why}");
}

#[tokio::test]
async fn a_list_is_read_to_its_last_page() {
    let double = Double::start().await;
    for nth in 0..250 {
        let entry = json!({"id": format!("con_{nth}"), "name": format!("connection {nth}")});
        double.tenant().connections.push(entry.as_object().unwrap().clone());
    }
    let (auth0, told) = with_token(&double).await;
    let all = Connection::list(&auth0).await.unwrap();
    assert_eq!((all.len(), all.last().unwrap().name.as_str()), (251, "connection 249"));
    assert!(told.lock().unwrap().iter().any(|it| it.contains("200 so far")), "{told:?}");
    assert_eq!(double.tenant().calls.len(), 3);
}

#[tokio::test]
async fn the_rate_limit_is_waited_for_and_said() {
    let double = Double::start().await;
    let reset = (Clock::system().now().secs() + 1).to_string();
    for headers in [vec![("retry-after", "1".to_owned())], vec![("x-ratelimit-reset", reset)]] {
        let what = What::TooMany(headers);
        double.tenant().faults.push_back(Fault { method: "GET", path: "/api/v2/clients", what });
    }
    let (auth0, told) = with_token(&double).await;
    Application::list(&auth0).await.unwrap();
    let told = told.lock().unwrap();
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[0].contains("waiting 1.0 s, then attempt 2 of 6"), "{told:?}");
}

#[tokio::test]
async fn a_pause_that_is_too_long_is_not_waited() {
    let double = Double::start().await;
    let what = What::TooMany(vec![("retry-after", "3600".to_owned())]);
    double.tenant().faults.push_back(Fault { method: "GET", path: "/api/v2/clients", what });
    let (auth0, _) = with_token(&double).await;
    let why = Application::list(&auth0).await.unwrap_err();
    assert!(matches!(why, Failure::RateLimited { .. }) && why.to_string().contains("3600s"));
    assert_eq!(double.tenant().calls.len(), 1);
}

#[tokio::test]
async fn only_what_can_be_done_twice_is_tried_again_after_a_failure() {
    let double = Double::start().await;
    for (method, path) in [("GET", "/api/v2/clients"), ("POST", "/api/v2/resource-servers")] {
        double.tenant().faults.push_back(Fault { method, path, what: What::Status(503) });
    }
    let (auth0, _) = with_token(&double).await;
    Application::list(&auth0).await.unwrap();
    let fields = json!({"name": "An API"}).as_object().unwrap().clone();
    let made = ResourceServer::create(&auth0, "https://mcp.example.com/mcp", fields).await;
    assert!(matches!(made.unwrap_err(), Failure::Refused { status: 503, .. }));
    assert_eq!(double.writes().len(), 1);
}

#[tokio::test]
async fn what_somebody_else_has_made_meanwhile_is_a_conflict() {
    let double = Double::start().await;
    let (path, what) = ("/api/v2/resource-servers", What::Overtaken);
    double.tenant().faults.push_back(Fault { method: "POST", path, what });
    let (auth0, _) = with_token(&double).await;
    let (identifier, fields) = ("https://mcp.example.com/mcp?a=/b", json!({"name": "An API"}));
    let made = ResourceServer::create(&auth0, identifier, fields.as_object().unwrap().clone());
    assert!(matches!(made.await.unwrap_err(), Failure::Conflict(..)));
    let found = ResourceServer::find(&auth0, identifier).await.unwrap().unwrap();
    assert_eq!(found.fields, *double.tenant().api(identifier));
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_read_again() {
    let double = Double::start().await;
    let what = What::AnswerLost;
    double.tenant().faults.push_back(Fault { method: "GET", path: "/api/v2/clients", what });
    let (auth0, told) = with_token(&double).await;
    Application::list(&auth0).await.unwrap();
    assert!(told.lock().unwrap()[0].contains("cannot be reached"), "{told:?}");
}

#[tokio::test]
async fn an_applications_secret_is_rotated_and_never_shown() {
    let double = Double::start().await;
    let (auth0, _) = with_token(&double).await;
    let fields = json!({"name": "An application"}).as_object().unwrap().clone();
    let made = Application::create(&auth0, fields).await.unwrap();
    let old = made.client_secret.clone().unwrap();
    let new = Application::rotate_secret(&auth0, &made.client_id).await.unwrap();
    assert!(!old.matches(new.expose().as_bytes()));
    let found = Application::find(&auth0, &made.client_id).await.unwrap().unwrap();
    assert!(found.client_secret.as_ref().unwrap().matches(new.expose().as_bytes()));
    let shown = format!("{made:?} {found:?}");
    assert_eq!(double.tenant().client("An application")["client_secret"], new.expose());
    assert!(!shown.contains(old.expose()) && !shown.contains(new.expose()), "{shown}");
    assert!(Application::find(&auth0, "nobody").await.unwrap().is_none());
}

async fn with_token(double: &Double) -> (Management, Told) {
    let (auth0, told) = connect(double, &Credentials::Token(Secret::new(TOKEN))).await;
    (auth0.unwrap(), told)
}

async fn connect(
    double: &Double,
    credentials: &Credentials,
) -> (Result<Management, Failure>, Told) {
    let told = Told::default();
    let tell = {
        let told = Arc::clone(&told);
        Box::new(move |line: &str| told.lock().unwrap().push(line.to_owned()))
    };
    let url = double.url.parse().unwrap();
    (Management::connect(&url, credentials, Clock::system(), tell).await, told)
}
