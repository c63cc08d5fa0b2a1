//! `GET /v1/keys` and `POST /v1/reencryption`: which keys this replica works with, by names that tell
//! nothing of them, and how far everything stored is encrypted with the first.

use axum::{Json, extract::State, http::StatusCode};
use serde::{Deserialize, Serialize};

use super::Internal;
use crate::{
    error::Refusal,
    oauth::{
        AuthorizationServer,
        reencryption::{Progress, Reencryption},
        signing::SigningKeys,
        vault::{Vault, VaultFailure},
    },
    store::StoreFailure,
};

/// The keys of the OAuth part.
#[derive(Clone)]
pub struct Keys {
    signing: SigningKeys,
    vault: Vault,
    reencryption: Reencryption,
}

/// What is told of them.
#[derive(Debug, Serialize, Deserialize)]
pub struct KeysReport {
    /// Key ids; the first signs.
    pub signing: Vec<String>,
    /// Names of the storage keys; the first encrypts.
    pub storage: Vec<String>,
    /// How far everything is encrypted with the first, if that ever began.
    pub reencryption: Option<Progress>,
}

impl Keys {
    /// Those of this server.
    pub fn of(server: &AuthorizationServer) -> Self {
        let vault = server.vault.clone();
        let reencryption = Reencryption::new(vault.clone());
        Self { signing: server.signing.clone(), vault, reencryption }
    }

    /// What encrypts anew.
    pub fn reencryption(&self) -> Reencryption {
        self.reencryption.clone()
    }
}

pub(super) async fn report(State(internal): State<Internal>) -> Result<Json<KeysReport>, Refusal> {
    let Some(keys) = &internal.keys else { return Err(Refusal::UnknownAddress) };
    Ok(Json(KeysReport {
        signing: keys.signing.ids(),
        storage: keys.vault.keys().ids(),
        reencryption: keys.reencryption.progress().await.map_err(failed)?,
    }))
}

pub(super) async fn reencrypt(State(internal): State<Internal>) -> Result<StatusCode, Refusal> {
    let Some(keys) = &internal.keys else { return Err(Refusal::UnknownAddress) };
    keys.reencryption.want().await.map_err(failed)?;
    Ok(StatusCode::ACCEPTED)
}

fn failed(why: VaultFailure) -> Refusal {
    match why {
        VaultFailure::Store(failure) => failure.into(),
        VaultFailure::Sealed(_) => StoreFailure::Broken(why.to_string()).into(),
    }
}
