//! One pass over the columns.

use super::column::{ColumnProfile, Extent, mixed};
use super::drift::{Drift, Parts};
use super::missing::{self, Masks};
use super::relations::{self, Sampled};
use super::sample::{Categories, Sample, Values};
use super::target::Target;
use super::{Duplicates, KeyDuplicates, Params, Profile, remarks};
use crate::fault::{self, guarded};
use crate::table::{Table, collect, grouped};
use polars::prelude::{DataType as PolarsType, PolarsError, Series, TimeUnit, col};
use rayon::prelude::*;
use trainyard_contract::{StepError, StepIo};
use trainyard_models::statistics::tally;

/// Columns in memory at a time.
const AT_A_TIME: usize = 2;

/// What is kept of a column once its rows are gone.
struct Seen {
    profile: ColumnProfile,
    hashes: Vec<u64>,
    missing: Option<Vec<bool>>,
    sampled: Option<Sampled>,
}

/// The profile of a table.
///
/// # Errors
/// `Rejected` for a column that is not there, `Internal` where polars cannot read or cast.
pub(super) fn profiled(
    io: &mut StepIo,
    params: &Params,
    table: &Table,
    mut notes: Vec<String>,
) -> Result<Profile, StepError> {
    let there: Vec<&str> = table.schema.names().collect();
    let mut names: Vec<&str> = there.clone();
    if !params.columns.is_empty() {
        let wanted = params.columns.iter().chain(&params.target).map(String::as_str);
        names = wanted.collect::<indexmap::IndexSet<&str>>().into_iter().collect();
    }
    let asked = names
        .iter()
        .copied()
        .chain(params.target.as_deref())
        .chain(params.split_by.as_deref());
    if let Some(unknown) = asked.into_iter().find(|name| !there.contains(name)) {
        return Err(StepError::rejected(format!(
            "there is no column `{unknown}` here"
        )));
    }
    let rows = table.height()?;
    let sample = Sample::draw(rows, params.sample_rows, params.seed);
    let extent = Extent {
        bins: params.bins,
        top: params.top,
    };
    let mut masks = Masks::new(rows);
    let mut row_hashes = vec![0u64; rows];
    let keys: Vec<&str> = table.schema.primary_key.iter().map(String::as_str).collect();
    let keys_are_there = !keys.is_empty() && keys.iter().all(|key| names.contains(key));
    let mut key_hashes = vec![0u64; if keys_are_there { rows } else { 0 }];
    let mut columns = Vec::with_capacity(names.len());
    let mut sampled = Vec::new();
    for (nth, some) in names.chunks(AT_A_TIME).enumerate() {
        io.progress((nth * AT_A_TIME) as u64, names.len() as u64, "columns");
        let seen: Result<Vec<Seen>, StepError> = some
            .par_iter()
            .map(|name| seen(table, name, &sample, extent))
            .collect();
        for (at, seen) in seen?.into_iter().enumerate() {
            // The column's place makes (1, 2) another row than (2, 1).
            let place = mixed((nth * AT_A_TIME + at + 1) as u64);
            add(&mut row_hashes, &seen.hashes, place);
            if keys_are_there && keys.contains(&some[at]) {
                add(&mut key_hashes, &seen.hashes, place);
            }
            if let Some(missing) = seen.missing {
                masks.add(some[at], missing.into_iter());
            }
            columns.push(seen.profile);
            sampled.extend(seen.sampled);
        }
    }
    let duplicates = Duplicates {
        rows: rows - tally(&mut row_hashes, 0).distinct,
        primary_key: keys_are_there.then(|| KeyDuplicates {
            columns: table.schema.primary_key.clone(),
            rows: rows - tally(&mut key_hashes, 0).distinct,
        }),
        keys: columns
            .iter()
            .filter(|column| rows > 1 && column.once == rows)
            .map(|column| column.name.clone())
            .collect(),
    };
    drop((row_hashes, key_hashes));
    if masks.left_out > 0 {
        notes.push(format!(
            "which columns are missing together was looked at for the first {} with missing values, not for {} more",
            missing::MOST_COLUMNS,
            masks.left_out
        ));
    }
    if params.correlations && sampled.len() > relations::MOST_COLUMNS {
        notes.push(format!(
            "columns are related to each other for the first {}, not for {} more",
            relations::MOST_COLUMNS,
            sampled.len() - relations::MOST_COLUMNS
        ));
    }
    let target = params
        .target
        .as_deref()
        .and_then(|name| Target::of(&sampled, name));
    if let Some(name) = params.target.as_ref().filter(|_| target.is_none()) {
        notes.push(format!(
            "`{name}` has no two different values of a kind that others can be related to"
        ));
    }
    let drift = drift(params, table, &sample, &sampled, &mut notes)?;
    let mut profile = Profile {
        format: "trainyard.profile/2",
        rows,
        sampled_rows: sample.rows.len(),
        seed: params.seed,
        warnings: Vec::new(),
        duplicates,
        columns,
        missing: masks.finish(),
        target,
        relations: if params.correlations {
            relations::pairs(&sampled)
        } else {
            Vec::new()
        },
        drift,
        notes,
    };
    if !sample.is_whole() {
        profile.notes.push(format!(
            "relations, parts and the forms of texts are measured on {} of {} rows, one at random from each of equally long stretches, seed {}; all else on all rows",
            grouped(sample.rows.len() as u64),
            grouped(rows as u64),
            params.seed
        ));
    }
    profile.warnings = remarks::of(&profile);
    Ok(profile)
}

fn read(table: &Table, name: &str) -> Result<Series, StepError> {
    let frame = collect("read the rows", table.frame.clone().select([col(name)]))?;
    let column = frame
        .columns()
        .first()
        .map(|column| column.as_materialized_series().rechunk());
    column.ok_or_else(|| StepError::internal(format!("column `{name}` is gone")))
}

fn seen(table: &Table, name: &str, sample: &Sample, extent: Extent) -> Result<Seen, StepError> {
    let series = read(table, name)?;
    let work = || {
        let some = sample.take(&series)?;
        let (profile, hashes) = ColumnProfile::of(&series, &some, table.schema.column(name), extent)?;
        let missing = (series.null_count() > 0).then(|| {
            series
                .is_null()
                .iter()
                .map(|missing| missing == Some(true))
                .collect()
        });
        let values = Values::of(&some)?;
        Ok(Seen {
            profile,
            hashes,
            missing,
            sampled: values.map(|values| Sampled {
                name: name.to_owned(),
                values,
            }),
        })
    };
    guarded(work).map_err(|error: PolarsError| {
        StepError::internal(format!("could not profile `{name}`: {}", fault::sentence(&error)))
    })
}

fn add(sums: &mut [u64], hashes: &[u64], place: u64) {
    for (sum, hash) in sums.iter_mut().zip(hashes) {
        *sum = sum.wrapping_add(mixed(hash ^ place));
    }
}

/// The parts of the table beside each other.
fn drift(
    params: &Params,
    table: &Table,
    sample: &Sample,
    sampled: &[Sampled],
    notes: &mut Vec<String>,
) -> Result<Option<Drift>, StepError> {
    let there = |name: &&String| table.schema.column(name).is_some();
    let Some(by) = params
        .split_by
        .as_ref()
        .or(table.schema.event_time.as_ref())
        .filter(there)
    else {
        return Ok(None);
    };
    let series = read(table, by)?;
    let internal = |error: PolarsError| StepError::internal(fault::sentence(&error));
    let parts = guarded(|| parts(&sample.take(&series)?)).map_err(internal)?;
    let Some(parts) = parts else {
        notes.push(format!(
            "`{by}` does not split the table: all its values are the same"
        ));
        return Ok(None);
    };
    if let Some(reference) = &params.reference
        && !parts.names.contains(reference)
    {
        return Err(
            StepError::rejected(format!("`{by}` never has the value `{reference}`"))
                .help(format!("its values are {}", parts.names.join(", "))),
        );
    }
    Ok(Drift::of(by, &parts, params.reference.as_deref(), sampled))
}

fn parts(series: &Series) -> Result<Option<Parts>, PolarsError> {
    if series.dtype().is_temporal() {
        let stamps = match series.dtype() {
            PolarsType::Datetime(_, zone) => {
                series.cast(&PolarsType::Datetime(TimeUnit::Microseconds, zone.clone()))?
            }
            _ => series.clone(),
        };
        let stamps = stamps.cast(&PolarsType::Int64)?;
        return Ok(Parts::halves(&stamps.i64()?.iter().collect::<Vec<_>>()));
    }
    let texts = series.cast(&PolarsType::String)?;
    let found = Categories::of(&texts.str()?.iter().collect::<Vec<_>>());
    Ok((found.names.len() > 1).then_some(Parts {
        codes: found.codes,
        names: found.names,
    }))
}
