//! Clients that registered themselves (RFC 7591): kept for a day, and while they are used.

use std::time::Duration;

use auth_core::time::UnixTime;
use serde::{Deserialize, Serialize};

use super::Client;
use crate::{
    clock::Clock,
    oauth::{
        error::OAuthError,
        grant::seconds,
        opaque::Opaque,
        vault::{Vault, VaultFailure},
    },
    store::Key,
};

/// How long a client that nobody logs in with is kept.
const UNUSED: Duration = Duration::from_secs(24 * 3600);
/// How long a client is kept after its last login has ended.
const AFTER_LOGIN: Duration = Duration::from_secs(30 * 24 * 3600);
/// How often a change begins anew because somebody was quicker.
const ATTEMPTS: usize = 10;
/// The name of the one value in a client's group.
const NAME: &str = "client";

/// Registered clients, in the vault.
#[derive(Clone)]
pub(super) struct Registered {
    vault: Vault,
    clock: Clock,
}

/// What is remembered.
#[derive(Serialize, Deserialize)]
struct Kept {
    client: Client,
    #[serde(with = "seconds")]
    until: UnixTime,
}

impl Registered {
    pub(super) fn new(vault: Vault, clock: Clock) -> Self {
        Self { vault, clock }
    }

    /// The client, unless it is unknown or forgotten.
    pub(super) async fn find(&self, client_id: &str) -> Result<Client, OAuthError> {
        match self.vault.get::<Kept>(&key(client_id)).await? {
            Some(kept) => Ok(kept.value.client),
            None => Err(OAuthError::InvalidClient("the client is not registered, or not any more")),
        }
    }

    /// Keeps a new client.
    pub(super) async fn keep(&self, client: Client) -> Result<(), VaultFailure> {
        let key = key(&client.client_id);
        let kept = Kept { client, until: self.clock.now() + UNUSED };
        self.vault.put(&key, &kept, UNUSED).await
    }

    /// Keeps a client for longer; one that is forgotten stays so.
    pub(super) async fn used(
        &self,
        client_id: &str,
        login_ends: UnixTime,
    ) -> Result<(), OAuthError> {
        let key = key(client_id);
        let until = login_ends + AFTER_LOGIN;
        for _ in 0..ATTEMPTS {
            let Some(read) = self.vault.get::<Kept>(&key).await? else { return Ok(()) };
            if read.value.until >= until {
                return Ok(());
            }
            let kept = Kept { client: read.value.client.clone(), until };
            let time_to_live = self.clock.now().until(until);
            let batch = self.vault.batch(&key.group).if_unchanged(NAME, &read);
            if batch.put(NAME, &kept, time_to_live).commit().await? {
                return Ok(());
            }
        }
        // So many others prolonged it at the same time that it lives long enough.
        Ok(())
    }
}

fn key(client_id: &str) -> Key {
    Key { group: format!("client:{}", Opaque::offered(client_id).digest()), name: NAME.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oauth::testing::{TestServer, client};

    #[tokio::test]
    async fn a_client_that_nobody_logs_in_with_is_forgotten_after_a_day() {
        let test = TestServer::start().await;
        let registered = Registered::new(test.server.vault.clone(), test.server.clock.clone());
        registered.keep(client("c")).await.unwrap();
        test.server.clock.advance_secs(24 * 3600 - 1);
        assert_eq!(registered.find("c").await.unwrap(), client("c"));
        test.server.clock.advance_secs(1);
        assert!(matches!(registered.find("c").await, Err(OAuthError::InvalidClient(_))));
    }

    #[tokio::test]
    async fn a_client_lives_thirty_days_longer_than_its_last_login() {
        let test = TestServer::start().await;
        let clock = &test.server.clock;
        let registered = Registered::new(test.server.vault.clone(), clock.clone());
        registered.keep(client("c")).await.unwrap();
        let login_ends = clock.now() + Duration::from_secs(3600);
        registered.used("c", login_ends).await.unwrap();
        registered.used("c", clock.now()).await.unwrap();
        clock.advance_secs(30 * 24 * 3600 + 3599);
        assert!(registered.find("c").await.is_ok());
        clock.advance_secs(1);
        assert!(registered.find("c").await.is_err());
        registered.used("c", clock.now()).await.unwrap();
        assert!(registered.find("c").await.is_err());
    }
}
