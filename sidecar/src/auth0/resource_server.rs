//! An API, which Auth0 calls resource server: `/resource-servers`.

use serde_json::{Map, Value};

use super::{Failure, Management};

/// An API of the tenant.
#[derive(Clone, Debug)]
pub struct ResourceServer {
    /// Its id, which is not its identifier.
    pub id: String,
    /// All that Auth0 says of it.
    pub fields: Map<String, Value>,
}

/// Which applications may have tokens for an API on behalf of users.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UserAccess {
    /// All.
    Anybody,
    /// Those to which it is granted.
    ByGrant,
    /// None.
    Nobody,
}

impl ResourceServer {
    /// The API with this identifier, which is the audience of its tokens.
    ///
    /// # Errors
    /// [`Failure`]
    pub async fn find(auth0: &Management, identifier: &str) -> Result<Option<Self>, Failure> {
        let found: Option<Map<String, Value>> =
            auth0.find(&["resource-servers", identifier]).await?;
        found.map(|fields| Self::read(fields, identifier)).transpose()
    }

    /// Makes an API.
    ///
    /// # Errors
    /// [`Failure`]
    pub async fn create(
        auth0: &Management,
        identifier: &str,
        mut fields: Map<String, Value>,
    ) -> Result<Self, Failure> {
        fields.insert("identifier".to_owned(), identifier.into());
        Self::read(auth0.post(&["resource-servers"], &fields.into()).await?, identifier)
    }

    /// Changes what the patch names.
    ///
    /// # Errors
    /// [`Failure`]
    pub async fn update(&self, auth0: &Management, patch: &Value) -> Result<(), Failure> {
        auth0.patch(&["resource-servers", &self.id], patch).await
    }

    /// Who may have tokens for it on behalf of users; anybody unless it says otherwise.
    pub fn user_access(&self) -> UserAccess {
        let policy = self.fields.get("subject_type_authorization");
        match policy.and_then(|it| it.pointer("/user/policy")).and_then(Value::as_str) {
            Some("require_client_grant") => UserAccess::ByGrant,
            Some("deny_all") => UserAccess::Nobody,
            Some(_) | None => UserAccess::Anybody,
        }
    }

    fn read(fields: Map<String, Value>, identifier: &str) -> Result<Self, Failure> {
        match (fields.get("id"), fields.get("identifier").and_then(Value::as_str)) {
            (Some(Value::String(id)), Some(found)) if found == identifier => {
                Ok(Self { id: id.clone(), fields })
            }
            (_, found) => Err(Failure::Unreadable {
                call: "/resource-servers".to_owned(),
                why: format!("asked for {identifier:?}, it is about {found:?}"),
            }),
        }
    }
}
