//! A provider on loopback that says what a test wants it to say, wrong things too.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard},
};

use axum::{
    Json, Router,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    routing::{get, post},
};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use p256::ecdsa::{Signature, SigningKey, signature::Signer};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use url::Url;

use super::Provider;
use crate::{
    clock::Clock,
    config::{oauth, testing, values::HttpHosts},
};

type Answer = (StatusCode, Json<Value>);

/// The redirect URI of our client there.
pub(crate) const CALLBACK: &str = "https://auth.example.com/auth/callback";

/// A provider with the client `client` and the secret `hunter2`, which logs Alice in.
#[derive(Clone)]
pub(crate) struct TestProvider(Arc<Inner>);

struct Inner {
    address: SocketAddr,
    clock: Clock,
    says: Mutex<Says>,
}

/// What it says.
pub(crate) struct Says {
    /// The secret of our client.
    pub(crate) secret: &'static str,
    /// Members of the metadata; `null` leaves one out.
    pub(crate) metadata: Value,
    /// Members of the header of ID tokens.
    pub(crate) header: Value,
    /// Claims of ID tokens, over the usual ones.
    pub(crate) claims: Value,
    /// What userinfo answers.
    pub(crate) userinfo: (StatusCode, Value),
    /// Members of token responses, over the usual ones.
    pub(crate) tokens: Value,
    /// What the token endpoint answers, if it fails.
    pub(crate) token_failure: Option<(StatusCode, Value)>,
    /// The refresh token that is good.
    pub(crate) refresh_token: &'static str,
    /// A clock, and how many seconds pass on it while tokens are made.
    pub(crate) takes: Option<(Clock, u64)>,
    /// Whether everything else fails as well.
    pub(crate) is_away: bool,
    /// Requests so far, by path.
    pub(crate) calls: Vec<String>,
    key: SigningKey,
    /// Further members of the key set, before the right one.
    pub(crate) odd_keys: Vec<Value>,
    published: SigningKey,
    logins: HashMap<String, Login>,
}

#[derive(Clone)]
struct Login {
    nonce: String,
    challenge: String,
}

impl TestProvider {
    pub(crate) async fn start(clock: Clock) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let key = SigningKey::random(&mut rand::rngs::OsRng);
        let says = Says {
            secret: "hunter2",
            metadata: json!({}),
            header: json!({}),
            claims: json!({}),
            userinfo: (StatusCode::OK, json!({"sub": "alice"})),
            tokens: json!({}),
            token_failure: None,
            refresh_token: "refresh-1",
            takes: None,
            is_away: false,
            calls: Vec::new(),
            published: key.clone(),
            key,
            odd_keys: Vec::new(),
            logins: HashMap::new(),
        };
        let address = listener.local_addr().unwrap();
        let inner = Inner { address, clock, says: Mutex::new(says) };
        let provider = Self(Arc::new(inner));
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(metadata))
            .route("/jwks", get(jwks))
            .route("/token", post(token))
            .route("/userinfo", get(userinfo))
            .route("/revoke", post(revoke))
            .with_state(provider.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        provider
    }

    pub(crate) fn issuer(&self) -> String {
        format!("http://{}/", self.0.address)
    }

    /// The configuration of our client there.
    pub(crate) fn variables(&self) -> Vec<(&'static str, String)> {
        vec![
            ("OIDC_ISSUER", self.issuer()),
            ("OIDC_CLIENT_ID", "client".to_owned()),
            ("OIDC_CLIENT_SECRET", "hunter2".to_owned()),
            ("OIDC_AUDIENCE", "https://api.example/".to_owned()),
        ]
    }

    pub(crate) fn config(&self) -> oauth::Provider {
        let own = self.variables();
        let auth0 = testing::OAUTH.into_iter().filter(|row| !row.0.starts_with("AUTH0_"));
        let given: Vec<_> =
            auth0.chain(own.iter().map(|(name, value)| (*name, value.as_str()))).collect();
        testing::build(&given).unwrap().oauth.unwrap().provider
    }

    /// The code under test, talking to this.
    pub(crate) fn client(&self) -> Provider {
        self.client_by(&self.config())
    }

    /// The same by a configuration of its own.
    pub(crate) fn client_by(&self, config: &oauth::Provider) -> Provider {
        let clock = self.0.clock.clone();
        Provider::new(config, CALLBACK.to_owned(), HttpHosts::default(), clock)
    }

    pub(crate) fn says(&self) -> MutexGuard<'_, Says> {
        self.0.says.lock().unwrap()
    }

    /// Signs with another key from now on, and publishes it or not.
    pub(crate) fn rotate(&self, publish: bool) {
        let mut says = self.says();
        says.key = SigningKey::random(&mut rand::rngs::OsRng);
        if publish {
            says.published = says.key.clone();
        }
    }

    /// How often a path was asked for.
    pub(crate) fn calls(&self, path: &str) -> usize {
        self.says().calls.iter().filter(|call| *call == path).count()
    }

    /// Logs Alice in: takes the address a browser is sent to, and gives the code.
    pub(crate) fn login(&self, url: &Url) -> String {
        let query: HashMap<_, _> = url.query_pairs().into_owned().collect();
        assert_eq!(url.path(), "/authorize");
        assert_eq!(query["code_challenge_method"], "S256");
        assert_eq!(
            (query["response_type"].as_str(), query["client_id"].as_str()),
            ("code", "client")
        );
        let login =
            Login { nonce: query["nonce"].clone(), challenge: query["code_challenge"].clone() };
        let mut says = self.says();
        let code = format!("code-{}", says.logins.len());
        says.logins.insert(code.clone(), login);
        code
    }

    fn id_token(&self, nonce: Option<&str>) -> String {
        let says = self.says();
        let now = self.0.clock.now().secs();
        let mut claims = json!({
            "iss": self.issuer(), "sub": "alice", "aud": "client", "iat": now, "exp": now + 300,
            "preferred_username": "alice", "email": "alice@example.com", "email_verified": true,
            "name": "Alice Example", "updated_at": "2026-01-01T00:00:00.000Z",
        });
        if let Some(nonce) = nonce {
            claims["nonce"] = json!(nonce);
        }
        let mut header = json!({"alg": "ES256", "typ": "JWT", "kid": kid(&says.key)});
        lay_over(&mut claims, &says.claims);
        lay_over(&mut header, &says.header);
        let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", encode(&header), encode(&claims));
        let signature: Signature = says.key.sign(signed.as_bytes());
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.to_bytes()))
    }

    /// Notes the call; an answer if the provider is away.
    fn called(&self, path: &str) -> Result<(), Answer> {
        let mut says = self.says();
        says.calls.push(path.to_owned());
        if says.is_away {
            return Err((StatusCode::BAD_GATEWAY, Json(json!({}))));
        }
        Ok(())
    }
}

async fn metadata(State(provider): State<TestProvider>) -> Result<Json<Value>, Answer> {
    provider.called("metadata")?;
    let at = |path: &str| format!("{}{path}", provider.issuer());
    let mut metadata = json!({
        "issuer": provider.issuer(), "authorization_endpoint": at("authorize"),
        "token_endpoint": at("token"), "jwks_uri": at("jwks"), "userinfo_endpoint": at("userinfo"),
        "revocation_endpoint": at("revoke"), "end_session_endpoint": at("logout"),
        "response_types_supported": ["code"], "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["ES256"],
    });
    lay_over(&mut metadata, &provider.says().metadata);
    Ok(Json(metadata))
}

async fn jwks(State(provider): State<TestProvider>) -> Result<Json<Value>, Answer> {
    provider.called("jwks")?;
    let says = provider.says();
    let mut keys = says.odd_keys.clone();
    keys.push(jwk(&says.published));
    Ok(Json(json!({"keys": keys})))
}

async fn token(
    State(provider): State<TestProvider>,
    headers: HeaderMap,
    body: String,
) -> Result<Json<Value>, Answer> {
    provider.called("token")?;
    if let Some((status, body)) = provider.says().token_failure.clone() {
        return Err((status, Json(body)));
    }
    let refused = |error: &str| (StatusCode::BAD_REQUEST, Json(json!({"error": error})));
    let basic = STANDARD.encode(format!("client:{}", provider.says().secret));
    let basic = format!("Basic {basic}");
    if headers.get(header::AUTHORIZATION).is_none_or(|it| it.as_bytes() != basic.as_bytes()) {
        return Err((StatusCode::UNAUTHORIZED, Json(json!({"error": "invalid_client"}))));
    }
    let form: HashMap<String, String> =
        url::form_urlencoded::parse(body.as_bytes()).into_owned().collect();
    let nonce = match form["grant_type"].as_str() {
        "authorization_code" => {
            assert_eq!(form["redirect_uri"], CALLBACK);
            let login = provider.says().logins.remove(&form["code"]);
            let login = login.ok_or_else(|| refused("invalid_grant"))?;
            let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(&form["code_verifier"]));
            if challenge != login.challenge {
                return Err(refused("invalid_grant"));
            }
            Some(login.nonce)
        }
        _ if form["refresh_token"] == provider.says().refresh_token => None,
        _ => return Err(refused("invalid_grant")),
    };
    let mut tokens = json!({
        "access_token": "access-1", "token_type": "Bearer", "expires_in": 600,
        "refresh_token": "refresh-1", "id_token": provider.id_token(nonce.as_deref()),
    });
    lay_over(&mut tokens, &provider.says().tokens);
    if let Some((clock, seconds)) = &provider.says().takes {
        clock.advance_secs(*seconds);
    }
    Ok(Json(tokens))
}

async fn userinfo(
    State(provider): State<TestProvider>,
    headers: HeaderMap,
) -> Result<Answer, Answer> {
    provider.called("userinfo")?;
    assert_eq!(headers[header::AUTHORIZATION], "Bearer access-1");
    let (status, body) = provider.says().userinfo.clone();
    Ok((status, Json(body)))
}

async fn revoke(State(provider): State<TestProvider>, body: String) -> Result<(), Answer> {
    provider.called("revoke")?;
    provider.says().calls.push(body);
    Ok(())
}

fn kid(key: &SigningKey) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(key.verifying_key().to_sec1_bytes()))
}

pub(crate) fn jwk(key: &SigningKey) -> Value {
    let point = key.verifying_key().to_encoded_point(false);
    let encode = |half: Option<&p256::FieldBytes>| URL_SAFE_NO_PAD.encode(half.unwrap());
    json!({
        "kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": kid(key),
        "x": encode(point.x()), "y": encode(point.y()),
    })
}

/// Members of `over` take the place of those of `value`; `null` takes them away.
fn lay_over(value: &mut Value, over: &Value) {
    let empty = Map::new();
    let members = value.as_object_mut().unwrap();
    for (name, value) in over.as_object().unwrap_or(&empty) {
        match value {
            Value::Null => drop(members.remove(name)),
            other => drop(members.insert(name.clone(), other.clone())),
        }
    }
}
