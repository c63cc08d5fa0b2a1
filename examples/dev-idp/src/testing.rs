//! What the tests share: a provider in memory, a clock wound by hand, and a scripted browser.

use std::{
    collections::HashMap,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use axum::{
    body::Body,
    http::{
        HeaderMap, Request, StatusCode,
        header::{AUTHORIZATION, CONTENT_TYPE, COOKIE},
    },
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http_body_util::BodyExt as _;
use jwt_compact::{
    AlgorithmExt as _, UntrustedToken,
    alg::{Es256, Rsa, RsaPublicKey},
    jwk::JsonWebKey,
};
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};
use tower::ServiceExt as _;
use url::Url;

use crate::{
    app::{self, App},
    client::Client,
    clock::{Clock, UnixTime},
    config::Config,
    issuer::Issuer,
    keys::{Algorithm, KeyPair},
    user::User,
};

pub(crate) const ISSUER: &str = "http://127.0.0.1:9000/";

/// A valid request of `demo-client`; its challenge is that of RFC 7636 appendix B.
pub(crate) const AUTHORIZE: &str = "/authorize?client_id=demo-client\
    &redirect_uri=http%3A%2F%2F127.0.0.1%3A7777%2Fcb&response_type=code\
    &scope=openid%20profile%20email%20offline_access%20mcp%3Aread&state=s1&nonce=n1\
    &audience=https%3A%2F%2Fmcp.example%2F\
    &code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256";

/// The token request that goes with [`AUTHORIZE`].
pub(crate) fn code_form(code: &str) -> String {
    format!(
        "grant_type=authorization_code&client_id=demo-client&code={code}\
         &redirect_uri=http://127.0.0.1:7777/cb\
         &code_verifier=dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
    )
}

/// A provider and the browser that talks to it.
pub(crate) struct Idp {
    pub(crate) app: Arc<App>,
    now: Arc<AtomicI64>,
}

impl Idp {
    pub(crate) fn new() -> Self {
        Self::with(config())
    }

    pub(crate) fn with(config: Config) -> Self {
        let now = Arc::new(AtomicI64::new(1_800_000_000));
        let read = Arc::clone(&now);
        let clock = Clock::from_fn(move || UnixTime::from_secs(read.load(Ordering::Relaxed)));
        let app = App::new(config, clock, test_key_pair());
        app.forger.set(other_key_pair()).ok().unwrap();
        Self { app: Arc::new(app), now }
    }

    pub(crate) fn now(&self) -> i64 {
        self.now.load(Ordering::Relaxed)
    }

    /// Lets `seconds` pass.
    pub(crate) fn wind(&self, seconds: i64) {
        self.now.fetch_add(seconds, Ordering::Relaxed);
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Request::get(path).body(Body::empty()).unwrap()).await
    }

    pub(crate) async fn get_as(&self, path: &str, cookie: &str) -> Answer {
        self.send(Request::get(path).header(COOKIE, cookie).body(Body::empty()).unwrap()).await
    }

    pub(crate) async fn post(&self, path: &str) -> Answer {
        self.send(Request::post(path).body(Body::empty()).unwrap()).await
    }

    pub(crate) async fn post_form(&self, path: &str, form: &str) -> Answer {
        let request = Request::post(path).header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        self.send(request.body(Body::from(form.to_owned())).unwrap()).await
    }

    pub(crate) async fn post_json(&self, path: &str, json: &Value) -> Answer {
        let request = Request::post(path).header(CONTENT_TYPE, "application/json");
        self.send(request.body(Body::from(json.to_string())).unwrap()).await
    }

    pub(crate) async fn login_page(&self, authorize: &str) -> Answer {
        let redirect = self.get(authorize).await;
        self.get(redirect.location()).await
    }

    /// The answer to the login form.
    pub(crate) async fn log_in(&self, authorize: &str, user: &str) -> Answer {
        let id = self.login_page(authorize).await.hidden("state");
        self.post_form("/u/login", &format!("state={id}&username={user}")).await
    }

    /// A whole login, to the token endpoint's answer.
    pub(crate) async fn tokens(&self, authorize: &str, user: &str) -> Value {
        let code = self.log_in(authorize, user).await.redirected("code");
        let answer = self.post_form("/oauth/token", &code_form(&code)).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
        answer.json()
    }

    pub(crate) async fn refresh(&self, token: &str) -> Answer {
        let form = format!("grant_type=refresh_token&client_id=demo-client&refresh_token={token}");
        self.post_form("/oauth/token", &form).await
    }

    pub(crate) async fn userinfo(&self, token: &str) -> Answer {
        let request = Request::get("/userinfo").header(AUTHORIZATION, format!("Bearer {token}"));
        self.send(request.body(Body::empty()).unwrap()).await
    }

    /// Header and claims of a token, once the published key it names has verified it: the way a
    /// resource server does, not the provider's own.
    pub(crate) fn verified(&self, token: &str) -> (Value, Value) {
        let (header, claims) = decoded(token);
        let jwks = self.app.keys().jwks();
        let keys = jwks["keys"].as_array().unwrap();
        let key = keys.iter().find(|k| k["kid"] == header["kid"]).expect("the kid is published");
        let jwk: JsonWebKey<'_> = serde_json::from_value(key.clone()).unwrap();
        let token = UntrustedToken::new(token).unwrap();
        let valid = if header["alg"] == "ES256" {
            let key = p256::ecdsa::VerifyingKey::try_from(&jwk).unwrap();
            Es256.validator::<Map<String, Value>>(&key).validate(&token).is_ok()
        } else {
            let key = RsaPublicKey::try_from(&jwk).unwrap();
            Rsa::rs256().validator::<Map<String, Value>>(&key).validate(&token).is_ok()
        };
        assert!(valid, "the published key has not signed this token");
        (header, claims)
    }

    async fn send(&self, request: Request<Body>) -> Answer {
        let response = app::router(Arc::clone(&self.app)).oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let body = String::from_utf8(bytes.to_vec()).unwrap();
        Answer { status: parts.status, headers: parts.headers, body }
    }
}

/// What came back.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    pub(crate) fn location(&self) -> &str {
        self.headers.get("location").expect("the answer redirects").to_str().unwrap()
    }

    /// A parameter of the redirect.
    pub(crate) fn redirected(&self, name: &str) -> String {
        let url = Url::parse(self.location()).unwrap();
        let mut pairs: HashMap<_, _> = url.query_pairs().into_owned().collect();
        pairs.remove(name).unwrap_or_else(|| panic!("{name} is not in {url}"))
    }

    /// The value of a hidden field.
    pub(crate) fn hidden(&self, name: &str) -> String {
        let start = format!("<input type=\"hidden\" name=\"{name}\" value=\"");
        let (_, rest) = self.body.split_once(&start).expect("the field is there");
        rest.split('"').next().unwrap().to_owned()
    }

    /// The session cookie, to be sent back.
    pub(crate) fn cookie(&self) -> String {
        let cookie = self.headers["set-cookie"].to_str().unwrap();
        cookie.split(';').next().unwrap().to_owned()
    }
}

/// Header and claims, nothing verified.
pub(crate) fn decoded(token: &str) -> (Value, Value) {
    let part = |i: usize| {
        let bytes = URL_SAFE_NO_PAD.decode(token.split('.').nth(i).unwrap()).unwrap();
        serde_json::from_slice(&bytes).unwrap()
    };
    (part(0), part(1))
}

/// OpenID Connect Core section 3.1.3.6, for SHA-256.
pub(crate) fn half_digest(token: &str) -> String {
    URL_SAFE_NO_PAD.encode(&Sha256::digest(token)[..16])
}

/// The settings that come of an empty command line.
pub(crate) fn config() -> Config {
    Config {
        issuer: Issuer::parse(ISSUER).unwrap(),
        clients: vec![Client::demo(), Client::mcp_auth()],
        audiences: None,
        default_audience: None,
        grant_scopes: None,
        algorithm: Algorithm::Rs256,
        access_token_lifetime: Duration::from_secs(3600),
        refresh_token_lifetime: Duration::from_secs(30 * 24 * 3600),
        user_claims: true,
        extra_claims: Map::new(),
        users: vec![User::named("alice@example.com").unwrap(), User::named("bob").unwrap()],
    }
}

/// Made once a test run: RSA keys take their time.
pub(crate) fn test_key_pair() -> KeyPair {
    static PAIR: OnceLock<KeyPair> = OnceLock::new();
    PAIR.get_or_init(KeyPair::generate).clone()
}

pub(crate) fn other_key_pair() -> KeyPair {
    static PAIR: OnceLock<KeyPair> = OnceLock::new();
    PAIR.get_or_init(KeyPair::generate).clone()
}
