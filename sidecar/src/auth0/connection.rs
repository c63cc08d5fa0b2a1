//! Where users come from: `/connections`, and for which applications they are enabled.

use serde::Deserialize;
use serde_json::json;

use super::{Failure, Management};

/// A source of users.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct Connection {
    /// Its id.
    pub id: String,
    /// Its name, which only it has.
    pub name: String,
}

const FIELDS: [(&str, &str); 2] = [("fields", "id,name"), ("include_fields", "true")];

impl Connection {
    /// All of the tenant.
    ///
    /// # Errors
    /// [`Failure`]
    pub async fn list(auth0: &Management) -> Result<Vec<Self>, Failure> {
        auth0.list(&["connections"], "connections", &FIELDS).await
    }

    /// Those that are enabled for an application.
    ///
    /// # Errors
    /// [`Failure`]
    pub async fn of(auth0: &Management, client_id: &str) -> Result<Vec<Self>, Failure> {
        auth0.list(&["clients", client_id, "connections"], "connections", &FIELDS).await
    }

    /// Enables it for an application.
    ///
    /// # Errors
    /// [`Failure`]
    pub async fn enable(&self, auth0: &Management, client_id: &str) -> Result<(), Failure> {
        let body = json!([{"client_id": client_id, "status": true}]);
        auth0.patch(&["connections", &self.id, "clients"], &body).await
    }
}
