//! Between one run's table and the next one's: snapshots, and what is remembered beside them.

use super::intake::{Earlier, Intook, Sifting};
use super::watermark::{Files, Remembered};
use crate::dataset::bare_schema;
use crate::sink::Sink;
use crate::table::grouped;
use serde_json::{Value, json};
use trainyard_contract::{ArtifactKind, Schema, StepError, StepIo};

/// The table that the step gave last time, if it is to be gone on with.
pub(super) fn earlier(io: &StepIo, name: &str, sifting: &Sifting) -> Result<Option<Earlier>, StepError> {
    if !sifting.is_incremental {
        return Ok(None);
    }
    let Some(artifact) = io.previous(name) else {
        return Ok(None);
    };
    let Ok(remembered) = serde_json::from_value::<Remembered>(artifact.summary["watermark"].clone()) else {
        // It was made by a full ingest, or by another step of that name.
        return Ok(None);
    };
    if Some(&remembered.column) != sifting.watermark.as_ref() {
        return Ok(None);
    }
    let files: Files = match &remembered.files {
        None => Files::new(),
        Some(hash) => serde_json::from_slice(&io.read(hash)?)
            .map_err(|error| StepError::internal(format!("the list of files read is damaged: {error}")))?,
    };
    Ok(Some(Earlier {
        path: io.open(artifact)?,
        rows: artifact.rows.unwrap_or_default(),
        hash: artifact.hash,
        remembered,
        files,
    }))
}

/// Keeps what was taken in as the table output `name`; gives its headline.
pub(super) fn keep(
    io: &mut StepIo,
    name: &str,
    intook: Intook,
    schema: Schema,
    aside: &mut Sink,
) -> Result<String, StepError> {
    io.rows_in(intook.rows_read);
    if intook.bad > 0 {
        io.log(format!("{name}: set {} bad rows aside", grouped(intook.bad)));
        io.metric(&format!("{name}.bad_rows"), intook.bad as f64);
    }
    if intook.late > 0 {
        io.metric(&format!("{name}.late_rows"), intook.late as f64);
    }
    if intook.doubled > 0 {
        io.metric(&format!("{name}.doubled_rows"), intook.doubled as f64);
    }
    for note in &intook.notes {
        io.log(format!("{name}: {note}"));
    }
    let width = schema.columns.len();
    let mut headline = format!("{name}: {} rows, {width} columns", grouped(intook.rows));
    let left_out = [
        (intook.bad, "bad"),
        (intook.late, "late"),
        (intook.doubled, "doubled"),
    ];
    for (rows, why) in left_out.iter().filter(|(rows, _)| *rows > 0) {
        headline.push_str(&format!(", {} {why} left out", grouped(*rows)));
    }
    intook.quarantine.move_into(aside)?;
    let unchanged = intook.unchanged.and_then(|hash| {
        io.previous(name)
            .filter(|artifact| artifact.hash == hash)
            .cloned()
    });
    match unchanged {
        Some(artifact) => io.output(name, artifact),
        None => {
            io.keep_table(name, &intook.table, schema, intook.rows)?;
        }
    }
    if !intook.remembered.column.is_empty() {
        let mut remembered = intook.remembered;
        if !intook.files.is_empty() {
            let files = json!(intook.files).to_string();
            let kept = io.keep_bytes(
                ArtifactKind::File,
                "application/json",
                files.as_bytes(),
                Value::Null,
            )?;
            remembered.files = Some(kept.hash);
        }
        io.summarize(name, json!({ "watermark": remembered }));
    }
    Ok(headline)
}

/// Keeps the rows set aside, if there are any.
pub(crate) fn quarantine(io: &mut StepIo, aside: Sink) -> Result<(), StepError> {
    let none = crate::dataset::quarantine_frame(&[])?;
    if aside.rows() == 0 && !io.wants("quarantine") {
        return Ok(());
    }
    let mut aside = aside;
    if aside.rows() == 0 {
        aside.push(none.clone())?;
    }
    if let Some((path, rows)) = aside.finish()? {
        let schema = bare_schema(none.schema(), None);
        io.keep_table("quarantine", &path, schema, rows)?;
    }
    Ok(())
}

/// The tables of an earlier run, as they were.
pub(super) fn snapshot(io: &mut StepIo) -> Result<(), StepError> {
    let names: Vec<String> = io.spec().inputs.keys().cloned().collect();
    let mut headline = Vec::new();
    for name in names {
        let Some(artifact) = io.previous(&name).cloned() else {
            return Err(StepError::rejected(format!(
                "the earlier run gave no table `{name}`"
            )));
        };
        // The bytes are those of then, or the step fails.
        io.open(&artifact)?;
        let rows = artifact.rows.unwrap_or_default();
        headline.push(format!(
            "{name}: {} rows of snapshot {}",
            grouped(rows),
            artifact.hash.short()
        ));
        if let Some(schema) = &artifact.schema {
            io.lineage(super::identity(&name, schema));
        }
        io.output(&name, artifact);
    }
    io.headline(headline.join("; "));
    Ok(())
}
