//! Rounds of delivery: a batch of one channel is taken, sent in its order, and settled.

use crate::file;
use crate::http::Http;
use crate::mail::Mail;
use crate::slack::Slack;
use crate::webhook::Webhook;
use metrics::{counter, describe_counter, describe_gauge};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};
use trainyard_contract::{Millis, Timestamp};
use trainyard_domain::notice::{Answer, Next, after_failure};
use trainyard_domain::pipeline::spec::Channel;
use trainyard_executors::Secrets;
use trainyard_store::{ClaimedBatch, ClaimedNotice, Owner, Settlement, Store, StoreError};

/// How long a batch is this deliverer's.
const LEASE: Millis = Millis(120_000);
/// Nothing more of a batch is begun after that: what is under way then ends within the lease.
const BEGIN_WITHIN: Duration = Duration::from_secs(60);
/// How often it is tried to say what became of a batch. If that fails, it is delivered again.
const SETTLE_TRIES: u32 = 5;
const SETTLE_PAUSE: Duration = Duration::from_millis(300);

/// What a deliverer works with.
pub struct Setup {
    /// The project's folder, where files are.
    pub root: PathBuf,
    pub secrets: Arc<dyn Secrets>,
    pub owner: Owner,
    /// The clock: microseconds since 1970.
    pub clock: fn() -> Timestamp,
}

/// Why a round did not come to its end. What it has delivered may be delivered again.
#[derive(Debug, thiserror::Error)]
pub enum DelivererError {
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What a round has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Round {
    pub delivered: u64,
    /// To be sent again later.
    pub put_off: u64,
    /// Given up.
    pub dead: u64,
}

impl Round {
    /// Whether there was anything to do.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Delivers notices; one for all threads of a process.
pub struct Deliverer {
    setup: Setup,
    /// The project's name, which events come from.
    project: RwLock<String>,
    http: Http,
}

impl Deliverer {
    /// A deliverer; it does nothing by itself.
    pub fn new(setup: Setup) -> Self {
        Self {
            project: RwLock::new(folder_name(&setup.root)),
            setup,
            http: Http::new(),
        }
    }

    /// What the project is called from now on; its folder's name unless set.
    pub fn set_project(&self, name: &str) {
        name.clone_into(&mut self.project.write().unwrap_or_else(PoisonError::into_inner));
    }

    fn project(&self) -> String {
        self.project
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Takes what waits for one channel and delivers it. Threads with different `turn`s begin with different
    /// channels. Nothing more is begun once `goes_on` says no.
    ///
    /// # Errors
    /// If the store fails.
    pub fn round(
        &self,
        store: &mut Store,
        turn: usize,
        goes_on: &dyn Fn() -> bool,
    ) -> Result<Round, DelivererError> {
        let claimed = Instant::now();
        let now = (self.setup.clock)();
        let batch = store.claim_notices(&self.setup.owner, now, LEASE, turn, &batch_size)?;
        let last = claimed + BEGIN_WITHIN;
        let goes_on = || Instant::now() < last && goes_on();
        let mut round = Round::default();
        if let Some(batch) = &batch {
            let settled = self.deliver(batch, &goes_on);
            self.settle(store, &settled)?;
            for (notice, settlement) in &settled {
                round.count(batch, notice, settlement);
            }
        }
        Ok(round)
    }

    /// Rounds until nothing is left that could be delivered now, or time is up.
    ///
    /// # Errors
    /// If the store fails.
    pub fn rounds(&self, store: &mut Store, deadline: Instant) -> Result<Round, DelivererError> {
        let mut all = Round::default();
        let mut turn = 0;
        let goes_on = || Instant::now() < deadline;
        while goes_on() {
            let round = self.round(store, turn, &goes_on)?;
            if round.is_empty() {
                break;
            }
            all.delivered += round.delivered;
            all.put_off += round.put_off;
            all.dead += round.dead;
            turn += 1;
        }
        Ok(all)
    }

    fn deliver<'b>(
        &self,
        batch: &'b ClaimedBatch,
        goes_on: &dyn Fn() -> bool,
    ) -> Vec<(&'b ClaimedNotice, Settlement)> {
        if let Some(Channel::File { path }) = &batch.channel {
            return self.write_file(batch, path);
        }
        let mut settled = Vec::with_capacity(batch.notices.len());
        let mut stuck: BTreeSet<&str> = BTreeSet::new();
        for notice in &batch.notices {
            if stuck.contains(notice.subject.as_str()) || !goes_on() {
                stuck.insert(&notice.subject);
                settled.push((notice, Settlement::Untouched));
                continue;
            }
            let next = self.next(self.send(batch, notice), notice);
            if matches!(next, Next::Again { .. }) {
                stuck.insert(&notice.subject);
            }
            settled.push((notice, Settlement::Tried(next)));
        }
        settled
    }

    fn write_file<'b>(&self, batch: &'b ClaimedBatch, path: &str) -> Vec<(&'b ClaimedNotice, Settlement)> {
        let project = self.project();
        let lines: Vec<Vec<u8>> = batch
            .notices
            .iter()
            .map(|notice| {
                let line = crate::event::structured(&notice.happening, &project).to_string();
                self.masked(line.into_bytes())
            })
            .collect();
        let answer = file::append(&self.setup.root, path, &lines);
        let settlement = |notice| Settlement::Tried(self.next(answer.clone(), notice));
        batch
            .notices
            .iter()
            .map(|notice| (notice, settlement(notice)))
            .collect()
    }

    fn send(&self, batch: &ClaimedBatch, notice: &ClaimedNotice) -> Answer {
        let Some(channel) = &batch.channel else {
            return Answer::Refused {
                why: format!("nobody declares the channel `{}` any more", batch.to),
            };
        };
        let secret = match channel.secret().map(|name| self.secret(name)).transpose() {
            Ok(secret) => secret,
            Err(later) => return later,
        };
        let secret = secret.as_deref();
        let now = (self.setup.clock)();
        let happening = &notice.happening;
        let masked = |text| self.masked(text);
        match channel {
            Channel::Webhook {
                url,
                mode,
                allow_private,
                ..
            } => Webhook {
                url,
                secret,
                mode: *mode,
                allow_private: *allow_private,
            }
            .send(&self.http, happening, &self.project(), now, &masked),
            Channel::Slack {
                channel,
                url,
                allow_private,
                ..
            } => Slack {
                channel: channel.as_deref(),
                secret,
                url: url.as_deref(),
                allow_private: *allow_private,
            }
            .send(&self.http, happening, now, &masked),
            Channel::Email { to, smtp, .. } => match smtp {
                Some(smtp) => Mail {
                    to,
                    smtp,
                    password: secret,
                }
                .send(happening, &masked),
                None => Answer::Refused {
                    why: "no server takes its mails: declare `notifications: {smtp: …}` in trainyard.yaml"
                        .to_owned(),
                },
            },
            Channel::File { path } => file::append(&self.setup.root, path, &[]),
        }
    }

    fn secret(&self, name: &str) -> Result<String, Answer> {
        self.setup.secrets.get(name).ok_or_else(|| Answer::Later {
            after: None,
            why: format!("the secret `{name}` is not set"),
        })
    }

    fn masked(&self, text: Vec<u8>) -> Vec<u8> {
        self.setup.secrets.masked(&text).unwrap_or(text)
    }

    fn next(&self, answer: Answer, notice: &ClaimedNotice) -> Next {
        after_failure(answer, notice.tries, (self.setup.clock)(), luck(notice))
    }

    fn settle(
        &self,
        store: &mut Store,
        settled: &[(&ClaimedNotice, Settlement)],
    ) -> Result<(), DelivererError> {
        let mut tries = 0;
        loop {
            tries += 1;
            match store.settle_notices(settled, (self.setup.clock)()) {
                Ok(()) => return Ok(()),
                Err(StoreError::Busy { .. } | StoreError::Unreachable { .. }) if tries < SETTLE_TRIES => {
                    std::thread::sleep(SETTLE_PAUSE);
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
}

fn folder_name(root: &Path) -> String {
    root.file_name().map_or_else(
        || "project".to_owned(),
        |name| name.to_string_lossy().into_owned(),
    )
}

/// So many notices of a channel are taken at once. What is sent one by one is to be settled soon, so that
/// a crash repeats little.
fn batch_size(channel: &Channel) -> u32 {
    match channel {
        Channel::File { .. } => 500,
        Channel::Webhook { .. } => 16,
        Channel::Slack { .. } | Channel::Email { .. } => 4,
    }
}

/// A number that looks random and differs from notice to notice and try to try.
fn luck(notice: &ClaimedNotice) -> u64 {
    let digest = Sha256::digest(format!("{} {}", notice.number, notice.tries).as_bytes());
    digest
        .iter()
        .take(8)
        .fold(0, |number, byte| (number << 8) | u64::from(*byte))
}

impl Round {
    fn count(&mut self, batch: &ClaimedBatch, notice: &ClaimedNotice, settlement: &Settlement) {
        let Settlement::Tried(next) = settlement else {
            return;
        };
        let (word, why) = match next {
            Next::Delivered => {
                self.delivered += 1;
                ("delivered", None)
            }
            Next::Again { why, .. } => {
                self.put_off += 1;
                ("put_off", Some(why))
            }
            Next::Dead { why } => {
                self.dead += 1;
                ("dead", Some(why))
            }
        };
        let kind = batch.channel.as_ref().map_or("none", Channel::kind);
        counter!("trainyard_notices_total", "channel" => batch.to.to_string(), "type" => kind, "outcome" => word)
            .increment(1);
        if let Some(why) = why {
            tracing::warn!(
                notice = notice.number, channel = %batch.to, event = %notice.happening.kind, outcome = word,
                tries = notice.tries, why = %why, "notice_not_delivered"
            );
        }
    }
}

/// Says what the metrics mean.
pub fn describe() {
    describe_counter!(
        "trainyard_notices_total",
        "Tries to deliver notices, by channel and what came of them: delivered, put_off, dead."
    );
    describe_gauge!(
        "trainyard_notices_waiting",
        "Notices that wait to be delivered, by channel."
    );
    describe_gauge!(
        "trainyard_notices_dead",
        "Notices that were given up, by channel."
    );
    describe_gauge!(
        "trainyard_notices_oldest_seconds",
        "Age of the oldest notice that waits, by channel."
    );
}
