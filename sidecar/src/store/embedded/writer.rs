//! The one thread that writes: it takes all jobs that are waiting, commits them together with one
//! sync of the disk, and only then tells anybody. Under load that is many writes a sync.

use std::{sync::Arc, thread};

use redb::{Database, WriteTransaction};
use tokio::sync::{mpsc, oneshot};

use crate::store::{Answer, StoreFailure};

const WAITING: usize = 4096;
const TOGETHER: usize = 512;

/// Hands jobs to the thread.
pub(super) struct Writer {
    /// `None` only while it is dropped.
    jobs: Option<mpsc::Sender<Job>>,
    thread: Option<thread::JoinHandle<()>>,
}

/// Works inside a transaction; what it returns is called once that is on the disk.
type Job = Box<dyn FnOnce(&WriteTransaction) -> Result<Reply, redb::Error> + Send>;
type Reply = Box<dyn FnOnce() + Send>;

impl Writer {
    /// Starts the thread.
    pub(super) fn start(database: Arc<Database>) -> std::io::Result<Self> {
        let (jobs, waiting) = mpsc::channel(WAITING);
        let thread = thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || write_all(&database, waiting))?;
        Ok(Self { jobs: Some(jobs), thread: Some(thread) })
    }

    /// Runs a job and answers when what it did is durable.
    pub(super) async fn write<T: Send + 'static>(
        &self,
        job: impl FnOnce(&WriteTransaction) -> Result<T, redb::Error> + Send + 'static,
    ) -> Answer<T> {
        let (reply, answer) = oneshot::channel();
        let job: Job = Box::new(move |txn| {
            let outcome = job(txn)?;
            // Whoever asked may have gone; the write stands all the same.
            Ok(Box::new(move || drop(reply.send(outcome))))
        });
        let lost = || StoreFailure::Broken("the write was not committed".to_owned());
        let jobs = self.jobs.as_ref().ok_or_else(lost)?;
        jobs.send(job).await.map_err(|_| lost())?;
        answer.await.map_err(|_| lost())
    }
}

impl Drop for Writer {
    /// Waits until all jobs are done and the file is closed.
    fn drop(&mut self) {
        drop(self.jobs.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that writes the embedded store had panicked");
        }
    }
}

fn write_all(database: &Database, mut waiting: mpsc::Receiver<Job>) {
    let mut batch = Vec::new();
    while waiting.blocking_recv_many(&mut batch, TOGETHER) > 0 {
        match commit(database, &mut batch) {
            Ok(replies) => replies.into_iter().for_each(|reply| reply()),
            // Dropping the jobs tells those who wait for them.
            Err(failure) => tracing::error!(%failure, "the embedded store cannot write"),
        }
        batch.clear();
    }
}

fn commit(database: &Database, batch: &mut Vec<Job>) -> Result<Vec<Reply>, redb::Error> {
    let txn = database.begin_write()?;
    let replies = batch.drain(..).map(|job| job(&txn)).collect::<Result<_, _>>()?;
    txn.commit()?;
    Ok(replies)
}
