//! Secrets that change in their files are taken into use without a restart.
//!
//! The files' texts are compared every second: that sees the swapped symbolic links of Kubernetes'
//! mounts, files renamed into place and network file systems alike, which notifications do not. What
//! a start would refuse is refused here too, and the secrets in use stay.

use std::time::Duration;

use crate::{
    config::{Config, Refused, client_secret::ClientSecret, raw::RawConfig},
    oauth::{AuthorizationServer, crypt::StorageKeys, signing::SigningKeys},
    tokens::Tokens,
};

/// How often the files are read.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long a changed text has to stay as it is, so that no half of it is taken.
const SETTLED_AFTER: Duration = Duration::from_millis(100);

/// The secrets that the parts of a running service work with.
pub struct InUse {
    tokens: Option<Tokens>,
    client_secret: Option<ClientSecret>,
    signing: Option<SigningKeys>,
    storage: Option<StorageKeys>,
}

/// Looks at the files.
pub struct Reload {
    given: RawConfig,
    in_use: InUse,
    /// What is wrong with the files now, so that it is said once.
    wrong: Option<String>,
}

impl InUse {
    /// Those of a service that runs by `config`.
    pub fn new(config: &Config, server: Option<&AuthorizationServer>) -> Self {
        Self {
            tokens: config.tokens.clone(),
            client_secret: config.oauth.as_ref().map(|it| it.provider.client_secret.clone()),
            signing: server.map(|server| server.signing.clone()),
            storage: server.map(|server| server.vault.keys().clone()),
        }
    }

    /// Each swap is one step; work under way ends with what it began with.
    fn take(&self, config: &Config) {
        if let (Some(tokens), Some(new)) = (&self.tokens, &config.tokens) {
            tokens.replace(new);
        }
        let Some(oauth) = &config.oauth else { return };
        if let Some(storage) = &self.storage {
            storage.replace(&oauth.storage_keys);
        }
        if let Some(signing) = &self.signing {
            signing.replace(&oauth.signing_keys);
        }
        if let Some(secret) = &self.client_secret {
            let new = oauth.provider.client_secret.live.now();
            if !secret.live.now().are(&new) {
                secret.live.replace_shared(new);
            }
        }
    }
}

impl Reload {
    /// Of a service that was started with `given`.
    pub fn new(given: RawConfig, in_use: InUse) -> Self {
        Self { given, in_use, wrong: None }
    }

    /// Looks again and again, for as long as the process runs.
    pub async fn keep(mut self) {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            if let Err(why) = self.look().await {
                self.complain(&why);
            }
        }
    }

    async fn look(&mut self) -> Result<(), Refused> {
        let newer = self.read().await?;
        let changes = self.given.changes(&newer);
        if changes.is_empty() {
            self.wrong = None;
            return Ok(());
        }
        tokio::time::sleep(SETTLED_AFTER).await;
        if !newer.changes(&self.read().await?).is_empty() {
            return Ok(());
        }
        self.in_use.take(&Config::build(&newer)?);
        self.given = newer;
        self.wrong = None;
        metrics::counter!("mcp_auth_secret_reloads_total", "outcome" => "taken").increment(1);
        let signing = self.in_use.signing.as_ref().map(SigningKeys::ids).unwrap_or_default();
        let storage = self.in_use.storage.as_ref().map(StorageKeys::ids).unwrap_or_default();
        tracing::info!(?changes, ?signing, ?storage, "new secrets are in use");
        Ok(())
    }

    /// A file system that hangs holds up nothing but this.
    async fn read(&self) -> Result<RawConfig, Refused> {
        let given = self.given.clone();
        let read = tokio::task::spawn_blocking(move || given.read_again());
        read.await.unwrap_or_else(|_| Ok(self.given.clone()))
    }

    fn complain(&mut self, why: &Refused) {
        let why = why.to_string();
        if self.wrong.as_ref() != Some(&why) {
            metrics::counter!("mcp_auth_secret_reloads_total", "outcome" => "refused").increment(1);
            tracing::error!(cause = why, "a changed secret is refused: the old one stays in use");
            self.wrong = Some(why);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path, sync::Arc};

    use super::*;
    use crate::{
        clock::Clock,
        config::testing::{FERNET, KEY, OAUTH, raw},
        store::{Store, embedded::EmbeddedStore},
    };

    /// A service whose secrets are in files.
    struct Running {
        folder: tempfile::TempDir,
        server: AuthorizationServer,
        config: Config,
        reload: Reload,
    }

    impl Running {
        fn start() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
            for (name, text) in
                [("key", KEY), ("fernet", FERNET), ("secret", "hunter2"), ("token", "old")]
            {
                fs::write(folder.path().join(name), text).unwrap();
            }
            let [key, fernet, secret, token, data] =
                ["key", "fernet", "secret", "token", "data"].map(at);
            let files = [
                ("JWT_SIGNING_KEY_FILE", key.as_str()),
                ("STORAGE_ENCRYPTION_KEY_FILE", &fernet),
                ("AUTH0_CLIENT_SECRET_FILE", &secret),
                ("MCP_AUTH_TOKEN_FILE", &token),
                ("MCP_AUTH_DATA", &data),
            ];
            let plain = OAUTH.iter().copied();
            let plain =
                plain.filter(|it| !matches!(it.0, "JWT_SIGNING_KEY" | "AUTH0_CLIENT_SECRET"));
            let given = raw(&plain.chain(files).collect::<Vec<_>>()).unwrap();
            let config = Config::build(&given).unwrap();
            let store = EmbeddedStore::open(Path::new(&data), Clock::system()).unwrap();
            let store: Arc<dyn Store> = Arc::new(store);
            let server = AuthorizationServer::new(&config, &store, Clock::system()).unwrap();
            let server = server.unwrap();
            let reload = Reload::new(given, InUse::new(&config, Some(&server)));
            Self { folder, server, config, reload }
        }

        async fn write(&mut self, name: &str, text: &str) -> Result<(), Refused> {
            fs::write(self.folder.path().join(name), text).unwrap();
            self.reload.look().await
        }
    }

    #[tokio::test]
    async fn every_part_works_with_the_new_secrets_at_once() {
        let mut running = Running::start();
        let server = running.server.clone();
        let token = server.signing.sign("at+jwt", serde_json::json!({}));
        let sealed = server.vault.keys().seal(b"text");
        let new = "ff".repeat(32);
        running.write("key", &format!("{new},{KEY}\n")).await.unwrap();
        assert_eq!(server.signing.ids().len(), 2);
        assert!(server.logins.signing.verify::<serde_json::Value>("at+jwt", &token).is_some());
        assert_ne!(server.signing.sign("at+jwt", serde_json::json!({})), token);
        running.write("key", &new).await.unwrap();
        assert!(server.logins.signing.verify::<serde_json::Value>("at+jwt", &token).is_none());

        let newer = FERNET.replace("AAEC", "ZZEC");
        running.write("fernet", &format!("{newer},{FERNET}")).await.unwrap();
        assert!(server.vault.keys().open(&sealed).is_some());
        assert!(!server.vault.keys().is_by_first(&sealed));

        running.write("token", "new,old").await.unwrap();
        let tokens = server.tokens.clone().unwrap();
        assert!(tokens.matches(b"new") && tokens.matches(b"old"));
        assert!(running.config.tokens.clone().unwrap().matches(b"new"));
        running.write("token", "new").await.unwrap();
        assert!(!tokens.matches(b"old"));

        running.write("secret", "hunter3").await.unwrap();
        let secret = running.config.oauth.as_ref().unwrap().provider.client_secret.live.now();
        assert_eq!(secret.best().expose(), "hunter3");
        running.write("secret-fallback", "hunter4").await.unwrap();
        let secrets = running.config.oauth.as_ref().unwrap().provider.client_secret.live.now();
        assert_eq!(secrets.in_order().last().unwrap().expose(), "hunter4");
        running.write("secret-fallback", "").await.unwrap();
        let secrets = running.config.oauth.as_ref().unwrap().provider.client_secret.live.now();
        assert_eq!(secrets.in_order().len(), 1);
    }

    #[tokio::test]
    async fn what_a_start_would_refuse_leaves_the_old_secrets_in_use() {
        let mut running = Running::start();
        let ids = running.server.signing.ids();
        for (text, why) in [
            ("", "JWT_SIGNING_KEY is empty"),
            ("abc", "JWT_SIGNING_KEY must be 64 hex digits"),
            (&KEY[..63], "JWT_SIGNING_KEY must be 64 hex digits"),
        ] {
            let refused = running.write("key", text).await.unwrap_err().to_string();
            assert!(refused.starts_with(why), "{refused}");
            assert_eq!(running.server.signing.ids(), ids);
        }
        fs::remove_file(running.folder.path().join("key")).unwrap();
        let gone = running.reload.look().await.unwrap_err().to_string();
        assert!(gone.starts_with("JWT_SIGNING_KEY_FILE cannot be read"), "{gone}");
        running.write("token", "a b").await.unwrap_err();
        assert!(running.server.tokens.as_ref().unwrap().matches(b"old"));
        running.write("key", KEY).await.unwrap_err();
        running.write("token", "new").await.unwrap();
        assert!(running.server.tokens.as_ref().unwrap().matches(b"new"));
        assert_eq!(running.server.signing.ids(), ids);
    }

    #[tokio::test]
    async fn a_link_that_is_swapped_as_kubernetes_does_is_followed() {
        let mut running = Running::start();
        let folder = running.folder.path().to_owned();
        for (version, token) in [("v1", "old"), ("v2", "new")] {
            fs::create_dir(folder.join(version)).unwrap();
            fs::write(folder.join(version).join("token"), token).unwrap();
        }
        std::os::unix::fs::symlink("v1", folder.join("..data")).unwrap();
        fs::remove_file(folder.join("token")).unwrap();
        std::os::unix::fs::symlink("..data/token", folder.join("token")).unwrap();
        running.reload.look().await.unwrap();
        std::os::unix::fs::symlink("v2", folder.join("..tmp")).unwrap();
        fs::rename(folder.join("..tmp"), folder.join("..data")).unwrap();
        running.reload.look().await.unwrap();
        assert!(running.server.tokens.unwrap().matches(b"new"));
    }
}
