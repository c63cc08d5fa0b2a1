//! Everything in the vault is sealed anew with the first storage key, in the background, while older
//! keys are still given.
//!
//! One replica at a time does it, by a lease, page after page, and notes after each how far it has
//! come: whoever takes over after a crash goes on there. A whole pass that finds nothing sealed with
//! an older key says that the older keys may go, if it began when every replica already used the
//! first; whether that is so is for the operator's commands to judge (`rotation`).

use std::time::Duration;

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::vault::{Read, Resealed, Vault, VaultFailure};
use crate::{clock::instant, mcp_sessions, store::Key};

const GROUP: &str = "reencryption";
const LEASE: &str = "lease";
const PROGRESS: &str = "progress";
const WANTED: &str = "wanted";

/// How many values are looked at between two notes.
const PAGE: usize = 200;
/// After how long a replica that says nothing more is taken for dead.
const LEASED_FOR: Duration = Duration::from_secs(6);
/// How long a page may take until the lease is renewed in the middle of it.
const RENEWED_AFTER: Duration = Duration::from_secs(2);
/// How long a note is kept; no value lives longer.
const REMEMBERED: Duration = Duration::from_secs(366 * 24 * 3600);
/// How often it is seen whether there is something to do.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// The least pause between two passes that nobody asked for; a tenth of the time at most is spent
/// on them.
const PAUSE: Duration = Duration::from_secs(60);
const PAUSE_FOR_EACH: u32 = 9;

/// Seals anew.
#[derive(Clone)]
pub struct Reencryption {
    vault: Vault,
}

/// How far it has come.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// The storage key that everything is to be sealed with.
    pub key: String,
    /// The pass under way.
    pub current: Option<Pass>,
    /// The last pass that came to its end.
    pub last: Option<Pass>,
    /// Where the pass under way stands.
    place: Option<String>,
}

/// Once through everything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pass {
    /// When it began, by the store's clock, in seconds since 1970.
    pub began_at: u64,
    /// When it ended.
    pub ended_at: Option<u64>,
    /// Values that were looked at.
    pub seen: u64,
    /// Of these, values that an older key had sealed.
    pub renewed: u64,
    /// Of these, values that no key opens: they stay as they are until they end.
    pub unreadable: u64,
}

/// Whose turn it is.
#[derive(Serialize, Deserialize, PartialEq, Eq)]
struct Lease(u64);

impl Reencryption {
    /// Of this vault.
    pub fn new(vault: Vault) -> Self {
        Self { vault }
    }

    /// How far it has come, if it ever began.
    ///
    /// # Errors
    /// [`VaultFailure`]
    pub async fn progress(&self) -> Result<Option<Progress>, VaultFailure> {
        Ok(self.read(PROGRESS).await?.map(|read| read.value))
    }

    /// Asks for a pass at once, of whichever replica sees it first.
    ///
    /// # Errors
    /// [`VaultFailure`]
    pub async fn want(&self) -> Result<(), VaultFailure> {
        self.vault.put(&key(WANTED), &(), REMEMBERED).await
    }

    /// Does it whenever it is due, for as long as the process runs.
    pub async fn keep(self) {
        let mut was_well = true;
        loop {
            // Replicas that started together do not ask together.
            let jitter = Duration::from_millis(rand::random::<u64>() % 500);
            tokio::time::sleep(LOOK_EVERY + jitter).await;
            let done = self.work().await;
            if let Err(cause) = &done
                && was_well
            {
                tracing::warn!(%cause, "encrypting anew is held up");
            }
            was_well = done.is_ok();
        }
    }

    /// One pass, if one is due and nobody else is at it. Tells whether it came to its end.
    async fn work(&self) -> Result<bool, VaultFailure> {
        let ids = self.vault.keys().ids();
        if ids.len() < 2 {
            return Ok(false);
        }
        let progress = self.progress().await?.unwrap_or_default();
        let is_wanted = self.read::<()>(WANTED).await?.is_some();
        let now = self.vault.now().await?.secs();
        if !is_wanted && !progress.is_due(&ids[0], now) {
            return Ok(false);
        }
        let lease = Lease(rand::random());
        let taken = self.vault.batch(GROUP).if_absent(LEASE).put(LEASE, &lease, LEASED_FOR);
        if !taken.commit().await? {
            return Ok(false);
        }
        // Somebody may have come to an end between the look and the lease.
        let progress = self.progress().await?.unwrap_or_default();
        let progress = match progress.current.is_some() && progress.key == ids[0] {
            true => progress,
            false => {
                self.vault.batch(GROUP).remove(WANTED).commit().await?;
                progress.begun(&ids[0], now)
            }
        };
        let done = self.pass(progress, &lease).await;
        self.give_back(&lease).await?;
        done
    }

    async fn pass(&self, mut progress: Progress, lease: &Lease) -> Result<bool, VaultFailure> {
        tracing::info!(key = progress.key, place = progress.place, "encrypting anew");
        loop {
            let page = self.vault.scan(progress.place.as_deref(), PAGE).await?;
            let mut pass = progress.current.clone().unwrap_or_default();
            let mut noted = instant();
            for key in page.keys.iter().filter(|key| !mcp_sessions::is_group(&key.group)) {
                pass.seen += 1;
                match self.vault.reseal(key).await? {
                    Resealed::Renewed => pass.renewed += 1,
                    Resealed::Unreadable => pass.unreadable += 1,
                    Resealed::Current | Resealed::Gone => {}
                }
                if noted.elapsed() > RENEWED_AFTER {
                    if !self.note(&progress, lease).await? {
                        return Ok(false);
                    }
                    noted = instant();
                }
            }
            let is_over = page.next.is_none();
            progress.place = page.next;
            if is_over {
                pass.ended_at = Some(self.vault.now().await?.secs());
                progress.current = None;
                progress.last = Some(pass);
            } else {
                progress.current = Some(pass);
            }
            if !self.note(&progress, lease).await? {
                return Ok(false);
            }
            progress.tell();
            if is_over {
                return Ok(true);
            }
            if self.vault.keys().ids().first() != Some(&progress.key) {
                return Ok(false);
            }
        }
    }

    /// Keeps the lease and what was done under it, in one step; tells whether it was still ours.
    async fn note(&self, progress: &Progress, lease: &Lease) -> Result<bool, VaultFailure> {
        let Some(ours) = self.ours(lease).await? else { return Ok(false) };
        let batch = self.vault.batch(GROUP).if_unchanged(LEASE, &ours);
        let batch = batch.put(LEASE, lease, LEASED_FOR).put(PROGRESS, progress, REMEMBERED);
        batch.commit().await
    }

    async fn give_back(&self, lease: &Lease) -> Result<(), VaultFailure> {
        let Some(ours) = self.ours(lease).await? else { return Ok(()) };
        self.vault.batch(GROUP).if_unchanged(LEASE, &ours).remove(LEASE).commit().await.map(drop)
    }

    /// A note by a key that is lost is as good as none: it is written anew.
    async fn read<T: DeserializeOwned>(&self, name: &str) -> Result<Option<Read<T>>, VaultFailure> {
        match self.vault.get(&key(name)).await {
            Err(VaultFailure::Sealed(_)) => Ok(None),
            read => read,
        }
    }

    async fn ours(&self, lease: &Lease) -> Result<Option<Read<Lease>>, VaultFailure> {
        let read = self.read::<Lease>(LEASE).await?;
        Ok(read.filter(|read| read.value == *lease))
    }
}

impl Progress {
    fn is_due(&self, first: &str, now: u64) -> bool {
        let Some(last) = &self.last else { return true };
        if self.key != first || self.current.is_some() {
            return true;
        }
        let ended = last.ended_at.unwrap_or(now);
        let took = Duration::from_secs(ended.saturating_sub(last.began_at));
        Duration::from_secs(now.saturating_sub(ended)) >= PAUSE.max(took * PAUSE_FOR_EACH)
    }

    /// A new pass; what another key's passes found counts no more.
    fn begun(self, first: &str, now: u64) -> Self {
        let last = self.last.filter(|_| self.key == first);
        let current = Some(Pass { began_at: now, ..Pass::default() });
        Self { key: first.to_owned(), current, last, place: None }
    }

    fn tell(&self) {
        let Some(pass) = self.current.as_ref().or(self.last.as_ref()) else { return };
        let counts =
            [("seen", pass.seen), ("renewed", pass.renewed), ("unreadable", pass.unreadable)];
        for (what, count) in counts {
            #[expect(clippy::cast_precision_loss, reason = "no store holds 2⁵³ values")]
            metrics::gauge!("mcp_auth_reencryption_values", "what" => what).set(count as f64);
        }
        let Pass { seen, renewed, unreadable, ended_at, .. } = *pass;
        match ended_at {
            None => tracing::debug!(seen, renewed, unreadable, "encrypting anew goes on"),
            Some(_) => tracing::info!(seen, renewed, unreadable, "everything was looked at"),
        }
    }
}

fn key(name: &str) -> Key {
    Key { group: GROUP.to_owned(), name: name.to_owned() }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use base64::{Engine, engine::general_purpose::URL_SAFE};

    use super::*;
    use crate::{
        clock::Clock,
        config::values::Key256,
        oauth::crypt::StorageKeys,
        store::{Store, embedded::EmbeddedStore},
    };

    const LONG: Duration = Duration::from_secs(3600);

    struct Kept {
        store: Arc<dyn Store>,
        clock: Clock,
        _folder: tempfile::TempDir,
    }

    impl Kept {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let clock = Clock::standing_at(auth_core::time::UnixTime::from_secs(1_790_000_000));
            let store = EmbeddedStore::open(folder.path(), clock.clone()).unwrap();
            Self { store: Arc::new(store), clock, _folder: folder }
        }

        /// A replica that has these keys.
        fn vault(&self, keys: &[u8]) -> Vault {
            let key = |byte: &u8| Key256::from_fernet(&URL_SAFE.encode([*byte; 32])).unwrap();
            let keys: Vec<_> = keys.iter().map(key).collect();
            Vault::new(Arc::clone(&self.store), StorageKeys::new(&keys).unwrap())
        }
    }

    fn place(number: usize) -> Key {
        Key { group: format!("login:{number:04}"), name: "login".to_owned() }
    }

    async fn fill(vault: &Vault, count: usize) {
        for number in 0..count {
            vault.put(&place(number), &number, LONG).await.unwrap();
        }
    }

    #[tokio::test]
    async fn after_a_pass_the_new_key_alone_opens_everything() {
        let kept = Kept::new();
        fill(&kept.vault(&[1]), 450).await;
        let both = Reencryption::new(kept.vault(&[2, 1]));
        assert!(both.work().await.unwrap());
        let alone = kept.vault(&[2]);
        for number in 0..450 {
            assert_eq!(alone.get::<usize>(&place(number)).await.unwrap().unwrap().value, number);
        }
        let progress = both.progress().await.unwrap().unwrap();
        let last = progress.last.clone().unwrap();
        assert_eq!((last.renewed, last.unreadable, progress.current), (450, 0, None));
        assert!(!both.work().await.unwrap(), "it was done a moment ago");
        kept.clock.advance_secs(60);
        assert!(both.work().await.unwrap());
        assert_eq!(both.progress().await.unwrap().unwrap().last.unwrap().renewed, 0);
        both.want().await.unwrap();
        assert!(both.work().await.unwrap() && !both.work().await.unwrap());
    }

    #[tokio::test]
    async fn with_one_key_there_is_nothing_to_do() {
        let kept = Kept::new();
        fill(&kept.vault(&[1]), 1).await;
        let one = Reencryption::new(kept.vault(&[1]));
        assert!(!one.work().await.unwrap());
        assert_eq!(one.progress().await.unwrap(), None);
    }

    #[tokio::test]
    async fn whoever_takes_over_after_a_crash_goes_on_where_it_was() {
        let kept = Kept::new();
        fill(&kept.vault(&[1]), 450).await;
        let dying = Reencryption::new(kept.vault(&[2, 1]));
        let lease = Lease(7);
        let taken = dying.vault.batch(GROUP).put(LEASE, &lease, LEASED_FOR);
        taken.commit().await.unwrap();
        let begun = Progress::default().begun(&dying.vault.keys().ids()[0], 5);
        let page = dying.vault.scan(None, PAGE).await.unwrap();
        for key in &page.keys {
            dying.vault.reseal(key).await.unwrap();
        }
        let seen = page.keys.len() as u64;
        let current = Some(Pass { seen, renewed: seen, ..begun.current.clone().unwrap() });
        let noted = Progress { current, place: page.next, ..begun };
        assert!(dying.note(&noted, &lease).await.unwrap());

        let next = Reencryption::new(kept.vault(&[2, 1]));
        assert!(!next.work().await.unwrap(), "the first may be alive");
        kept.clock.advance_secs(LEASED_FOR.as_secs());
        assert!(next.work().await.unwrap());
        let last = next.progress().await.unwrap().unwrap().last.unwrap();
        // Its own lease, by the new key already, is met on the way as well.
        assert_eq!((last.began_at, last.renewed), (5, 450));
        assert!(!dying.note(&noted, &lease).await.unwrap(), "the lease is gone");
    }

    #[tokio::test]
    async fn what_no_key_opens_stays_and_is_counted() {
        let kept = Kept::new();
        fill(&kept.vault(&[9]), 3).await;
        let both = Reencryption::new(kept.vault(&[2, 1]));
        assert!(both.work().await.unwrap());
        assert_eq!(both.progress().await.unwrap().unwrap().last.unwrap().unreadable, 3);
        assert!(kept.vault(&[9]).get::<usize>(&place(0)).await.unwrap().is_some());
    }

    #[tokio::test]
    async fn notes_of_a_key_that_is_lost_are_written_anew() {
        let kept = Kept::new();
        fill(&kept.vault(&[1]), 3).await;
        assert!(Reencryption::new(kept.vault(&[9, 1])).work().await.unwrap());
        fill(&kept.vault(&[1]), 3).await;
        let both = Reencryption::new(kept.vault(&[2, 1]));
        assert_eq!(both.progress().await.unwrap(), None);
        assert!(both.work().await.unwrap());
        assert_eq!(both.progress().await.unwrap().unwrap().last.unwrap().renewed, 3);
    }

    #[tokio::test]
    async fn a_change_that_was_begun_before_is_still_made() {
        let kept = Kept::new();
        let vault = kept.vault(&[2, 1]);
        fill(&kept.vault(&[1]), 1).await;
        let read = vault.get::<usize>(&place(0)).await.unwrap().unwrap();
        assert!(Reencryption::new(vault.clone()).work().await.unwrap());
        let key = place(0);
        let change = |to: usize| {
            vault.batch(&key.group).if_unchanged(&key.name, &read).put(&key.name, &to, LONG)
        };
        assert!(change(5).commit().await.unwrap(), "it is the same value in another seal");
        assert!(!change(6).commit().await.unwrap(), "by now it is another value");
    }
}
