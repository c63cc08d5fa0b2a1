//! A JWT by which a client proves who it is (RFC 7523 §3, OpenID Connect Core §9).

use std::time::Duration;

use auth_core::{
    algorithm::Algorithm,
    jwk::VerificationKey,
    signature::{Software, Verify},
    time::UnixTime,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

/// How far the client's clock may be off.
const LEEWAY: Duration = Duration::from_secs(60);
/// How far ahead an assertion may end: so long is its id remembered.
const LONGEST_LIFE: Duration = Duration::from_secs(300);
/// The longest assertion.
const LONGEST: usize = 8 * 1024;
/// How many keys are tried for an assertion that names none.
const KEYS_TRIED: usize = 4;
/// The longest `jti`.
const LONGEST_JTI: usize = 256;
/// Dates past this are not dates: 2⁵³ seconds.
const LATEST_DATE: f64 = 9_007_199_254_740_992.0;

/// How much longer than to its end an assertion is remembered, since it is accepted so long.
pub(super) const REMEMBERED_LONGER: Duration = LEEWAY;

type Refused = &'static str;

/// An assertion, taken apart. Nothing in it is verified before [`Assertion::is_signed_by`].
pub(super) struct Assertion<'t> {
    header: Header,
    claims: Claims,
    signing_input: &'t str,
    signature: Vec<u8>,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    typ: Option<String>,
    crit: Option<Value>,
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: Audience,
    jti: String,
    exp: f64,
    nbf: Option<f64>,
    iat: Option<f64>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

impl<'t> Assertion<'t> {
    pub(super) fn parse(text: &'t str) -> Result<Self, Refused> {
        const MALFORMED: Refused = "the client_assertion is not a JWT";
        if text.len() > LONGEST {
            return Err("the client_assertion is too long");
        }
        let (signing_input, signature) = text.rsplit_once('.').ok_or(MALFORMED)?;
        let (header, claims) = signing_input.split_once('.').ok_or(MALFORMED)?;
        let header: Header = json(header).ok_or(MALFORMED)?;
        let claims: Claims =
            json(claims).ok_or("the client_assertion needs iss, sub, aud, jti and exp")?;
        let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| MALFORMED)?;
        Ok(Self { header, claims, signing_input, signature })
    }

    /// Whose it claims to be.
    pub(super) fn client_id(&self) -> &str {
        &self.claims.sub
    }

    /// What tells it from others of the client.
    pub(super) fn id(&self) -> &str {
        &self.claims.jti
    }

    /// When it ends.
    pub(super) fn expires_at(&self) -> UnixTime {
        date(self.claims.exp)
    }

    /// Everything but the signature.
    pub(super) fn check(&self, audiences: &[String], now: UnixTime) -> Result<(), Refused> {
        let claims = &self.claims;
        let is_kind = |typ: &str| {
            typ.eq_ignore_ascii_case("JWT") || typ.eq_ignore_ascii_case("client-authentication+jwt")
        };
        if self.header.crit.is_some() || !self.header.typ.as_deref().is_none_or(is_kind) {
            return Err("the client_assertion is another kind of JWT");
        }
        if self.algorithm().is_none() {
            return Err("the client_assertion has an algorithm that is not accepted");
        }
        if claims.iss != claims.sub {
            return Err("iss and sub of the client_assertion differ");
        }
        // Of several audiences another could use it here.
        let audience = match &claims.aud {
            Audience::One(audience) => Some(audience),
            Audience::Several(several) => match several.as_slice() {
                [audience] => Some(audience),
                _ => None,
            },
        };
        if !audience.is_some_and(|audience| audiences.contains(audience)) {
            return Err("aud of the client_assertion is not this issuer");
        }
        if claims.jti.is_empty() || claims.jti.len() > LONGEST_JTI {
            return Err("jti of the client_assertion is empty or too long");
        }
        let dates = [Some(claims.exp), claims.nbf, claims.iat];
        if dates.into_iter().flatten().any(|date| !(0.0..=LATEST_DATE).contains(&date)) {
            return Err("a date of the client_assertion is none");
        }
        if self.expires_at() + LEEWAY <= now {
            return Err("the client_assertion has expired");
        }
        if self.expires_at() > now + LONGEST_LIFE + LEEWAY {
            return Err("exp of the client_assertion is more than five minutes ahead");
        }
        if [claims.nbf, claims.iat].into_iter().flatten().any(|it| date(it) > now + LEEWAY) {
            return Err("the client_assertion is not valid yet");
        }
        Ok(())
    }

    /// Whether one of the keys has signed it: the one that it names, else one of the first few that
    /// fit its algorithm.
    pub(super) fn is_signed_by(&self, keys: &[VerificationKey]) -> bool {
        let Some(algorithm) = self.algorithm() else { return false };
        let may = |key: &&VerificationKey| match (self.header.kid.as_deref(), key.kid()) {
            (Some(named), Some(kid)) => named == kid,
            (None, _) | (_, None) => true,
        };
        let message = self.signing_input.as_bytes();
        let signed =
            |key: &VerificationKey| Software.verify(algorithm, key, message, &self.signature);
        keys.iter().filter(|key| key.fits(algorithm)).filter(may).take(KEYS_TRIED).any(signed)
    }

    fn algorithm(&self) -> Option<Algorithm> {
        Algorithm::DEFAULT.into_iter().find(|algorithm| algorithm.name() == self.header.alg)
    }
}

fn json<T: DeserializeOwned>(part: &str) -> Option<T> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}

/// Within the range that [`Assertion::check`] accepts.
fn date(numeric: f64) -> UnixTime {
    UnixTime::from_secs(numeric as u64)
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use auth_core::jwk;
    use p256::ecdsa::{Signature, SigningKey, signature::Signer};
    use serde_json::json;

    use super::*;
    use crate::oauth::{
        client::{Authentication, Client, KeySource},
        error::OAuthError,
        params::Params,
        testing::{TestServer, client},
    };

    const ISSUER: &str = "https://auth.example.com";
    static KEY: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::from_slice(&[7; 32]).unwrap());

    #[tokio::test]
    async fn a_client_proves_itself_once_with_each_assertion() {
        let test = keyed().await;
        for aud in [json!(ISSUER), json!([ISSUER]), json!("https://auth.example.com/token")] {
            let jti = aud.to_string();
            let assertion = sign(&test, json!({"aud": aud, "jti": jti}), json!({}));
            assert_eq!(offer(&test, &assertion).await.unwrap().client_id, "keyed");
            let again = offer(&test, &assertion).await.unwrap_err();
            assert_eq!(again.to_string(), "the client_assertion has been used before");
        }
    }

    #[tokio::test]
    async fn an_assertion_is_remembered_for_as_long_as_it_is_accepted() {
        let test = keyed().await;
        let exp = test.server.clock.now().secs() + 30;
        let assertion = sign(&test, json!({"exp": exp}), json!({}));
        assert!(offer(&test, &assertion).await.is_ok());
        for (after, why) in [(89, "used before"), (1, "expired")] {
            test.server.clock.advance_secs(after);
            let refused = offer(&test, &assertion).await.unwrap_err().to_string();
            assert!(refused.contains(why), "{refused}");
        }
    }

    #[tokio::test]
    async fn each_bad_claim_is_refused() {
        let test = keyed().await;
        let now = test.server.clock.now().secs();
        for (claims, why) in [
            (json!({"iss": "other"}), "iss and sub"),
            (json!({"iss": "other", "sub": "other"}), "another client's"),
            (json!({"aud": "https://auth.example.com/"}), "aud"),
            (json!({"aud": "https://idp.example/"}), "aud"),
            (json!({"aud": [ISSUER, "https://idp.example/"]}), "aud"),
            (json!({"aud": []}), "aud"),
            (json!({"aud": null}), "needs"),
            (json!({"jti": ""}), "jti"),
            (json!({"jti": "x".repeat(257)}), "jti"),
            (json!({"jti": null}), "needs"),
            (json!({"exp": null}), "needs"),
            (json!({"exp": now - 60}), "expired"),
            (json!({"exp": -1}), "date"),
            (json!({"exp": 1e300}), "date"),
            (json!({"exp": now + 361}), "five minutes"),
            (json!({"nbf": now + 61}), "not valid yet"),
            (json!({"iat": now + 61}), "not valid yet"),
        ] {
            let assertion = sign(&test, claims.clone(), json!({}));
            let refused = offer(&test, &assertion).await.unwrap_err();
            assert!(matches!(refused, OAuthError::InvalidClient(_)), "{claims}");
            assert!(refused.to_string().contains(why), "{claims}: {refused}");
        }
    }

    #[tokio::test]
    async fn each_bad_header_or_signature_is_refused() {
        let test = keyed().await;
        for (header, why) in [
            (json!({"alg": "none"}), "algorithm"),
            (json!({"alg": "HS256"}), "algorithm"),
            (json!({"alg": "RS256"}), "not signed"),
            (json!({"typ": "at+jwt"}), "kind"),
            (json!({"crit": ["x"]}), "kind"),
            (json!({"kid": "other"}), "not signed"),
        ] {
            let refused = offer(&test, &sign(&test, json!({}), header.clone())).await.unwrap_err();
            assert!(refused.to_string().contains(why), "{header}: {refused}");
        }
        let good = sign(&test, json!({}), json!({}));
        let unsigned = format!("{}.", good.rsplit_once('.').unwrap().0);
        let padded = format!("{good}==");
        for bad in [unsigned.as_str(), &padded, "a.b.c", "a.b", "", &"x".repeat(9000)] {
            assert!(offer(&test, bad).await.is_err(), "{bad}");
        }
        assert!(offer(&test, &good).await.is_ok(), "nothing refused has used it up");
    }

    #[tokio::test]
    async fn no_client_can_do_without_what_it_registered_or_with_another_thing() {
        let test = keyed().await;
        test.server.clients.keep(client("public")).await.unwrap();
        let authenticate = async |form: &str| {
            test.server.clients.authenticate(&Params::parse(form.as_bytes())).await
        };
        assert!(authenticate("client_id=public").await.is_ok());
        assert!(authenticate("client_id=keyed").await.is_err());
        assert!(authenticate("client_id=public&client_secret=x").await.is_err());
        assert!(authenticate("client_id=public&client_id=public").await.is_err());
        assert!(authenticate("").await.is_err());
        let as_public = json!({"iss": "public", "sub": "public"});
        let assertion = sign(&test, as_public, json!({}));
        let form = |more: &str| {
            let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
            format!("client_assertion_type={kind}&client_assertion={assertion}{more}")
        };
        assert!(authenticate(&form("")).await.is_err());
        assert!(authenticate(&form("&client_id=keyed")).await.is_err());
        assert!(authenticate(&format!("client_assertion={assertion}")).await.is_err());
    }

    #[tokio::test]
    async fn keys_without_an_id_verify_too() {
        let test = keyed().await;
        let mut jwk = jwk();
        jwk.as_object_mut().unwrap().remove("kid");
        let keys = jwk::parse_set(json!({"keys": [jwk]}).to_string().as_bytes()).unwrap();
        let text = sign(&test, json!({}), json!({}));
        assert!(Assertion::parse(&text).unwrap().is_signed_by(&keys));
        assert!(!Assertion::parse(&text).unwrap().is_signed_by(&[]));
    }

    #[tokio::test]
    async fn of_many_keys_only_a_few_are_tried() {
        let test = keyed().await;
        let others = (8..).map(|byte| jwk_of(&SigningKey::from_slice(&[byte; 32]).unwrap()));
        let text = sign(&test, json!({}), json!({"kid": null}));
        for (before, is_signed) in [(3, true), (4, false)] {
            let jwks: Vec<Value> = others.clone().take(before).chain([jwk()]).collect();
            let keys = jwk::parse_set(json!({"keys": jwks}).to_string().as_bytes()).unwrap();
            assert_eq!(Assertion::parse(&text).unwrap().is_signed_by(&keys), is_signed);
        }
    }

    fn jwk() -> Value {
        jwk_of(&KEY)
    }

    fn jwk_of(key: &SigningKey) -> Value {
        let point = key.verifying_key().to_encoded_point(false);
        let coordinate = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        json!({
            "kty": "EC", "crv": "P-256", "kid": "1",
            "x": coordinate(point.x().unwrap()), "y": coordinate(point.y().unwrap()),
        })
    }

    async fn keyed() -> TestServer {
        let test = TestServer::start().await;
        let keys = KeySource::Given(json!({"keys": [jwk()]}));
        let client =
            Client { authentication: Authentication::PrivateKeyJwt(keys), ..client("keyed") };
        test.server.clients.keep(client).await.unwrap();
        test
    }

    fn sign(test: &TestServer, claims: Value, header: Value) -> String {
        let input = unsigned(test, claims, header);
        let signature: Signature = KEY.sign(input.as_bytes());
        format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature.to_bytes()))
    }

    /// Members that are `null` are left out.
    fn unsigned(test: &TestServer, claims: Value, header: Value) -> String {
        let exp = test.server.clock.now().secs() + 60;
        let usual = json!({"iss": "keyed", "sub": "keyed", "aud": ISSUER, "jti": "1", "exp": exp});
        let part = |mut usual: Value, changes: Value| {
            let members = usual.as_object_mut().unwrap();
            members.extend(changes.as_object().unwrap().clone());
            members.retain(|_, value| !value.is_null());
            URL_SAFE_NO_PAD.encode(usual.to_string())
        };
        let header = part(json!({"alg": "ES256", "kid": "1", "typ": "JWT"}), header);
        format!("{header}.{}", part(usual, claims))
    }

    async fn offer(test: &TestServer, assertion: &str) -> Result<Client, OAuthError> {
        let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
        let form =
            format!("client_id=keyed&client_assertion_type={kind}&client_assertion={assertion}");
        test.server.clients.authenticate(&Params::parse(form.as_bytes())).await
    }
}
