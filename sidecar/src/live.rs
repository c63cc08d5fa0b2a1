//! A value that can be replaced while it is in use, such as a secret: every clone gives the same, and
//! whoever has begun with one ends with it.

use std::{fmt, sync::Arc, time::Duration};

use tokio::{sync::watch, time::timeout};

/// The value that counts now.
pub struct Live<T>(Arc<watch::Sender<Arc<T>>>);

impl<T> Live<T> {
    /// Begins with this value.
    pub fn new(value: T) -> Self {
        Self(Arc::new(watch::Sender::new(Arc::new(value))))
    }

    /// The value for one piece of work.
    pub fn now(&self) -> Arc<T> {
        Arc::clone(&self.0.borrow())
    }

    /// From now on another value counts.
    pub fn replace(&self, value: T) {
        self.0.send_replace(Arc::new(value));
    }

    /// The same with a value that others hold as well.
    pub fn replace_shared(&self, value: Arc<T>) {
        self.0.send_replace(value);
    }

    /// Waits until another value than `old` counts, but no longer than that. Tells which counts then.
    pub async fn newer_than(&self, old: &Arc<T>, wait: Duration) -> Arc<T> {
        let mut changes = self.0.subscribe();
        let other = changes.wait_for(|value| !Arc::ptr_eq(value, old));
        // The sender lives as long as this does.
        drop(timeout(wait, other).await);
        self.now()
    }
}

impl<T> Clone for Live<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T: fmt::Debug> fmt::Debug for Live<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.now().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn clones_give_the_newest_value_and_work_under_way_keeps_its_own() {
        let live = Live::new(1);
        let (clone, begun) = (live.clone(), live.now());
        live.replace(2);
        assert_eq!((*clone.now(), *begun), (2, 1));
        assert_eq!(*clone.newer_than(&begun, Duration::from_secs(60)).await, 2);
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_waits_for_a_newer_value_gets_it_or_the_old_one_in_time() {
        let live = Live::new(1);
        let old = live.now();
        assert_eq!(*live.newer_than(&old, Duration::from_secs(1)).await, 1);
        let waiting = tokio::spawn({
            let (live, old) = (live.clone(), old.clone());
            async move { *live.newer_than(&old, Duration::from_secs(60)).await }
        });
        tokio::task::yield_now().await;
        live.replace(2);
        assert_eq!(waiting.await.unwrap(), 2);
    }
}
