//! The page as a browser without script uses it.

use axum::http::StatusCode;
use serde_json::json;

use crate::routes::testing::{ID, Server, report};

#[tokio::test]
async fn sessions_are_shown_by_user_and_escaped() {
    let server = Server::start().await;
    let mut body = report(server.now() + 100);
    body["username"] = json!("<script>alert(1)</script>");
    server.put(ID, &body).await;
    let page = text(&server, "/").await;
    assert!(page.contains("<h2>alice-1</h2>"));
    assert!(page.contains("&lt;script&gt;") && !page.contains("<script>"));
    assert!(text(&server, "/?user=alice-1").await.contains(ID));
    assert!(text(&server, "/?user=bob").await.contains("No sessions."));
    assert!(text(&server, "/?client=client").await.contains(ID));
}

#[tokio::test]
async fn revoking_asks_first_and_needs_the_form() {
    let server = Server::start().await;
    server.put(ID, &report(server.now() + 100)).await;
    let asked = text(&server, &format!("/revoke?session={ID}")).await;
    assert!(!is_revoked(&server).await, "asking changes nothing");
    assert!(asked.contains("<dd>alice-1</dd><dt>Name</dt><dd>alice</dd>"), "{asked}");

    for csrf in ["", "csrf=wrong&"] {
        let forged = server.request("POST", "/revoke").body(format!("{csrf}session={ID}"));
        assert_eq!(forged.send().await.unwrap().status(), StatusCode::FORBIDDEN);
    }
    assert!(!is_revoked(&server).await);

    let form = format!("csrf={}&session={ID}", csrf(&asked));
    let answer = server.request("POST", "/revoke").body(form).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::SEE_OTHER);
    assert!(is_revoked(&server).await);
    assert!(text(&server, "/?done=1").await.contains("revoked just now"));
}

#[tokio::test]
async fn a_user_can_be_revoked_whole() {
    let server = Server::start().await;
    server.put(ID, &report(server.now() + 100)).await;
    let asked = text(&server, "/revoke?user=alice-1").await;
    let form = format!("csrf={}&user=alice-1", csrf(&asked));
    server.request("POST", "/revoke").body(form).send().await.unwrap();
    assert!(is_revoked(&server).await);
}

#[tokio::test]
async fn with_a_token_the_page_asks_for_it() {
    let server = Server::with_token("open-sesame").await;
    let unknown = server.request("GET", "/").send().await.unwrap();
    assert_eq!(unknown.headers()["location"], "/login");
    let wrong = server.request("POST", "/login").body("token=wrong").send().await.unwrap();
    assert_eq!(wrong.status(), StatusCode::FORBIDDEN);
    assert!(!wrong.headers().contains_key("set-cookie"));

    let right = server.request("POST", "/login").body("token=open-sesame").send().await.unwrap();
    let cookie = right.headers()["set-cookie"].to_str().unwrap();
    for limit in ["HttpOnly", "SameSite=Strict", "Path=/"] {
        assert!(cookie.contains(limit), "{cookie}");
    }
    let pair = cookie.split(';').next().unwrap();
    let with = |cookie: String| server.request("GET", "/").header("cookie", cookie).send();
    assert_eq!(with(pair.to_owned()).await.unwrap().status(), StatusCode::OK);
    for forged in [format!("{pair}x"), pair.replace("=1", "=2"), "mcp_auth_page=".to_owned()] {
        assert_eq!(with(forged).await.unwrap().status(), StatusCode::SEE_OTHER);
    }
}

#[tokio::test]
async fn the_page_runs_no_script_and_is_not_framed() {
    let server = Server::start().await;
    let answer = server.request("GET", "/").send().await.unwrap();
    insta::assert_snapshot!(answer.headers()["content-security-policy"].to_str().unwrap(),
        @"default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'");
    assert_eq!(answer.headers()["x-frame-options"], "DENY");
    assert_eq!(answer.headers()["cache-control"], "no-store");
    let refused = server.request("DELETE", "/").send().await.unwrap();
    assert_eq!(refused.status(), StatusCode::METHOD_NOT_ALLOWED);
}

async fn text(server: &Server, path: &str) -> String {
    server.request("GET", path).send().await.unwrap().text().await.unwrap()
}

async fn is_revoked(server: &Server) -> bool {
    server.get(&format!("/v1/sessions/{ID}")).await.1["revoked_at"].is_u64()
}

fn csrf(page: &str) -> &str {
    let (_, rest) = page.split_once("name=\"csrf\" value=\"").unwrap();
    rest.split('"').next().unwrap()
}
