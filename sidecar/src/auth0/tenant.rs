//! What holds for the whole tenant: `/tenants/settings`.

use serde_json::{Map, Value};

use super::{Failure, Management};

/// The tenant's settings.
#[derive(Clone, Debug)]
pub struct Tenant {
    /// All that Auth0 says of them.
    pub fields: Map<String, Value>,
}

impl Tenant {
    /// Reads them.
    ///
    /// # Errors
    /// [`Failure`]
    pub async fn get(auth0: &Management) -> Result<Self, Failure> {
        Ok(Self { fields: auth0.get(&["tenants", "settings"]).await? })
    }

    /// Changes what the patch names; of `flags` only those that it names.
    ///
    /// # Errors
    /// [`Failure`]
    pub async fn update(auth0: &Management, patch: &Value) -> Result<(), Failure> {
        auth0.patch(&["tenants", "settings"], patch).await
    }
}
