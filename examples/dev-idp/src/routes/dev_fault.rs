//! `POST /dev/fault`: makes an endpoint misbehave, or behave again.

use std::{sync::Arc, time::Duration};

use axum::{
    Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use serde_json::json;

use crate::{
    app::App,
    fault::{Endpoint, Fault},
};

/// The longest delay that may be ordered.
const MAX_DELAY: Duration = Duration::from_secs(600);

/// The order, as JSON.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Order {
    endpoint: Endpoint,
    mode: Mode,
    /// For `fail`; 500 where absent.
    status: Option<u16>,
    /// For `slow`; 3,000 where absent.
    delay_ms: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Mode {
    Fail,
    Hang,
    Slow,
    OddKeys,
    Empty,
    Garbage,
    None,
}

/// In force from the next request on, until the next order for that endpoint.
pub(crate) async fn set(
    State(app): State<Arc<App>>,
    Json(order): Json<Order>,
) -> Result<StatusCode, BadOrder> {
    let fault = order.fault()?;
    tracing::info!(endpoint = ?order.endpoint, ?fault, "fault set");
    app.endpoints.set(order.endpoint, fault);
    Ok(StatusCode::NO_CONTENT)
}

/// Why an order makes no sense.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum BadOrder {
    #[error("endpoint: faults exist for authorize, discovery, jwks, token and userinfo")]
    Endpoint,
    #[error("mode: odd_keys is for jwks")]
    OddKeys,
    #[error("status: it goes with mode fail, from 200 to 599")]
    Status,
    #[error("delay_ms: it goes with mode slow, at most 600000")]
    Delay,
}

impl IntoResponse for BadOrder {
    fn into_response(self) -> Response {
        (StatusCode::BAD_REQUEST, Json(json!({ "error": self.to_string() }))).into_response()
    }
}

impl Order {
    fn fault(&self) -> Result<Option<Fault>, BadOrder> {
        if matches!(self.endpoint, Endpoint::Login | Endpoint::Logout | Endpoint::Revoke) {
            return Err(BadOrder::Endpoint);
        }
        if self.status.is_some() && self.mode != Mode::Fail {
            return Err(BadOrder::Status);
        }
        if self.delay_ms.is_some() && self.mode != Mode::Slow {
            return Err(BadOrder::Delay);
        }
        Ok(Some(match self.mode {
            Mode::None => return Ok(None),
            Mode::Fail => Fault::Fail(self.status()?),
            Mode::Hang => Fault::Hang,
            Mode::Slow => Fault::Slow(self.delay()?),
            Mode::OddKeys if self.endpoint != Endpoint::Jwks => return Err(BadOrder::OddKeys),
            Mode::OddKeys => Fault::OddKeys,
            Mode::Empty => Fault::Empty,
            Mode::Garbage => Fault::Garbage,
        }))
    }

    /// Informational statuses are no answers, so they are not ordered.
    fn status(&self) -> Result<StatusCode, BadOrder> {
        let status = self.status.unwrap_or(500);
        if !(200..600).contains(&status) {
            return Err(BadOrder::Status);
        }
        StatusCode::from_u16(status).map_err(|_| BadOrder::Status)
    }

    fn delay(&self) -> Result<Duration, BadOrder> {
        let delay = Duration::from_millis(self.delay_ms.unwrap_or(3_000));
        if delay > MAX_DELAY { Err(BadOrder::Delay) } else { Ok(delay) }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use axum::http::StatusCode;
    use serde_json::{Value, json};

    use crate::testing::{AUTHORIZE, Answer, Idp};

    const JWKS: &str = "/.well-known/jwks.json";

    async fn order(idp: &Idp, order: Value) -> Answer {
        idp.post_json("/dev/fault", &order).await
    }

    #[tokio::test]
    async fn fail_answers_the_ordered_status_until_it_is_lifted() {
        let idp = Idp::new();
        for (endpoint, path) in [
            ("jwks", JWKS),
            ("discovery", "/.well-known/openid-configuration"),
            ("userinfo", "/userinfo"),
            ("authorize", AUTHORIZE),
        ] {
            let before = idp.get(path).await.status;
            order(&idp, json!({"endpoint": endpoint, "mode": "fail", "status": 503})).await;
            assert_eq!(idp.get(path).await.status, StatusCode::SERVICE_UNAVAILABLE);
            order(&idp, json!({"endpoint": endpoint, "mode": "none"})).await;
            assert_eq!(idp.get(path).await.status, before, "{endpoint}");
        }
        order(&idp, json!({"endpoint": "token", "mode": "fail"})).await;
        let answer = idp.post_form("/oauth/token", "").await;
        assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
    }

    #[tokio::test(start_paused = true)]
    async fn slow_answers_rightly_but_late() {
        let idp = Idp::new();
        order(&idp, json!({"endpoint": "jwks", "mode": "slow", "delay_ms": 2000})).await;
        let early = tokio::time::timeout(Duration::from_millis(1999), idp.get(JWKS)).await;
        assert!(early.is_err());
        let late = tokio::time::timeout(Duration::from_millis(2001), idp.get(JWKS)).await.unwrap();
        assert_eq!(late.json(), idp.app.keys().jwks());
    }

    #[tokio::test(start_paused = true)]
    async fn hang_answers_nothing_for_minutes() {
        let idp = Idp::new();
        order(&idp, json!({"endpoint": "jwks", "mode": "hang"})).await;
        assert!(tokio::time::timeout(Duration::from_secs(599), idp.get(JWKS)).await.is_err());
    }

    #[tokio::test]
    async fn odd_keys_surround_the_right_ones() {
        let idp = Idp::new();
        let right = idp.get(JWKS).await.json();
        order(&idp, json!({"endpoint": "jwks", "mode": "odd_keys"})).await;
        let odd = idp.get(JWKS).await.json();
        let odd = odd["keys"].as_array().unwrap();
        assert!(odd.len() > 10);
        for key in right["keys"].as_array().unwrap() {
            assert!(odd.contains(key));
        }
    }

    #[tokio::test]
    async fn empty_and_garbage_are_what_they_say() {
        let idp = Idp::new();
        order(&idp, json!({"endpoint": "jwks", "mode": "empty"})).await;
        assert_eq!(idp.get(JWKS).await.json(), json!({"keys": []}));
        order(&idp, json!({"endpoint": "jwks", "mode": "garbage"})).await;
        let garbage = idp.get(JWKS).await;
        assert_eq!(garbage.status, StatusCode::OK);
        assert_eq!(garbage.headers["content-type"], "application/json");
        assert!(serde_json::from_str::<Value>(&garbage.body).is_err());
    }

    #[tokio::test]
    async fn senseless_orders_are_refused_by_name() {
        let idp = Idp::new();
        for (bad, named) in [
            (json!({"endpoint": "revoke", "mode": "fail"}), "endpoint"),
            (json!({"endpoint": "token", "mode": "odd_keys"}), "mode"),
            (json!({"endpoint": "token", "mode": "fail", "status": 99}), "status"),
            (json!({"endpoint": "token", "mode": "hang", "status": 500}), "status"),
            (json!({"endpoint": "token", "mode": "slow", "delay_ms": 600_001}), "delay_ms"),
        ] {
            let answer = order(&idp, bad).await;
            assert_eq!(answer.status, StatusCode::BAD_REQUEST);
            assert!(answer.json()["error"].as_str().unwrap().starts_with(named));
        }
        let unknown = order(&idp, json!({"endpoint": "jwks", "mode": "explode"})).await;
        assert_eq!(unknown.status, StatusCode::UNPROCESSABLE_ENTITY);
    }
}
