//! Clients that a document at their own address describes (OAuth Client ID Metadata Document).

use std::sync::Arc;

use url::Url;

use super::{
    Client,
    cache::{Cache, Cached},
    fetch::{Fetched, Fetcher, NotFetched},
    metadata::{Metadata, RawMetadata, SharedSecret},
};
use crate::{clock::Clock, config::oauth::CimdExceptions, oauth::error::OAuthError};

/// The longest document; the draft recommends 5 KiB.
const LONGEST_DOCUMENT: usize = 10 * 1024;
/// The longest key set.
const LONGEST_KEY_SET: usize = 64 * 1024;
/// How many documents are remembered,
const DOCUMENTS: usize = 1000;
/// and how many key sets.
const KEY_SETS: usize = 100;
/// How soon a key set is fetched again at the earliest, in seconds.
const KEY_SET_COOLDOWN: u64 = 60;

/// Documents and key sets of clients.
#[derive(Clone)]
pub(super) struct Documents {
    fetcher: Fetcher,
    documents: Arc<Cache<Client>>,
    key_sets: Arc<Cache<Arc<Vec<u8>>>>,
    clock: Clock,
}

/// How a cached key set will do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Freshness {
    /// While its server says that it may be kept.
    Cached,
    /// Only if it has just been fetched.
    Renewed,
}

impl Documents {
    pub(super) fn new(exceptions: &CimdExceptions, clock: Clock) -> Self {
        Self {
            fetcher: Fetcher::new(exceptions),
            documents: Arc::new(Cache::new(DOCUMENTS)),
            key_sets: Arc::new(Cache::new(KEY_SETS)),
            clock,
        }
    }

    /// Whether the document at `client_id` is at hand.
    pub(super) fn is_fresh(&self, client_id: &str) -> bool {
        self.documents.get(client_id, self.clock.now()).is_some_and(|cached| cached.is_fresh)
    }

    /// The client that the document at `client_id` describes.
    pub(super) async fn find(&self, client_id: &str) -> Result<Client, OAuthError> {
        let address = address(client_id).map_err(OAuthError::InvalidClient)?;
        let now = self.clock.now();
        let cached = self.documents.get(client_id, now);
        if let Some(Cached { value, is_fresh: true, .. }) = cached {
            return Ok(value);
        }
        match self.fetcher.get(&address, LONGEST_DOCUMENT, now).await {
            Ok(fetched) => {
                let client = describe(client_id, &fetched).inspect_err(|cause| {
                    self.documents.forget(client_id);
                    tracing::info!(client_id, %cause, "a client's document is not accepted");
                })?;
                self.documents.put(client_id, client.clone(), now, fetched.fresh_for);
                Ok(client)
            }
            Err(failure) => {
                tracing::info!(client_id, cause = %failure, "a client's document was not fetched");
                match cached {
                    Some(Cached { value, .. }) if failure.is_passing() => Ok(value),
                    _ => {
                        self.documents.forget(client_id);
                        Err(told(&failure))
                    }
                }
            }
        }
    }

    /// The key set at this address, as it came.
    pub(super) async fn key_set(
        &self,
        address: &str,
        freshness: Freshness,
    ) -> Result<Arc<Vec<u8>>, OAuthError> {
        let now = self.clock.now();
        let cached = self.key_sets.get(address, now);
        if let Some(cached) = &cached {
            let is_new = cached.fetched_at.until(now).as_secs() < KEY_SET_COOLDOWN;
            if is_new || (cached.is_fresh && freshness == Freshness::Cached) {
                return Ok(Arc::clone(&cached.value));
            }
        }
        let url = Url::parse(address).map_err(|_| told(&NotFetched::NotAllowed))?;
        match self.fetcher.get(&url, LONGEST_KEY_SET, now).await {
            Ok(Fetched { body, fresh_for }) => {
                let body = Arc::new(body);
                self.key_sets.put(address, Arc::clone(&body), now, fresh_for);
                Ok(body)
            }
            Err(failure) => {
                tracing::info!(address, cause = %failure, "a client's key set was not fetched");
                match cached {
                    Some(cached) if failure.is_passing() => Ok(cached.value),
                    _ => Err(told(&failure)),
                }
            }
        }
    }
}

/// Whether a client id is meant as the address of a document. Ids that are given out here have no
/// colon.
pub(super) fn is_address(client_id: &str) -> bool {
    client_id.contains(':')
}

/// The address, if it is one that a document may have. It is written as everybody would write it,
/// so that no two ids mean one document.
fn address(client_id: &str) -> Result<Url, &'static str> {
    let url = Url::parse(client_id).map_err(|_| "the client_id is not a URL")?;
    if url.scheme() != "https" {
        return Err("a client_id that is a URL must be an https: one");
    }
    if url.path() == "/" {
        return Err("a client_id that is a URL must have a path");
    }
    if url.fragment().is_some() {
        return Err("the client_id has a fragment");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("the client_id has a user or password");
    }
    // This refuses dot segments, too, which are resolved by parsing.
    if url.as_str() != client_id {
        return Err("the client_id is not written as URLs are");
    }
    Ok(url)
}

fn describe(client_id: &str, fetched: &Fetched) -> Result<Client, OAuthError> {
    const REFUSED: OAuthError =
        OAuthError::InvalidClient("the document at the client_id does not describe a client");
    let raw: RawMetadata = serde_json::from_slice(&fetched.body).map_err(|cause| {
        tracing::info!(client_id, %cause, "a client's document cannot be read");
        REFUSED
    })?;
    if raw.client_id.as_deref() != Some(client_id) {
        return Err(OAuthError::InvalidClient("the document at the client_id has another one"));
    }
    if raw.client_secret.is_some() {
        return Err(OAuthError::InvalidClient("the document at the client_id has a secret"));
    }
    let metadata = Metadata::read(raw, &[], SharedSecret::Refused).map_err(|cause| {
        tracing::info!(client_id, %cause, "a client's document cannot be used");
        REFUSED
    })?;
    Ok(metadata.into_client(client_id.to_owned()))
}

/// Outsiders do not learn what is wrong: else they could look around by what we can reach.
fn told(failure: &NotFetched) -> OAuthError {
    if failure.is_passing() {
        OAuthError::ClientUnavailable
    } else {
        OAuthError::InvalidClient("the document at the client_id cannot be used")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::oauth::{
        client::{Authentication, KeySource, testing::Website},
        testing::TestServer,
    };

    #[tokio::test]
    async fn a_document_describes_a_client() {
        let website = Website::start().await;
        let test = website.visitor().await;
        let client_id = website.url("/client.json");
        website.says_json("; charset=utf-8", &document(&client_id));
        let client = find(&test, &client_id).await.unwrap();
        assert_eq!(client.client_id, client_id);
        assert_eq!(client.name.as_deref(), Some("Website's client"));
        assert_eq!(client.redirect_uris.len(), 2);
        assert_eq!(client.authentication, Authentication::None);
    }

    #[tokio::test]
    async fn a_document_counts_for_as_long_as_its_server_says() {
        for (headers, counts) in [
            ("\r\ncache-control: max-age=100", 100),
            ("\r\ncache-control: max-age=100\r\nage: 90", 10),
            ("\r\ncache-control: max-age=10, s-maxage=100", 100),
            ("\r\ncache-control: max-age=864000", 24 * 3600),
            ("", 60),
            ("\r\ncache-control: no-store", 0),
            ("\r\ncache-control: no-cache", 0),
            ("\r\ncache-control: private, max-age=100", 0),
            ("\r\ncache-control: max-age=0", 0),
        ] {
            let website = Website::start().await;
            let test = website.visitor().await;
            let client_id = website.url("/client.json");
            website.says_json(headers, &document(&client_id));
            find(&test, &client_id).await.unwrap();
            if counts > 0 {
                test.server.clock.advance_secs(counts - 1);
                find(&test, &client_id).await.unwrap();
                assert_eq!(website.visits(), 1, "{headers:?}");
                test.server.clock.advance_secs(1);
            }
            find(&test, &client_id).await.unwrap();
            assert_eq!(website.visits(), 2, "{headers:?}");
        }
    }

    #[tokio::test]
    async fn what_is_no_document_of_the_client_is_refused_and_not_remembered() {
        let website = Website::start().await;
        let test = website.visitor().await;
        let client_id = website.url("/client.json");
        let with = |name: &str, value: Value| {
            let mut document = document(&client_id);
            document[name] = value;
            document
        };
        for bad in [
            json!([]),
            with("client_id", Value::Null),
            with("client_id", json!(website.url("/client.json/"))),
            with("client_id", json!(client_id.to_uppercase())),
            with("client_secret", json!("hunter2")),
            with("token_endpoint_auth_method", json!("client_secret_post")),
            with("token_endpoint_auth_method", json!("client_secret_basic")),
            with("token_endpoint_auth_method", json!("private_key_jwt")),
            with("redirect_uris", json!([])),
            with("redirect_uris", json!(["http://app.example/"])),
            with("redirect_uris", json!(["javascript:alert(1)"])),
            with("application_type", json!("web")),
            with("grant_types", json!(["client_credentials"])),
            with("padding", json!("x".repeat(LONGEST_DOCUMENT))),
        ] {
            website.says_json("\r\ncache-control: max-age=1000", &bad);
            let refused = find(&test, &client_id).await.unwrap_err();
            assert!(matches!(refused, OAuthError::InvalidClient(_)), "{bad}");
        }
        let good = document(&client_id).to_string();
        for head in [
            "200 OK\r\ncontent-type: text/html",
            "200 OK",
            "201 Created\r\ncontent-type: application/json",
            "404 Not Found\r\ncontent-type: application/json",
            "302 Found\r\nlocation: /other\r\ncontent-type: application/json",
        ] {
            website.says(head, &good);
            let refused = find(&test, &client_id).await.unwrap_err();
            assert!(matches!(refused, OAuthError::InvalidClient(_)), "{head}");
        }
        website.says("200 OK\r\ncontent-type: application/json", &good);
        assert!(find(&test, &client_id).await.is_ok());
    }

    #[tokio::test]
    async fn a_website_that_is_down_costs_no_client_what_it_had() {
        let website = Website::start().await;
        let test = website.visitor().await;
        let client_id = website.url("/client.json");
        website.says("503 Service Unavailable", "");
        let refused = find(&test, &client_id).await.unwrap_err();
        assert!(matches!(refused, OAuthError::ClientUnavailable), "{refused}");
        website.says_json("\r\ncache-control: max-age=10", &document(&client_id));
        find(&test, &client_id).await.unwrap();
        test.server.clock.advance_secs(11);
        website.says("503 Service Unavailable", "");
        assert!(find(&test, &client_id).await.is_ok());
        website.says("410 Gone", "");
        assert!(find(&test, &client_id).await.is_err());
        website.says("503 Service Unavailable", "");
        assert!(find(&test, &client_id).await.is_err(), "what was taken back is forgotten");
    }

    #[tokio::test]
    async fn a_website_that_never_answers_is_not_waited_for() {
        let website = Website::start().await;
        let test = website.visitor().await;
        website.says_nothing();
        tokio::time::pause();
        let refused = find(&test, &website.url("/client.json")).await.unwrap_err();
        assert!(matches!(refused, OAuthError::ClientUnavailable), "{refused}");
    }

    #[tokio::test]
    async fn what_is_not_on_the_internet_is_never_connected_to() {
        let website = Website::start().await;
        let test = website.kept_away().await;
        website.says_json("", &document(&website.url("/client.json")));
        for host in ["localhost", "127.0.0.1", "[::1]", "[::ffff:7f00:1]", "127.1", "2130706433"] {
            assert!(find(&test, &website.url_at(host, "/client.json")).await.is_err(), "{host}");
        }
        assert_eq!(website.visits(), 0);
        assert!(find(&website.visitor().await, &website.url("/client.json")).await.is_ok());
    }

    #[tokio::test]
    async fn even_the_exception_for_tests_is_for_loopback_only() {
        let test = Website::start().await.visitor().await;
        for host in ["10.0.0.1", "169.254.169.254", "[fe80::1]", "[64:ff9b::7f00:1]", "0.0.0.0"] {
            let refused = find(&test, &format!("https://{host}/client.json")).await.unwrap_err();
            assert!(matches!(refused, OAuthError::InvalidClient(_)), "{host}: {refused}");
        }
    }

    #[test]
    fn an_address_has_one_way_to_be_written() {
        assert!(address("https://app.example/client.json").is_ok());
        assert!(address("https://app.example:8443/client?version=1").is_ok());
        for bad in [
            "http://app.example/client.json",
            "https://app.example",
            "https://app.example/",
            "https://app.example/?x",
            "https://app.example/client.json#x",
            "https://user@app.example/client.json",
            "https://user:word@app.example/client.json",
            "https://app.example/a/../client.json",
            "https://app.example/./client.json",
            "https://app.example/a/%2e%2e/client.json",
            "https://APP.example/client.json",
            "HTTPS://app.example/client.json",
            "https://app.example:443/client.json",
            "https:/app.example/client.json",
            "https://app.example\\client.json",
            " https://app.example/client.json",
            "https://app.example/cl\nient.json",
            "file:///etc/passwd",
            "urn:x",
        ] {
            assert!(address(bad).is_err(), "{bad:?}");
        }
    }

    #[tokio::test]
    async fn key_sets_are_cached_and_fetched_anew_when_they_do_not_fit() {
        let website = Website::start().await;
        let test = website.visitor().await;
        let documents = Documents::new(&test.server.config.cimd, test.server.clock.clone());
        let address = website.url("/jwks.json");
        let read = async |freshness| documents.key_set(&address, freshness).await.unwrap();
        website.says_json("\r\ncache-control: max-age=1000", &json!("old"));
        assert_eq!(*read(Freshness::Cached).await, b"\"old\"");
        website.says_json("", &json!("new"));
        test.server.clock.advance_secs(KEY_SET_COOLDOWN - 1);
        assert_eq!(*read(Freshness::Renewed).await, b"\"old\"");
        test.server.clock.advance_secs(1);
        assert_eq!(*read(Freshness::Cached).await, b"\"old\"");
        assert_eq!(*read(Freshness::Renewed).await, b"\"new\"");
        assert_eq!(website.visits(), 2);
    }

    #[tokio::test]
    async fn a_document_may_give_the_address_of_its_keys() {
        let website = Website::start().await;
        let test = website.visitor().await;
        let client_id = website.url("/client.json");
        let mut document = document(&client_id);
        document["token_endpoint_auth_method"] = json!("private_key_jwt");
        document["jwks_uri"] = json!(website.url("/jwks.json"));
        website.says_json("", &document);
        let client = find(&test, &client_id).await.unwrap();
        let at = KeySource::At(website.url("/jwks.json"));
        assert_eq!(client.authentication, Authentication::PrivateKeyJwt(at));
    }

    fn document(client_id: &str) -> Value {
        json!({
            "client_id": client_id,
            "client_name": "Website's client",
            "redirect_uris": ["https://app.example/callback", "http://127.0.0.1/callback"],
        })
    }

    async fn find(test: &TestServer, client_id: &str) -> Result<Client, OAuthError> {
        test.server.clients.find(client_id).await
    }
}
