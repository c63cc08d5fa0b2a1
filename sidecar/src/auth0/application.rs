//! An application, which the API calls client: `/clients`.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Failure, Management};
use crate::secret::Secret;

/// An application of the tenant.
#[derive(Clone, Debug)]
pub struct Application {
    /// Its client id.
    pub client_id: String,
    /// Its secret, if the management token may read it (`read:client_keys`).
    pub client_secret: Option<Secret>,
    /// All else that Auth0 says of it; no secrets.
    pub fields: Map<String, Value>,
}

/// What a list says of an application.
#[derive(Clone, Debug, Deserialize)]
pub struct Listed {
    /// Its client id.
    pub client_id: String,
    /// Its name, which others may have as well.
    #[serde(default)]
    pub name: String,
}

/// Members that are secrets, or hold some.
const SECRET: [&str; 3] = ["client_secret", "signing_keys", "encryption_key"];

impl Application {
    /// The regular web applications, by id and name alone.
    ///
    /// # Errors
    /// [`Failure`]
    pub async fn list(auth0: &Management) -> Result<Vec<Listed>, Failure> {
        let query =
            [("app_type", "regular_web"), ("fields", "client_id,name"), ("include_fields", "true")];
        auth0.list(&["clients"], "clients", &query).await
    }

    /// The application with this client id.
    ///
    /// # Errors
    /// [`Failure`]
    pub async fn find(auth0: &Management, client_id: &str) -> Result<Option<Self>, Failure> {
        let found: Option<Map<String, Value>> = auth0.find(&["clients", client_id]).await?;
        found.map(Self::read).transpose()
    }

    /// Makes an application. Auth0 makes its secret.
    ///
    /// # Errors
    /// [`Failure`]
    pub async fn create(auth0: &Management, fields: Map<String, Value>) -> Result<Self, Failure> {
        Self::read(auth0.post(&["clients"], &fields.into()).await?)
    }

    /// Changes what the patch names.
    ///
    /// # Errors
    /// [`Failure`]
    pub async fn update(&self, auth0: &Management, patch: &Value) -> Result<(), Failure> {
        auth0.patch(&["clients", &self.client_id], patch).await
    }

    /// Gives it this secret. The old one is dead within half a minute.
    ///
    /// # Errors
    /// [`Failure`]
    pub async fn take_secret(
        auth0: &Management,
        client_id: &str,
        secret: &Secret,
    ) -> Result<(), Failure> {
        auth0.patch(&["clients", client_id], &json!({"client_secret": secret.expose()})).await
    }

    /// Gives it a new secret. The old one is dead at once (`POST /clients/{id}/rotate-secret`).
    ///
    /// # Errors
    /// [`Failure`]
    pub async fn rotate_secret(auth0: &Management, client_id: &str) -> Result<Secret, Failure> {
        let path = ["clients", client_id, "rotate-secret"];
        let rotated = Self::read(auth0.post(&path, &json!({})).await?)?;
        rotated.client_secret.ok_or_else(|| Failure::Unreadable {
            call: format!("POST {}", path.join("/")),
            why: "it has no client_secret".to_owned(),
        })
    }

    fn read(mut fields: Map<String, Value>) -> Result<Self, Failure> {
        let text = |value: Option<Value>| match value {
            Some(Value::String(text)) if !text.is_empty() => Some(text),
            Some(_) | None => None,
        };
        let client_secret = text(fields.remove("client_secret")).map(Secret::new);
        for name in SECRET {
            fields.remove(name);
        }
        let client_id = text(fields.get("client_id").cloned());
        match client_id {
            Some(client_id) => Ok(Self { client_id, client_secret, fields }),
            None => Err(Failure::Unreadable {
                call: "/clients".to_owned(),
                why: "it has no client_id".to_owned(),
            }),
        }
    }
}
