//! One writer for all clients: what has come in while a commit was under way goes into the next one
//! together, so that many clients cost about as many flushes as one.

use super::failure::Failure;
use crate::app::{App, Shared, lock};
use axum::body::Bytes;
use std::sync::{Arc, Mutex, Weak};
use tokio::sync::{mpsc, oneshot};
use trainyard_store::tracking::{Tracking, TrackingError, TrackingJob};

/// Writes that one transaction takes.
const TOGETHER: usize = 256;
/// Writes that wait; who comes then waits to be let in.
const WAITING: usize = 1_024;

type Work = Box<dyn Fn(&Tracking<'_>) -> Result<Bytes, TrackingError> + Send>;

struct Job {
    work: Work,
    reply: oneshot::Sender<Result<Bytes, Failure>>,
}

/// The way to the writer, whose thread begins with the first write.
#[derive(Default)]
pub(crate) struct TrackingWriter {
    sender: Mutex<Option<mpsc::Sender<Job>>>,
}

impl TrackingWriter {
    fn sender(&self, app: &Shared) -> std::io::Result<mpsc::Sender<Job>> {
        let mut sender = lock(&self.sender);
        if let Some(sender) = sender.as_ref().filter(|sender| !sender.is_closed()) {
            return Ok(sender.clone());
        }
        let (new, receiver) = mpsc::channel(WAITING);
        let app = Arc::downgrade(app);
        std::thread::Builder::new()
            .name("tracking".to_owned())
            .spawn(move || write(&app, receiver))?;
        *sender = Some(new.clone());
        Ok(new)
    }
}

impl App {
    /// Writes, and gives the body of the answer, once it is durable.
    pub(super) async fn track(
        self: &Arc<Self>,
        work: impl Fn(&Tracking<'_>) -> Result<Bytes, TrackingError> + Send + 'static,
    ) -> Result<Bytes, Failure> {
        let sender = self
            .tracking
            .sender(self)
            .map_err(|error| Failure::internal("start a thread", &error))?;
        let (reply, replied) = oneshot::channel();
        let job = Job {
            work: Box::new(work),
            reply,
        };
        sender.send(job).await.map_err(|_| Failure::ending())?;
        replied.await.map_err(|_| Failure::ending())?
    }

    /// Reads, away from the threads that answer.
    pub(super) async fn tracked<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl Fn(&Tracking<'_>) -> Result<T, TrackingError> + Send + 'static,
    ) -> Result<T, Failure> {
        let done = self.read(move |store| Ok(store.read_tracking(&work))).await?;
        Ok(done?)
    }
}

/// Until nobody can send any more.
fn write(app: &Weak<App>, mut receiver: mpsc::Receiver<Job>) {
    let mut jobs = Vec::with_capacity(TOGETHER);
    while let Some(first) = receiver.blocking_recv() {
        jobs.push(first);
        while jobs.len() < TOGETHER {
            match receiver.try_recv() {
                Ok(job) => jobs.push(job),
                Err(_) => break,
            }
        }
        let Some(app) = app.upgrade() else { return };
        let done = app.write_now(|_, store| {
            let work: Vec<TrackingJob<'_, Bytes>> = jobs
                .iter()
                .map(|job| &*job.work as TrackingJob<'_, Bytes>)
                .collect();
            Ok(store.write_tracking(&work)?)
        });
        match done {
            Ok(answers) => {
                for (job, answer) in jobs.drain(..).zip(answers) {
                    // Who is gone needs no answer.
                    let _ = job.reply.send(answer.map_err(Failure::from));
                }
            }
            Err(problem) => {
                let failure = Failure::from(problem);
                for job in jobs.drain(..) {
                    let _ = job.reply.send(Err(failure.clone()));
                }
            }
        }
    }
}
