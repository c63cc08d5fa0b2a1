//! Whose request to `/token` or `/revoke` it is (RFC 6749 §2.3): public clients say so, others
//! prove it by a JWT that one of their keys has signed (RFC 7523 §2.2).

use auth_core::jwk::{self, VerificationKey};

use super::{
    Authentication, Client, Clients, KeySource,
    assertion::{Assertion, REMEMBERED_LONGER},
    document::Freshness,
};
use crate::oauth::{error::OAuthError, opaque::Opaque, params::Params};

/// RFC 7523 §2.2.
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

impl Clients {
    /// The client that sends this.
    ///
    /// # Errors
    /// [`OAuthError::InvalidClient`] if it is not known or does not prove who it is.
    pub async fn authenticate(&self, params: &Params) -> Result<Client, OAuthError> {
        if params.one("client_secret")?.is_some() {
            return Err(OAuthError::InvalidClient("no client has a secret here"));
        }
        let Some(assertion) = assertion(params)? else {
            let client = self.find(params.required("client_id")?).await?;
            return match client.authentication {
                Authentication::None => Ok(client),
                Authentication::PrivateKeyJwt(_) => {
                    Err(OAuthError::InvalidClient("the client needs a client_assertion"))
                }
            };
        };
        if params.one("client_id")?.is_some_and(|id| id != assertion.client_id()) {
            return Err(OAuthError::InvalidClient("the client_assertion is another client's"));
        }
        assertion.check(&self.audiences, self.clock.now()).map_err(OAuthError::InvalidClient)?;
        let client = self.find(assertion.client_id()).await?;
        let Authentication::PrivateKeyJwt(keys) = &client.authentication else {
            return Err(OAuthError::InvalidClient("the client has no keys"));
        };
        if !self.is_signed(&assertion, keys).await? {
            return Err(OAuthError::InvalidClient(
                "the client_assertion is not signed by its keys",
            ));
        }
        self.use_up(&assertion).await?;
        Ok(client)
    }

    /// Keys at an address are fetched anew once, in case they have just been changed.
    async fn is_signed(
        &self,
        assertion: &Assertion<'_>,
        keys: &KeySource,
    ) -> Result<bool, OAuthError> {
        match keys {
            KeySource::Given(jwks) => {
                Ok(assertion.is_signed_by(&usable(jwks.to_string().as_bytes())))
            }
            KeySource::At(address) => {
                for freshness in [Freshness::Cached, Freshness::Renewed] {
                    let jwks = self.documents.key_set(address, freshness).await?;
                    if assertion.is_signed_by(&usable(&jwks)) {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
        }
    }

    /// An assertion counts once, at whichever replica.
    async fn use_up(&self, assertion: &Assertion<'_>) -> Result<(), OAuthError> {
        let digest = |text: &str| Opaque::offered(text).digest();
        let group = format!("assertion:{}", digest(assertion.client_id()));
        let name = digest(assertion.id());
        let time_to_live = self.clock.now().until(assertion.expires_at()) + REMEMBERED_LONGER;
        let batch = self.vault.batch(&group).if_absent(&name).put(&name, &(), time_to_live);
        match batch.commit().await? {
            true => Ok(()),
            false => Err(OAuthError::InvalidClient("the client_assertion has been used before")),
        }
    }
}

fn assertion(params: &Params) -> Result<Option<Assertion<'_>>, OAuthError> {
    match (params.one("client_assertion_type")?, params.one("client_assertion")?) {
        (None, None) => Ok(None),
        (Some(ASSERTION_TYPE), Some(text)) => {
            Assertion::parse(text).map(Some).map_err(OAuthError::InvalidClient)
        }
        (Some(ASSERTION_TYPE), None) => {
            Err(OAuthError::InvalidRequest("client_assertion is missing".to_owned()))
        }
        (_, _) => {
            let why = format!("client_assertion_type must be {ASSERTION_TYPE}");
            Err(OAuthError::InvalidRequest(why))
        }
    }
}

/// A set without usable keys verifies nothing.
fn usable(jwks: &[u8]) -> Vec<VerificationKey> {
    jwk::parse_set(jwks).unwrap_or_default()
}
