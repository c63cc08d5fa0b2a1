//! What an application may have tokens for: `/client-grants`.

use serde::Deserialize;
use serde_json::json;

use super::{Failure, Management};

/// A grant to an application.
#[derive(Clone, Debug, Deserialize)]
pub struct ClientGrant {
    /// Its id.
    pub id: String,
    /// The scopes that it is about.
    #[serde(default)]
    pub scope: Vec<String>,
    /// Whether all scopes of the API are meant.
    #[serde(default)]
    pub allow_all_scopes: bool,
}

impl ClientGrant {
    /// The grant by which an application may have tokens of an API on behalf of users.
    ///
    /// # Errors
    /// [`Failure`]
    pub async fn find(
        auth0: &Management,
        client_id: &str,
        audience: &str,
    ) -> Result<Option<Self>, Failure> {
        let query = [("client_id", client_id), ("audience", audience), ("subject_type", "user")];
        let grants: Vec<Self> = auth0.list(&["client-grants"], "client_grants", &query).await?;
        Ok(grants.into_iter().next())
    }

    /// Makes one.
    ///
    /// # Errors
    /// [`Failure`]
    pub async fn create(
        auth0: &Management,
        client_id: &str,
        audience: &str,
        scopes: &[String],
    ) -> Result<Self, Failure> {
        let body = json!({
            "client_id": client_id,
            "audience": audience,
            "scope": scopes,
            "subject_type": "user",
        });
        auth0.post(&["client-grants"], &body).await
    }

    /// The scopes that it lacks of these.
    pub fn lacks(&self, scopes: &[String]) -> Vec<String> {
        let has = |scope: &String| self.allow_all_scopes || self.scope.contains(scope);
        scopes.iter().filter(|scope| !has(scope)).cloned().collect()
    }

    /// Makes it about these scopes as well.
    ///
    /// # Errors
    /// [`Failure`]
    pub async fn extend(&self, auth0: &Management, scopes: &[String]) -> Result<(), Failure> {
        let all: Vec<&String> = self.scope.iter().chain(scopes).collect();
        auth0.patch(&["client-grants", &self.id], &json!({"scope": all})).await
    }
}
