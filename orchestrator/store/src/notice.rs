//! The outbox: what is to be told stands here from the transaction that caused it until it was
//! delivered. Whoever delivers takes rows by a lease and says what became of them.

use crate::database::{Result as Read, Row, params};
use crate::document;
use crate::error::StoreError;
use crate::lease::Owner;
use crate::queries;
use crate::store::Store;
use crate::subscription::{address, scope};
use crate::turn::Turn;
use std::collections::BTreeSet;
use trainyard_contract::{Millis, Timestamp};
use trainyard_domain::notice::{self, Address, Folded, Happening, Next, Portion, portion};
use trainyard_domain::pipeline::spec::Channel;

const TELLING: &str = "keep what is to be told";
const TAKING: &str = "take notices to deliver";

/// A row is kept so long after it was delivered, or given up.
const DELIVERED_KEPT: Millis = Millis(7 * 86_400_000);
const DEAD_KEPT: Millis = Millis(30 * 86_400_000);
/// No more rows than about so many are kept beyond those that wait.
const KEPT: i64 = 200_000;
/// So many notices of one channel are out at once, in batches of this size.
const BATCHES: u32 = 4;

/// Where a notice stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoticeState {
    Waiting,
    Delivered,
    /// Told of in another one, because there were too many.
    Folded,
    /// Given up; it can be sent again.
    Dead,
}

impl NoticeState {
    /// One word, as documents carry it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Delivered => "delivered",
            Self::Folded => "folded",
            Self::Dead => "dead",
        }
    }

    fn of(word: &str) -> Self {
        match word {
            "waiting" => Self::Waiting,
            "delivered" => Self::Delivered,
            "folded" => Self::Folded,
            _ => Self::Dead,
        }
    }
}

/// A notice as a line of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    pub number: u64,
    pub to: Address,
    pub happening: Happening,
    pub state: NoticeState,
    pub made_at: Timestamp,
    /// Before that it is not sent again.
    pub due_at: Timestamp,
    pub tries: u32,
    /// When it was delivered, folded or given up.
    pub settled_at: Option<Timestamp>,
    /// Why it could not be delivered the last time, or which notice tells of it.
    pub error: Option<String>,
}

/// Which notices to list.
#[derive(Clone, Debug, Default)]
pub struct NoticeFilter {
    pub channel: Option<String>,
    pub state: Option<NoticeState>,
    pub kind: Option<String>,
    pub subject: Option<String>,
    /// Only those before this one: the last of the page before.
    pub before: Option<u64>,
    pub limit: u32,
}

/// A notice that is this owner's to deliver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimedNotice {
    pub number: u64,
    pub subject: String,
    pub happening: Happening,
    /// Which try this is, from 1.
    pub tries: u32,
    claim: i64,
}

/// Notices of one channel, to be delivered in their order. If one cannot be, those behind it of the same
/// subject are not to be.
#[derive(Clone, Debug, PartialEq)]
pub struct ClaimedBatch {
    pub to: Address,
    /// None: nobody declares it any more.
    pub channel: Option<Channel>,
    pub notices: Vec<ClaimedNotice>,
    /// After that another may deliver them.
    pub leased_until: Timestamp,
}

/// What became of a claimed notice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settlement {
    Tried(Next),
    /// It was not tried: it is as it was.
    Untouched,
}

/// How much waits for a channel, or was given up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoticeCount {
    pub to: Address,
    pub state: NoticeState,
    pub count: u64,
    /// When the oldest of them was made.
    pub oldest: Timestamp,
}

impl Turn<'_> {
    /// Keeps what is to be told of the turn's events: nothing is told of a turn that is not kept.
    ///
    /// # Errors
    /// `Corrupt`, `Full`, `Disk`.
    pub fn tell(&mut self, happenings: &[Happening]) -> Result<(), StoreError> {
        if happenings.is_empty() {
            return Ok(());
        }
        self.guard(|turn| turn.store.put_notices(happenings))
    }
}

impl Store {
    /// Keeps what is to be told of something that happened outside of any run. Told again under the same
    /// id, it is told once.
    ///
    /// # Errors
    /// `Corrupt`, `Full`, `ReadOnly`, `Busy`, `Disk`.
    pub fn tell(&mut self, happenings: &[Happening]) -> Result<(), StoreError> {
        self.transact(TELLING, |store| store.put_notices(happenings))
    }

    /// The same as a part of a transaction.
    pub(crate) fn put_notices(&self, happenings: &[Happening]) -> Result<(), StoreError> {
        if happenings.is_empty() {
            return Ok(());
        }
        let subscriptions = self.subscriptions()?;
        for happening in happenings {
            let mut to: BTreeSet<Address> = happening.to.iter().cloned().collect();
            for known in &subscriptions {
                if known.subscription.wants(happening) {
                    let channels = known.subscription.to.iter();
                    to.extend(channels.map(|channel| Address::of_project(channel.name())));
                }
            }
            if to.is_empty() {
                continue;
            }
            let body = Happening {
                to: Vec::new(),
                ..happening.clone()
            };
            let body = document::write(TELLING, &body)?;
            for address in &to {
                self.put_notice(address, happening, &body)?;
            }
        }
        Ok(())
    }

    fn put_notice(&self, to: &Address, happening: &Happening, body: &str) -> Result<(), StoreError> {
        let values = params![
            happening.id,
            happening.kind.as_str(),
            happening.subject,
            scope(to),
            to.channel,
            body,
            happening.at.0,
        ];
        self.send(TELLING, queries::NOTICE_PUT, values)
    }

    /// Takes up to `most` notices of each channel that has any to deliver, for as long as `lease`: those at the
    /// head of their lane and what follows them there. Of what is too much for people, all but the
    /// channel's share is told in one notice instead. Gives one batch; with another `turn` it begins to look at
    /// another channel. `now` counts on SQLite, as for leases.
    ///
    /// # Errors
    /// `Corrupt`, `Full`, `ReadOnly`, `Busy`, `Disk`.
    pub fn claim_notices(
        &mut self,
        owner: &Owner,
        now: Timestamp,
        lease: Millis,
        turn: usize,
        most: &dyn Fn(&Channel) -> u32,
    ) -> Result<Option<ClaimedBatch>, StoreError> {
        let now = self.lease_time(now)?;
        let until = now.plus(lease);
        if self
            .all(TAKING, queries::NOTICE_LANES, [now.0], |_| Ok(()))?
            .is_empty()
            && self
                .all(TAKING, queries::NOTICE_OWNERS, [now.0], |_| Ok(()))?
                .is_empty()
        {
            return Ok(None);
        }
        let own = document::write(TAKING, owner)?;
        self.transact(TAKING, |store| {
            store.free_what_the_dead_hold(now)?;
            let mut lanes = store.all(TAKING, queries::NOTICE_LANES, [now.0], |row| {
                let channel = row.get(0)?;
                Ok((address(&row.get::<_, String>(1)?, channel), row.get::<_, u32>(2)?))
            })?;
            let first = turn.checked_rem(lanes.len()).unwrap_or(0);
            lanes.rotate_left(first);
            for (to, waiting) in lanes {
                let channel = store.channel(&to)?.map(|(channel, _)| channel);
                let most = channel.as_ref().map_or(1_000, most);
                let share = store.share(&to, channel.as_ref(), waiting, now)?;
                let out = store.count(queries::NOTICE_LEASED, &to, now)?;
                let room = most.saturating_mul(BATCHES).saturating_sub(out);
                let size = share.min(most).min(room);
                if size == 0 {
                    continue;
                }
                let notices = store.take_batch(&to, size, &own, until, now)?;
                if !notices.is_empty() {
                    return Ok(Some(ClaimedBatch {
                        to,
                        channel,
                        notices,
                        leased_until: until,
                    }));
                }
            }
            Ok(None)
        })
    }

    /// What an owner on this machine held that has died is anybody's.
    fn free_what_the_dead_hold(&self, now: Timestamp) -> Result<(), StoreError> {
        let owners = self.all(TAKING, queries::NOTICE_OWNERS, [now.0], |row| {
            row.get::<_, String>(0)
        })?;
        for text in owners {
            let owner: Owner = document::read(TAKING, &text)?;
            if owner.is_gone() {
                self.execute(TAKING, queries::NOTICE_FREE, [&text])?;
            }
        }
        Ok(())
    }

    /// How many may be sent now; folds what is too much.
    fn share(
        &self,
        to: &Address,
        channel: Option<&Channel>,
        waiting: u32,
        now: Timestamp,
    ) -> Result<u32, StoreError> {
        let Some(limit) = channel.and_then(Channel::limit) else {
            return Ok(waiting);
        };
        let since = Timestamp(now.0.saturating_sub(limit.within.0 as i64 * 1_000));
        let sent = self.count(queries::NOTICE_SENT_SINCE, to, since)?;
        // What is out now may arrive as well.
        let sent = sent.saturating_add(self.count(queries::NOTICE_LEASED, to, now)?);
        match portion(Some(limit), sent, waiting) {
            Portion::Send(count) => Ok(count),
            Portion::SendAndFold(count) => {
                self.fold(to, count, now)?;
                Ok(count + 1)
            }
        }
    }

    fn count(&self, query: &'static str, to: &Address, at: Timestamp) -> Result<u32, StoreError> {
        let values = params![to.channel, scope(to), at.0];
        let count = self.first(TAKING, query, values, |row| row.get::<_, u32>(0))?;
        Ok(count.unwrap_or(0))
    }

    /// Tells of all that wait, but for the first so many, in one notice.
    fn fold(&self, to: &Address, first: u32, now: Timestamp) -> Result<(), StoreError> {
        let values = params![to.channel, scope(to), now.0, first];
        let rows = self.all(TAKING, queries::NOTICE_TO_FOLD, values, |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?))
        })?;
        let Some(id) = rows.first().map(|(number, _)| number.to_string()) else {
            return Ok(());
        };
        let mut folded = Folded::default();
        let told_in = format!("told in `folded.{}.{id}`", to.channel);
        for (number, body) in rows {
            let values = params![number, now.0, told_in, now.0];
            if self.execute(TAKING, queries::NOTICE_FOLD, values)? > 0 {
                folded.add(&document::read(TAKING, &body)?);
            }
        }
        let happening = notice::folded(&to.channel, &id, &folded, now);
        let body = document::write(TAKING, &happening)?;
        self.put_notice(to, &happening, &body)
    }

    fn take_batch(
        &self,
        to: &Address,
        size: u32,
        own: &str,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<Vec<ClaimedNotice>, StoreError> {
        let values = params![to.channel, scope(to), now.0, size];
        let ready = self.all(TAKING, queries::NOTICE_READY, values, |row| {
            Ok((
                row.get::<_, i64>(0)?,
                row.get::<_, String>(1)?,
                row.get::<_, String>(2)?,
                row.get::<_, u32>(3)?,
                row.get::<_, i64>(4)?,
            ))
        })?;
        let mut blocked: BTreeSet<String> = BTreeSet::new();
        let mut taken = Vec::with_capacity(ready.len());
        for (number, subject, body, tries, claim) in ready {
            if blocked.contains(&subject) {
                continue;
            }
            let values = params![number, claim, own, until.0, now.0];
            if self.execute(TAKING, queries::NOTICE_TAKE, values)? == 0 {
                // Another was faster, and has what is ahead of the rest of its lane.
                blocked.insert(subject);
                continue;
            }
            taken.push(ClaimedNotice {
                number: number.unsigned_abs(),
                subject,
                happening: document::read(TAKING, &body)?,
                tries: tries + 1,
                claim: claim + 1,
            });
        }
        Ok(taken)
    }

    /// Says what became of claimed notices. Of a row that another has taken over since, only a delivery counts.
    ///
    /// # Errors
    /// `Full`, `ReadOnly`, `Busy`, `Disk`.
    pub fn settle_notices(
        &mut self,
        settled: &[(&ClaimedNotice, Settlement)],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let doing = "keep what became of notices";
        // Times to wait are spans from now, by the clock that leases end by.
        let clock = self.lease_time(now)?;
        self.transact(doing, |store| {
            for (notice, settlement) in settled {
                let number = i64::try_from(notice.number).unwrap_or(-1);
                let claim = notice.claim;
                match settlement {
                    Settlement::Tried(Next::Delivered) => {
                        store.execute(doing, queries::NOTICE_DELIVERED, params![number, clock.0])?
                    }
                    Settlement::Tried(Next::Again { at, why }) => {
                        let due = clock.plus(at.since(now));
                        store.execute(doing, queries::NOTICE_AGAIN, params![number, claim, due.0, why])?
                    }
                    Settlement::Tried(Next::Dead { why }) => {
                        store.execute(doing, queries::NOTICE_DEAD, params![number, claim, clock.0, why])?
                    }
                    Settlement::Untouched => {
                        store.execute(doing, queries::NOTICE_UNTOUCHED, params![number, claim])?
                    }
                };
            }
            Ok(())
        })
    }

    /// When there may be something to deliver next; none if nothing waits.
    ///
    /// # Errors
    /// `Disk`.
    pub fn next_notice_due(&self) -> Result<Option<Timestamp>, StoreError> {
        let due = self.first("look for notices", queries::NOTICE_NEXT_DUE, [], |row| {
            row.get::<_, Option<i64>>(0)
        })?;
        Ok(due.flatten().map(Timestamp))
    }

    /// Notices, newest first.
    ///
    /// # Errors
    /// `Corrupt`, `Disk`.
    pub fn notices(&self, filter: &NoticeFilter) -> Result<Vec<Notice>, StoreError> {
        let doing = "list notices";
        let below = filter
            .before
            .map_or(i64::MAX, |number| i64::try_from(number).unwrap_or(i64::MAX));
        let values = params![
            below,
            filter.limit,
            filter.channel,
            filter.state.map(NoticeState::as_str),
            filter.kind,
            filter.subject,
        ];
        let rows = self.all(doing, queries::NOTICE_LIST, values, NoticeRow::read)?;
        rows.into_iter().map(NoticeRow::into_notice).collect()
    }

    /// One notice, by its number.
    ///
    /// # Errors
    /// `Corrupt`, `Disk`.
    pub fn notice(&self, number: u64) -> Result<Option<Notice>, StoreError> {
        let number = i64::try_from(number).unwrap_or(-1);
        let row = self.first("read a notice", queries::NOTICE_GET, [number], NoticeRow::read)?;
        row.map(NoticeRow::into_notice).transpose()
    }

    /// Has a notice sent again, whatever has become of it; false if it waits anyway, or is not there.
    ///
    /// # Errors
    /// `Full`, `ReadOnly`, `Busy`, `Disk`.
    pub fn resend_notice(&mut self, number: u64) -> Result<bool, StoreError> {
        let doing = "send a notice again";
        let number = i64::try_from(number).unwrap_or(-1);
        self.transact(doing, |store| {
            Ok(store.execute(doing, queries::NOTICE_RESEND, [number])? > 0)
        })
    }

    /// Has all dead letters sent again, or those of a channel; says how many there were.
    ///
    /// # Errors
    /// `Full`, `ReadOnly`, `Busy`, `Disk`.
    pub fn resend_dead_notices(&mut self, channel: Option<&str>) -> Result<usize, StoreError> {
        let doing = "send dead letters again";
        self.transact(doing, |store| {
            store.execute(doing, queries::NOTICE_RESEND_DEAD, [channel])
        })
    }

    /// How much waits and how much was given up, by channel.
    ///
    /// # Errors
    /// `Disk`.
    pub fn notice_counts(&self) -> Result<Vec<NoticeCount>, StoreError> {
        self.all("count notices", queries::NOTICE_COUNTS, [], |row| {
            let channel = row.get(0)?;
            Ok(NoticeCount {
                to: address(&row.get::<_, String>(1)?, channel),
                state: NoticeState::of(&row.get::<_, String>(2)?),
                count: row.get::<_, i64>(3)?.unsigned_abs(),
                oldest: Timestamp(row.get(4)?),
            })
        })
    }

    /// Removes notices that were delivered a week ago, dead letters of a month, and the oldest of too many.
    /// What waits stays.
    ///
    /// # Errors
    /// `Full`, `ReadOnly`, `Busy`, `Disk`.
    pub fn trim_notices(&mut self, now: Timestamp) -> Result<usize, StoreError> {
        let doing = "remove old notices";
        let before = |span: Millis| now.0.saturating_sub(span.0 as i64 * 1_000);
        self.transact(doing, |store| {
            let values = params![before(DELIVERED_KEPT), before(DEAD_KEPT), KEPT];
            store.execute(doing, queries::NOTICE_TRIM, values)
        })
    }
}

struct NoticeRow {
    number: i64,
    to: Address,
    body: String,
    state: String,
    made_us: i64,
    due_us: i64,
    tries: u32,
    settled_us: Option<i64>,
    error: Option<String>,
}

impl NoticeRow {
    fn read(row: &Row<'_>) -> Read<Self> {
        Ok(Self {
            number: row.get(0)?,
            to: address(&row.get::<_, String>(4)?, row.get(5)?),
            body: row.get(6)?,
            state: row.get(7)?,
            made_us: row.get(8)?,
            due_us: row.get(9)?,
            tries: row.get(10)?,
            settled_us: row.get(11)?,
            error: row.get(12)?,
        })
    }

    fn into_notice(self) -> Result<Notice, StoreError> {
        Ok(Notice {
            number: self.number.unsigned_abs(),
            to: self.to,
            happening: document::read("read a notice", &self.body)?,
            state: NoticeState::of(&self.state),
            made_at: Timestamp(self.made_us),
            due_at: Timestamp(self.due_us),
            tries: self.tries,
            settled_at: self.settled_us.map(Timestamp),
            error: self.error,
        })
    }
}
