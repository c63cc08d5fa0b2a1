//! Where secrets lie outside of the service: files of a folder, or Secrets of Kubernetes, by the names
//! that FastMCP's operators know. A change is made of what was read, or begun anew: of two at once
//! none is lost.

mod folder;
mod in_cluster;
mod kubectl;
mod kubernetes;

use std::path::PathBuf;

use serde_json::Value;

pub use self::kubernetes::{Kubernetes, manifest};
use self::{folder::Folder, in_cluster::InCluster, kubectl::Kubectl};
use crate::secret::Secret;

/// How often a change is begun anew because somebody was quicker.
const ATTEMPTS: u32 = 20;

/// A secret, or what goes with one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Named {
    /// `JWT_SIGNING_KEY`
    SigningKey,
    /// `STORAGE_ENCRYPTION_KEY`
    StorageKey,
    /// `MCP_AUTH_TOKEN`
    Token,
    /// `AUTH0_CLIENT_ID`
    ClientId,
    /// `AUTH0_CLIENT_SECRET`
    ClientSecret,
    /// What is tried where Auth0 does not know the client secret: the next one, or the last.
    FallbackSecret,
    /// `AUTH0_DOMAIN`
    Domain,
}

/// What lies under a name.
#[derive(Clone, Debug)]
pub struct Held {
    /// The text.
    pub value: Secret,
    /// What is noted of it: JSON, and no secret.
    pub notes: Option<String>,
}

/// Where secrets lie.
#[derive(Debug)]
pub enum Place {
    /// Files of a folder, with the notes beside them.
    Folder(Folder),
    /// Secrets of a namespace, with the notes as annotations.
    Kubernetes(Kubernetes),
}

/// Why a place could not be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum NotKept {
    /// The file system.
    #[error("{}: {why}", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        why: std::io::Error,
    },
    /// `kubectl` is missing or does not run.
    #[error("kubectl cannot be run: {0}")]
    NoKubectl(std::io::Error),
    /// Kubernetes says no, or something else than it should.
    #[error("the Secret {secret}: {why}")]
    Kubernetes {
        /// Which Secret.
        secret: &'static str,
        /// What is wrong; quotes no secret.
        why: String,
    },
    /// The pod has no way to the API.
    #[error("the API of Kubernetes cannot be used from this pod: {0}")]
    NoServiceAccount(String),
    /// Others change it all the time.
    #[error("{0} is changed by others all the time; try again later")]
    Contended(&'static str),
}

impl Named {
    /// The name of the file, and of the key in its Secret.
    pub const fn key(self) -> &'static str {
        match self {
            Self::SigningKey => "jwt-signing-key",
            Self::StorageKey => "storage-encryption-key",
            Self::Token => "mcp-auth-token",
            Self::ClientId => "server-client-id",
            Self::ClientSecret => "server-client-secret",
            Self::FallbackSecret => "server-client-secret-fallback",
            Self::Domain => "auth0-domain",
        }
    }

    /// The Secret of Kubernetes that it is in.
    pub const fn secret(self) -> &'static str {
        match self {
            Self::SigningKey | Self::StorageKey => "mcp-jwt-signing-key",
            Self::Token => "mcp-auth-token",
            Self::ClientId | Self::ClientSecret | Self::FallbackSecret | Self::Domain => {
                "mcp-auth0-credentials"
            }
        }
    }

    /// The variable that `serve` takes it from, if there is one.
    pub const fn variable(self) -> Option<&'static str> {
        match self {
            Self::SigningKey => Some("JWT_SIGNING_KEY"),
            Self::StorageKey => Some("STORAGE_ENCRYPTION_KEY"),
            Self::Token => Some("MCP_AUTH_TOKEN"),
            Self::ClientId => Some("AUTH0_CLIENT_ID"),
            Self::ClientSecret => Some("AUTH0_CLIENT_SECRET"),
            Self::FallbackSecret => None,
            Self::Domain => Some("AUTH0_DOMAIN"),
        }
    }
}

impl Place {
    /// The files of this folder.
    pub fn folder(path: PathBuf) -> Self {
        Self::Folder(Folder::new(path))
    }

    /// The Secrets of a namespace: by the pod's own account in a cluster, else by `kubectl`.
    ///
    /// # Errors
    /// [`NotKept::NoServiceAccount`]
    pub fn kubernetes(
        namespace: Option<String>,
        context: Option<String>,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, NotKept> {
        let api = match context {
            None if variable("KUBERNETES_SERVICE_HOST").is_some() => {
                kubernetes::Api::InCluster(InCluster::new(namespace, variable)?)
            }
            context => kubernetes::Api::Kubectl(Kubectl::new(namespace, context)),
        };
        Ok(Self::Kubernetes(Kubernetes::new(api)))
    }

    /// What lies there.
    ///
    /// # Errors
    /// [`NotKept`]
    pub async fn read(&self, named: Named) -> Result<Option<Held>, NotKept> {
        match self {
            Self::Folder(folder) => folder.read(named),
            Self::Kubernetes(kubernetes) => kubernetes.read(named).await,
        }
    }

    /// Puts what `decide` makes of what lies there; `None`: nothing is changed. It is asked again if
    /// somebody else was quicker.
    ///
    /// # Errors
    /// [`NotKept`], or what `decide` fails with.
    pub async fn change<E: From<NotKept>>(
        &self,
        named: Named,
        decide: impl FnMut(Option<Held>) -> Result<Option<Held>, E>,
    ) -> Result<(), E> {
        match self {
            Self::Folder(folder) => folder.change(named, decide),
            Self::Kubernetes(kubernetes) => kubernetes.change(named, decide).await,
        }
    }
}

/// A text of an object of Kubernetes.
fn text<'v>(object: &'v Value, path: &str) -> Option<&'v str> {
    object.pointer(path).and_then(Value::as_str)
}
