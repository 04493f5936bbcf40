//! Channels and subscriptions: what files declare, and what is made over the API. A file's word beats
//! the API's on the same name, and is not changed there.

use crate::database::params;
use crate::document;
use crate::error::StoreError;
use crate::queries;
use crate::store::Store;
use std::collections::{BTreeMap, BTreeSet};
use trainyard_contract::Timestamp;
use trainyard_domain::notice::{Address, Declared, Subscription};
use trainyard_domain::pipeline::spec::Channel;

/// Who declares something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeclaredBy {
    /// `trainyard.yaml`, or a pipeline's file.
    File,
    Api,
}

impl DeclaredBy {
    /// `file` or `api`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Api => "api",
        }
    }

    fn of(word: &str) -> Self {
        match word {
            "api" => Self::Api,
            _ => Self::File,
        }
    }
}

/// A channel as it is known.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredChannel {
    pub address: Address,
    pub channel: Channel,
    pub declared_by: DeclaredBy,
    pub changed_at: Timestamp,
    pub changed_by: String,
}

/// A subscription as it is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredSubscription {
    pub name: String,
    pub subscription: Subscription,
    pub declared_by: DeclaredBy,
    pub changed_at: Timestamp,
    pub changed_by: String,
}

/// What came of a change over the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Changed {
    Done,
    /// There is none of that name.
    Unknown,
    /// A file declares it.
    OfFile,
}

/// How a column says that a channel is the project's.
pub(crate) fn scope(address: &Address) -> &str {
    address.pipeline.as_deref().unwrap_or("")
}

/// The address that columns hold.
pub(crate) fn address(pipeline: &str, channel: String) -> Address {
    Address {
        pipeline: (!pipeline.is_empty()).then(|| pipeline.to_owned()),
        channel,
    }
}

const DECLARING: &str = "declare channels and subscriptions";

impl Store {
    /// Makes channels and subscriptions what the project's files say now: what they do not have any
    /// more is gone, unless it was made over the API. `all` says that every pipeline's channels are among them;
    /// else those of pipelines that are not there stay.
    ///
    /// # Errors
    /// `Full`, `ReadOnly`, `Busy`, `Disk`.
    pub fn declare_notices(
        &mut self,
        declared: &Declared,
        all: bool,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let before = (self.channels()?, self.subscriptions()?);
        let files = |by: DeclaredBy| by == DeclaredBy::File;
        let is_known = before
            .0
            .iter()
            .filter(|known| files(known.declared_by) && (all || known.address.pipeline.is_none()))
            .all(|known| declared.channels.get(&known.address) == Some(&known.channel))
            && declared.channels.keys().all(|address| {
                before
                    .0
                    .iter()
                    .any(|known| files(known.declared_by) && known.address == *address)
            })
            && before.1.iter().filter(|known| files(known.declared_by)).count()
                == declared.subscriptions.len()
            && before
                .1
                .iter()
                .filter(|known| files(known.declared_by))
                .all(|known| declared.subscriptions.get(&known.name) == Some(&known.subscription));
        if is_known {
            return Ok(());
        }
        self.transact(DECLARING, |store| {
            for known in store.channels()? {
                let goes = files(known.declared_by)
                    && (all || known.address.pipeline.is_none())
                    && !declared.channels.contains_key(&known.address);
                if goes {
                    let values = params![scope(&known.address), known.address.channel, "file"];
                    store.execute(DECLARING, queries::CHANNEL_DROP, values)?;
                }
            }
            for (address, channel) in &declared.channels {
                store.put_channel_row(address, channel, DeclaredBy::File, "file", at)?;
            }
            let gone: BTreeSet<String> = store
                .subscriptions()?
                .into_iter()
                .filter(|known| files(known.declared_by) && !declared.subscriptions.contains_key(&known.name))
                .map(|known| known.name)
                .collect();
            for name in &gone {
                store.execute(DECLARING, queries::SUBSCRIPTION_DROP, params![name, "file"])?;
            }
            for (name, subscription) in &declared.subscriptions {
                store.put_subscription_row(name, subscription, DeclaredBy::File, "file", at)?;
            }
            Ok(())
        })
    }

    /// The channels that a pipeline has for itself, as a part of the transaction that keeps a run of it. Those
    /// of an `old` revision do not change what is known.
    pub(crate) fn put_channels(
        &self,
        pipeline: &str,
        channels: &BTreeMap<String, Channel>,
        old: bool,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        for (name, channel) in channels {
            let address = Address {
                pipeline: Some(pipeline.to_owned()),
                channel: name.clone(),
            };
            if old && self.channel(&address)?.is_some() {
                continue;
            }
            self.put_channel_row(&address, channel, DeclaredBy::File, "file", at)?;
        }
        Ok(())
    }

    fn put_channel_row(
        &self,
        address: &Address,
        channel: &Channel,
        declared_by: DeclaredBy,
        by: &str,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let body = document::write(DECLARING, channel)?;
        let known = self.first(
            DECLARING,
            queries::CHANNEL_GET,
            params![scope(address), address.channel],
            |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)),
        )?;
        if known.is_none_or(|known| known != (body.clone(), declared_by.as_str().to_owned())) {
            let values = params![
                scope(address),
                address.channel,
                declared_by.as_str(),
                body,
                at.0,
                by
            ];
            self.execute(DECLARING, queries::CHANNEL_PUT, values)?;
        }
        Ok(())
    }

    fn put_subscription_row(
        &self,
        name: &str,
        subscription: &Subscription,
        declared_by: DeclaredBy,
        by: &str,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let body = document::write(DECLARING, subscription)?;
        let values = params![name, declared_by.as_str(), body, at.0, by];
        self.execute(DECLARING, queries::SUBSCRIPTION_PUT, values)
            .map(|_| ())
    }

    /// Makes or changes a channel of the project over the API.
    ///
    /// # Errors
    /// `Full`, `ReadOnly`, `Busy`, `Disk`.
    pub fn put_channel(
        &mut self,
        name: &str,
        channel: &Channel,
        by: &str,
        at: Timestamp,
    ) -> Result<Changed, StoreError> {
        let address = Address::of_project(name);
        self.transact(DECLARING, |store| {
            match store.channels()?.iter().find(|known| known.address == address) {
                Some(known) if known.declared_by == DeclaredBy::File => Ok(Changed::OfFile),
                _ => {
                    store.put_channel_row(&address, channel, DeclaredBy::Api, by, at)?;
                    Ok(Changed::Done)
                }
            }
        })
    }

    /// Removes a channel that was made over the API. What waits for it becomes a dead letter when it is
    /// its turn.
    ///
    /// # Errors
    /// `Full`, `ReadOnly`, `Busy`, `Disk`.
    pub fn remove_channel(&mut self, name: &str) -> Result<Changed, StoreError> {
        self.transact(DECLARING, |store| {
            let known = store.channel(&Address::of_project(name))?;
            match known.map(|(_, by)| by) {
                None => Ok(Changed::Unknown),
                Some(DeclaredBy::File) => Ok(Changed::OfFile),
                Some(DeclaredBy::Api) => {
                    store.execute(DECLARING, queries::CHANNEL_DROP, params!["", name, "api"])?;
                    Ok(Changed::Done)
                }
            }
        })
    }

    /// Makes or changes a subscription over the API.
    ///
    /// # Errors
    /// `Full`, `ReadOnly`, `Busy`, `Disk`.
    pub fn put_subscription(
        &mut self,
        name: &str,
        subscription: &Subscription,
        by: &str,
        at: Timestamp,
    ) -> Result<Changed, StoreError> {
        self.transact(DECLARING, |store| {
            match store.subscriptions()?.iter().find(|known| known.name == name) {
                Some(known) if known.declared_by == DeclaredBy::File => Ok(Changed::OfFile),
                _ => {
                    store.put_subscription_row(name, subscription, DeclaredBy::Api, by, at)?;
                    Ok(Changed::Done)
                }
            }
        })
    }

    /// Removes a subscription that was made over the API.
    ///
    /// # Errors
    /// `Full`, `ReadOnly`, `Busy`, `Disk`.
    pub fn remove_subscription(&mut self, name: &str) -> Result<Changed, StoreError> {
        self.transact(DECLARING, |store| {
            match store.subscriptions()?.iter().find(|known| known.name == name) {
                None => Ok(Changed::Unknown),
                Some(known) if known.declared_by == DeclaredBy::File => Ok(Changed::OfFile),
                Some(_) => {
                    store.execute(DECLARING, queries::SUBSCRIPTION_DROP, params![name, "api"])?;
                    Ok(Changed::Done)
                }
            }
        })
    }

    /// A channel and who declares it.
    ///
    /// # Errors
    /// `Corrupt`, `Disk`.
    pub fn channel(&self, address: &Address) -> Result<Option<(Channel, DeclaredBy)>, StoreError> {
        let doing = "read a channel";
        let found = self.first(
            doing,
            queries::CHANNEL_GET,
            params![scope(address), address.channel],
            |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)),
        )?;
        found
            .map(|(body, origin)| Ok((document::read(doing, &body)?, DeclaredBy::of(&origin))))
            .transpose()
    }

    /// All channels, those of the project first.
    ///
    /// # Errors
    /// `Corrupt`, `Disk`.
    pub fn channels(&self) -> Result<Vec<StoredChannel>, StoreError> {
        let doing = "list channels";
        let rows = self.all(doing, queries::CHANNEL_LIST, [], |row| {
            Ok((
                address(&row.get::<_, String>(0)?, row.get(1)?),
                row.get::<_, String>(2)?,
                row.get::<_, String>(3)?,
                Timestamp(row.get(4)?),
                row.get::<_, String>(5)?,
            ))
        })?;
        rows.into_iter()
            .map(|(address, origin, body, changed_at, changed_by)| {
                Ok(StoredChannel {
                    address,
                    channel: document::read(doing, &body)?,
                    declared_by: DeclaredBy::of(&origin),
                    changed_at,
                    changed_by,
                })
            })
            .collect()
    }

    /// All subscriptions by name.
    ///
    /// # Errors
    /// `Corrupt`, `Disk`.
    pub fn subscriptions(&self) -> Result<Vec<StoredSubscription>, StoreError> {
        let doing = "list subscriptions";
        let rows = self.all(doing, queries::SUBSCRIPTION_LIST, [], |row| {
            Ok((
                row.get::<_, String>(0)?,
                row.get::<_, String>(1)?,
                row.get::<_, String>(2)?,
                Timestamp(row.get(3)?),
                row.get::<_, String>(4)?,
            ))
        })?;
        rows.into_iter()
            .map(|(name, origin, body, changed_at, changed_by)| {
                Ok(StoredSubscription {
                    name,
                    subscription: document::read(doing, &body)?,
                    declared_by: DeclaredBy::of(&origin),
                    changed_at,
                    changed_by,
                })
            })
            .collect()
    }
}
