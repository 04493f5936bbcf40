//! Tracked runs with their parameters and tags.

use super::dataset::DatasetInput;
use super::logged_model::RunModel;
use super::metric::MetricPoint;
use super::{Pair, Tracking, TrackingError, chunks};
use crate::database::{Result as Read, Row, params};
use crate::error::{StoreError, database, unreadable};
use crate::queries;
use std::collections::HashMap;
use trainyard_contract::Timestamp;
use trainyard_domain::tracking::{Refusal, RunState};

pub(super) const READING: &str = "read a tracked run";
pub(super) const WRITING: &str = "write a tracked run";
/// The tag that a run's name is seen in.
pub(super) const RUN_NAME: &str = "mlflow.runName";

/// What a run is, apart from what was logged to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrackedRun {
    pub(super) number: i64,
    pub id: String,
    pub experiment: i64,
    pub name: String,
    pub user: String,
    pub status: RunState,
    /// Milliseconds since 1970.
    pub started_at: i64,
    pub ended_at: Option<i64>,
    /// Where its artifacts are.
    pub location: String,
    pub is_deleted: bool,
}

/// What was logged to a run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RunData {
    /// The latest point of each metric, by name.
    pub metrics: Vec<(String, MetricPoint)>,
    pub params: Vec<Pair>,
    pub tags: Vec<Pair>,
    pub datasets: Vec<DatasetInput>,
    pub models_in: Vec<RunModel>,
    pub models_out: Vec<RunModel>,
}

/// A run that is to be made.
#[derive(Clone, Debug)]
pub struct NewTrackedRun<'a> {
    pub id: &'a str,
    pub experiment: &'a str,
    pub name: &'a str,
    pub user: &'a str,
    /// Milliseconds since 1970; none: now.
    pub started_at: Option<i64>,
    pub tags: &'a [Pair],
}

/// A run as its row has it, before its texts are understood.
pub(super) struct RunRow(TrackedRun, Option<String>);

impl RunRow {
    pub(super) fn read(row: &Row<'_>) -> Read<Self> {
        let status: String = row.get(5)?;
        let known = status.parse();
        Ok(Self(
            TrackedRun {
                number: row.get(0)?,
                id: row.get(1)?,
                experiment: row.get(2)?,
                name: row.get(3)?,
                user: row.get(4)?,
                status: known.clone().unwrap_or(RunState::Running),
                started_at: row.get(6)?,
                ended_at: row.get(7)?,
                location: row.get(8)?,
                is_deleted: row.get(9)?,
            },
            known.err().map(|_| status),
        ))
    }

    pub(super) fn into_run(self) -> Result<TrackedRun, StoreError> {
        match self.1 {
            None => Ok(self.0),
            Some(odd) => Err(unreadable(READING)(format!("a run's status is `{odd}`"))),
        }
    }
}

/// Where a run is, and that it may be written to.
#[derive(Clone, Copy)]
pub(super) struct Place(pub(super) i64);

impl Tracking<'_> {
    /// Makes a run.
    ///
    /// # Errors
    /// If the experiment is not there or deleted, or name and name tag differ.
    pub fn create_run(
        &self,
        new: &NewTrackedRun<'_>,
        at: Timestamp,
    ) -> Result<(TrackedRun, RunData), TrackingError> {
        let experiment = self.experiment(new.experiment)?;
        experiment.check_active()?;
        let tagged = new
            .tags
            .iter()
            .rev()
            .find(|(key, _)| key == RUN_NAME)
            .map(|(_, value)| value.as_str());
        let name = match tagged {
            Some(tagged) if !new.name.is_empty() && tagged != new.name => {
                return Err(Refusal::invalid(format!(
                    "Both 'run_name' argument and 'mlflow.runName' tag are specified, but with different values \
                     (run_name='{}', mlflow.runName='{tagged}').",
                    new.name
                ))
                .into());
            }
            Some(tagged) => tagged.to_owned(),
            None if new.name.is_empty() => random_name(new.id),
            None => new.name.to_owned(),
        };
        let started_at = new
            .started_at
            .filter(|at| *at > 0)
            .unwrap_or_else(|| super::millis(at.0));
        let location = format!(
            "{}/{}/artifacts",
            experiment.location.trim_end_matches('/'),
            new.id
        );
        let run = self.put_run(
            &TrackedRun {
                number: 0,
                id: new.id.to_owned(),
                experiment: experiment.id,
                name,
                user: new.user.to_owned(),
                status: RunState::Running,
                started_at,
                ended_at: None,
                location,
                is_deleted: false,
            },
            None,
        )?;
        let mut tags: Vec<Pair> = new.tags.to_vec();
        if tagged.is_none() {
            tags.push((RUN_NAME.to_owned(), run.name.clone()));
        }
        for (key, value) in &tags {
            self.store.send(
                WRITING,
                queries::TRACKED_RUN_PUT_TAG,
                params![run.number, key, value],
            )?;
        }
        tags.sort();
        let data = RunData {
            tags,
            ..RunData::default()
        };
        Ok((run, data))
    }

    pub(super) fn put_run(
        &self,
        run: &TrackedRun,
        pipeline_run: Option<i64>,
    ) -> Result<TrackedRun, TrackingError> {
        let values = params![
            run.id,
            run.experiment,
            run.name,
            run.user,
            run.status.as_str(),
            run.started_at,
            run.ended_at,
            run.location,
            pipeline_run
        ];
        let number = self
            .store
            .first(WRITING, queries::TRACKED_RUN_PUT, values, |row| row.get(0))?
            .unwrap_or_default();
        Ok(TrackedRun {
            number,
            ..run.clone()
        })
    }

    /// One run.
    ///
    /// # Errors
    /// If there is none of that id.
    pub fn run(&self, id: &str) -> Result<TrackedRun, TrackingError> {
        let row = self
            .store
            .first(READING, queries::TRACKED_RUN_GET, [id], RunRow::read)?;
        match row {
            Some(row) => Ok(row.into_run()?),
            None => Err(missing(id).into()),
        }
    }

    /// Where a run is that may be written to.
    pub(super) fn place(&self, id: &str) -> Result<Place, TrackingError> {
        let found = self
            .store
            .first(READING, queries::TRACKED_RUN_PLACE, [id], |row| {
                Ok((row.get::<_, i64>(0)?, row.get::<_, bool>(1)?))
            })?;
        match found {
            None => Err(missing(id).into()),
            Some((_, true)) => Err(Refusal::invalid(format!(
                "The run {id} must be in the 'active' state. Current state is deleted."
            ))
            .into()),
            Some((number, false)) => Ok(Place(number)),
        }
    }

    /// What was logged to runs, in their order.
    ///
    /// # Errors
    /// Of the database.
    pub fn data_of(&self, runs: &[TrackedRun]) -> Result<Vec<RunData>, TrackingError> {
        let numbers: Vec<i64> = runs.iter().map(|run| run.number).collect();
        let places: HashMap<i64, usize> = numbers.iter().enumerate().map(|(at, n)| (*n, at)).collect();
        let mut all: Vec<RunData> = vec![RunData::default(); runs.len()];
        for chunk in chunks(&numbers) {
            let mut each = |sql: &'static str, take: &mut dyn FnMut(&mut RunData, &Row<'_>) -> Read<()>| {
                self.store.each(READING, sql, chunk, &mut |row| {
                    let number: i64 = row.get(0).map_err(database(READING))?;
                    if let Some(data) = places.get(&number).and_then(|at| all.get_mut(*at)) {
                        take(data, row).map_err(database(READING))?;
                    }
                    Ok(true)
                })
            };
            each(queries::TRACKED_RUN_PARAMS, &mut |data, row| {
                data.params.push((row.get(1)?, row.get(2)?));
                Ok(())
            })?;
            each(queries::TRACKED_RUN_TAGS, &mut |data, row| {
                data.tags.push((row.get(1)?, row.get(2)?));
                Ok(())
            })?;
            each(queries::TRACKED_RUN_LATEST, &mut |data, row| {
                let point = MetricPoint::of(row.get(4)?, row.get(5)?, row.get(2)?, row.get(3)?);
                data.metrics.push((row.get(1)?, point));
                Ok(())
            })?;
            each(queries::TRACKED_RUN_DATASETS, &mut |data, row| {
                data.datasets.push(DatasetInput::read(row)?);
                Ok(())
            })?;
            each(queries::TRACKED_RUN_MODELS, &mut |data, row| {
                let model = RunModel {
                    model: row.get(2)?,
                    step: row.get(3)?,
                };
                if row.get(1)? {
                    data.models_out.push(model);
                } else {
                    data.models_in.push(model);
                }
                Ok(())
            })?;
        }
        Ok(all)
    }

    /// Changes what a run is; what is absent stays.
    ///
    /// # Errors
    /// If it is not there or deleted.
    pub fn update_run(
        &self,
        id: &str,
        status: Option<RunState>,
        ended_at: Option<i64>,
        called: Option<&str>,
    ) -> Result<TrackedRun, TrackingError> {
        let mut run = self.run(id)?;
        self.place(id)?;
        run.status = status.unwrap_or(run.status);
        run.ended_at = ended_at.or(run.ended_at);
        if let Some(called) = called.filter(|called| !called.is_empty()) {
            run.name = called.to_owned();
            self.store.execute(
                WRITING,
                queries::TRACKED_RUN_PUT_TAG,
                params![run.number, RUN_NAME, called],
            )?;
        }
        let values = params![run.number, run.name, run.status.as_str(), run.ended_at];
        self.store.execute(WRITING, queries::TRACKED_RUN_UPDATE, values)?;
        Ok(run)
    }

    /// Deletes a run, or brings it back. Nothing is removed for good.
    ///
    /// # Errors
    /// If it is not there.
    pub fn delete_run(&self, id: &str, is_deleted: bool) -> Result<(), TrackingError> {
        let run = self.run(id)?;
        self.store.execute(
            WRITING,
            queries::TRACKED_RUN_SET_DELETED,
            params![run.number, is_deleted],
        )?;
        Ok(())
    }

    /// Logs parameters; one that is there with the same value stays.
    ///
    /// # Errors
    /// If one has another value already: then none is logged.
    pub fn log_params(&self, id: &str, logged: &[Pair]) -> Result<(), TrackingError> {
        let place = self.place(id)?;
        let new = self.new_params(id, place, logged)?;
        self.put_params(place, &new)
    }

    /// Those that are not there yet.
    pub(super) fn new_params<'p>(
        &self,
        id: &str,
        place: Place,
        logged: &'p [Pair],
    ) -> Result<Vec<&'p Pair>, TrackingError> {
        let (mut new, mut odd): (Vec<&Pair>, Vec<(&Pair, String)>) = (Vec::new(), Vec::new());
        for pair in logged {
            let there: Option<String> = self.store.first(
                READING,
                queries::TRACKED_RUN_PARAM,
                params![place.0, pair.0],
                |row| row.get(0),
            )?;
            match there {
                None => new.push(pair),
                Some(there) if there == pair.1 => {}
                Some(there) => odd.push((pair, there)),
            }
        }
        match odd.as_slice() {
            [] => Ok(new),
            [((key, value), there), ..] if logged.len() == 1 => Err(Refusal::invalid(format!(
                "Changing param values is not allowed. Param with key='{key}' was already logged with value='{there}' \
                 for run ID='{id}'. Attempted logging new value '{value}'."
            ))
            .into()),
            odd => {
                let listed: Vec<String> = odd
                    .iter()
                    .map(|((key, value), there)| {
                        format!("{{'key': '{key}', 'old_value': '{there}', 'new_value': '{value}'}}")
                    })
                    .collect();
                Err(Refusal::invalid(format!(
                    "Changing param values is not allowed. Params were already logged='[{}]' for run ID='{id}'.",
                    listed.join(", ")
                ))
                .into())
            }
        }
    }

    pub(super) fn put_params(&self, place: Place, new: &[&Pair]) -> Result<(), TrackingError> {
        for (key, value) in new {
            self.store.send(
                WRITING,
                queries::TRACKED_RUN_PUT_PARAM,
                params![place.0, key, value],
            )?;
        }
        Ok(())
    }

    /// Sets tags; the name tag names the run.
    ///
    /// # Errors
    /// If the run is not there or deleted.
    pub fn tag_run(&self, id: &str, tags: &[Pair]) -> Result<(), TrackingError> {
        let place = self.place(id)?;
        self.put_tags(id, place, tags)
    }

    pub(super) fn put_tags(&self, id: &str, place: Place, tags: &[Pair]) -> Result<(), TrackingError> {
        for (key, value) in tags {
            if key == RUN_NAME {
                let run = self.run(id)?;
                let values = params![place.0, value, run.status.as_str(), run.ended_at];
                self.store.execute(WRITING, queries::TRACKED_RUN_UPDATE, values)?;
            }
            self.store.send(
                WRITING,
                queries::TRACKED_RUN_PUT_TAG,
                params![place.0, key, value],
            )?;
        }
        Ok(())
    }

    /// Removes a tag.
    ///
    /// # Errors
    /// If run or tag are not there.
    pub fn untag_run(&self, id: &str, key: &str) -> Result<(), TrackingError> {
        let place = self.place(id)?;
        let gone = self
            .store
            .execute(WRITING, queries::TRACKED_RUN_DROP_TAG, params![place.0, key])?;
        if gone == 0 {
            return Err(Refusal::missing(format!("No tag with name: {key} in run with id {id}")).into());
        }
        Ok(())
    }

    /// A tag's value.
    ///
    /// # Errors
    /// Of the database, or if there is no such run.
    pub fn run_tag(&self, id: &str, key: &str) -> Result<Option<String>, TrackingError> {
        let place = self.place(id)?;
        Ok(self
            .store
            .first(READING, queries::TRACKED_RUN_TAG, params![place.0, key], |row| {
                row.get(0)
            })?)
    }
}

fn missing(id: &str) -> Refusal {
    let shown: String = id.chars().take(300).collect();
    Refusal::missing(format!("Run with id={shown} not found"))
}

/// Three words that nobody chose, the same for the same id.
fn random_name(id: &str) -> String {
    const KINDS: [&str; 16] = [
        "amber", "brisk", "calm", "distant", "eager", "frosty", "gentle", "hidden", "idle", "jolly", "keen",
        "lucid", "mellow", "narrow", "quiet", "rapid",
    ];
    const THINGS: [&str; 16] = [
        "axle", "boiler", "coach", "depot", "engine", "ferry", "gauge", "halt", "junction", "lantern",
        "platform", "rail", "signal", "tender", "tunnel", "wagon",
    ];
    let hash = trainyard_contract::ContentHash::of(id.as_bytes());
    let [kind, thing, high, low, ..] = *hash.as_bytes();
    format!(
        "{}-{}-{}",
        KINDS[usize::from(kind) % KINDS.len()],
        THINGS[usize::from(thing) % THINGS.len()],
        u16::from_be_bytes([high, low]) % 1000
    )
}
