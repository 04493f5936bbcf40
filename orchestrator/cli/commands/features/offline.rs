//! `trainyard features snapshots` and `compact`: what a view's offline store holds.

use crate::args::{CompactArgs, SnapshotsArgs};
use crate::commands::runs::Shelf;
use crate::output::{Exit, Fault, Terminal, human_bytes, human_instant};
use crate::progress::grouped;
use crate::project::Project;
use serde_json::{Value, json};
use trainyard_contract::finding::nearest;
use trainyard_contract::{Memory, Timestamp};
use trainyard_features::offline::{ColumnStatistics, Snapshot};
use trainyard_store::{FeatureViewVersion, ViewSnapshot};

/// The view version that a person means by `weather` or `weather@v2`.
fn view(shelf: &Shelf, text: &str) -> Result<FeatureViewVersion, Fault> {
    let (name, version) = match text.split_once("@v") {
        None => (text, None),
        Some((name, number)) => match number.parse::<u32>() {
            Ok(number) => (name, Some(number)),
            Err(_) => {
                return Err(Fault::new(format!(
                    "`{text}` is no feature view: write `weather` or `weather@v2`"
                )));
            }
        },
    };
    if let Some(found) = shelf.store.feature_view(name, version)? {
        return Ok(found);
    }
    let views = shelf.store.feature_views()?;
    let names: Vec<&str> = views.iter().map(|known| known.view.name.as_str()).collect();
    let fault = match version {
        Some(version) if names.contains(&name) => {
            Fault::new(format!("feature view `{name}` has no version {version}"))
        }
        _ => Fault::new(format!("no rows of a feature view `{name}` were ever written")),
    };
    Err(match nearest(name, names.iter().copied()) {
        Some(near) => fault.help(format!("there is `{near}`")),
        None => fault.help("a step `features.ingest@v1`, or `features.build@v1` with `store`, writes a view"),
    })
}

pub(super) fn snapshots(
    project: &Project,
    args: &SnapshotsArgs,
    terminal: &mut Terminal,
) -> Result<Exit, Fault> {
    let shelf = Shelf::open(project)?;
    let found = view(&shelf, &args.view)?;
    let (name, version) = (&found.view.name, found.view.version);
    if let Some(which) = &args.show {
        let snapshot = one(&shelf, name, version, which)?;
        return show(&shelf, &snapshot, terminal);
    }
    let snapshots = shelf
        .store
        .feature_snapshots(name, version, u64::MAX, args.limit)?;
    if terminal.is_json() {
        terminal.out_json(&snapshots.iter().map(document).collect());
        return Ok(Exit::Done);
    }
    let rows: Vec<Vec<String>> = snapshots
        .iter()
        .map(|snapshot| {
            vec![
                snapshot.snapshot.sequence.to_string(),
                human_instant(snapshot.created_at),
                kind(snapshot).to_owned(),
                grouped(snapshot.rows),
                format!("+{}", grouped(snapshot.added)),
                human_bytes(snapshot.size),
                times(snapshot),
                snapshot
                    .run
                    .as_ref()
                    .map_or_else(String::new, |run| run.short().to_owned()),
            ]
        })
        .collect();
    let heads = [
        "SNAPSHOT",
        "MADE",
        "HOW",
        "ROWS",
        "ADDED",
        "SIZE",
        "EVENT TIMES",
        "RUN",
    ];
    terminal.table(&heads, &[0, 3, 4, 5], &rows);
    Ok(Exit::Done)
}

fn kind(snapshot: &ViewSnapshot) -> &'static str {
    use trainyard_contract::feature::ChangeKind;
    match snapshot.kind {
        ChangeKind::Append => "append",
        ChangeKind::Replace => "replace",
        ChangeKind::Compact => "compact",
    }
}

fn times(snapshot: &ViewSnapshot) -> String {
    snapshot.event_times.map_or_else(String::new, |(from, to)| {
        format!("{} – {}", human_instant(from), human_instant(to))
    })
}

fn document(snapshot: &ViewSnapshot) -> Value {
    json!({
        "snapshot": snapshot.snapshot.sequence, "manifest": snapshot.snapshot.manifest.hash.to_string(),
        "created_at": snapshot.created_at.0, "kind": kind(snapshot), "rows": snapshot.rows, "added": snapshot.added,
        "bytes": snapshot.size, "first_event": snapshot.event_times.map(|(from, _)| from.0),
        "last_event": snapshot.event_times.map(|(_, to)| to.0), "pushes_folded": snapshot.folded,
        "run": snapshot.run.as_ref().map(|run| run.as_str()), "step": snapshot.instance, "revision": snapshot.revision,
    })
}

/// A snapshot by its number, or that of a time.
fn one(shelf: &Shelf, name: &str, version: u32, which: &str) -> Result<ViewSnapshot, Fault> {
    let none = || Fault::new(format!("feature view `{name}` has no snapshot `{which}`"));
    if let Ok(sequence) = which.parse::<u64>() {
        let found = shelf
            .store
            .feature_snapshots(name, version, sequence.saturating_add(1), 1)?;
        return found
            .into_iter()
            .find(|snapshot| snapshot.snapshot.sequence == sequence)
            .ok_or_else(none);
    }
    let at = Memory::instant(which).ok().flatten();
    let at: Timestamp = at.ok_or_else(|| none().help("write its number, a date or an instant"))?;
    shelf
        .store
        .feature_snapshot(name, version, Some(at))?
        .ok_or_else(none)
}

fn show(shelf: &Shelf, snapshot: &ViewSnapshot, terminal: &mut Terminal) -> Result<Exit, Fault> {
    let hash = snapshot.snapshot.manifest.hash;
    let manifest = Snapshot::load(&shelf.home.objects(), &hash)
        .map_err(|error| Fault::while_doing("could not read the snapshot", &error))?;
    if terminal.is_json() {
        let manifest = serde_json::to_value(&manifest)
            .map_err(|error| Fault::while_doing("could not write the snapshot", &error))?;
        terminal.out_json(&json!({ "snapshot": document(snapshot), "manifest": manifest }));
        return Ok(Exit::Done);
    }
    let partitions: Vec<Vec<String>> = manifest
        .partitions
        .iter()
        .map(|partition| {
            vec![
                partition.period.to_string(),
                partition.files.len().to_string(),
                grouped(partition.rows()),
                human_bytes(partition.size()),
            ]
        })
        .collect();
    terminal.table(&["PERIOD", "FILES", "ROWS", "SIZE"], &[1, 2, 3], &partitions);
    terminal.out("");
    let columns: Vec<Vec<String>> = manifest
        .statistics()
        .iter()
        .map(|(name, column)| {
            let data_type = manifest
                .schema
                .column(name)
                .map(|column| column.data_type.to_string());
            let mut line = vec![name.clone(), data_type.unwrap_or_default()];
            line.extend(numbers(column));
            line
        })
        .collect();
    let heads = [
        "COLUMN", "TYPE", "MISSING", "DISTINCT", "MIN", "MEDIAN", "MAX", "MEAN",
    ];
    terminal.table(&heads, &[2, 3, 4, 5, 6, 7], &columns);
    Ok(Exit::Done)
}

fn numbers(column: &ColumnStatistics) -> Vec<String> {
    let shown = |value: &Option<Value>| match value {
        Some(Value::String(text)) => text.chars().take(32).collect(),
        Some(value) => value.as_f64().map_or_else(String::new, short),
        None => String::new(),
    };
    vec![
        grouped(column.nulls),
        grouped(column.distinct),
        shown(&column.min),
        column.quantiles.get(3).copied().map_or_else(String::new, short),
        shown(&column.max),
        column.mean.map_or_else(String::new, short),
    ]
}

fn short(value: f64) -> String {
    let text = format!("{value:.4}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(not(feature = "steps"))]
pub(super) fn compact(
    _project: &Project,
    _args: &CompactArgs,
    _terminal: &mut Terminal,
) -> Result<Exit, Fault> {
    Err(Fault::new("this build has no steps that read tables"))
}

#[cfg(feature = "steps")]
pub(super) fn compact(project: &Project, args: &CompactArgs, terminal: &mut Terminal) -> Result<Exit, Fault> {
    use crate::output::Tone;
    use trainyard_contract::feature::StoredView;
    use trainyard_features::offline::{self, PushLog};
    use trainyard_store::FeatureWrite;

    let mut shelf = Shelf::open(project)?;
    let found = view(&shelf, &args.view)?;
    let (name, version) = (found.view.name.clone(), found.view.version);
    let objects = shelf.home.objects();
    let failed =
        |error: &dyn std::error::Error| Fault::while_doing(format!("could not compact `{name}`"), error);
    let before = shelf.store.feature_snapshot(&name, version, None)?;
    let stored = StoredView {
        snapshot: before.map(|before| before.snapshot),
        pushes: shelf.home.pushed_features(&name, version),
        pushed: Default::default(),
        as_of: None,
        view: found.view,
    };
    let scratch = shelf
        .home
        .folder()
        .join("scratch")
        .join(format!("compact-{}", std::process::id()));
    let compacted = trainyard_steps::compact_view(&objects, &stored, &scratch);
    // What is left of it is in nobody's way.
    let _ = std::fs::remove_dir_all(&scratch);
    let compacted = compacted.map_err(|error| failed(&error))?;
    let mut folded = 0;
    if let Some(draft) = &compacted.draft {
        let mut next = draft.clone();
        loop {
            match shelf.store.record_snapshot(&next, crate::commands::now())? {
                FeatureWrite::Done { .. } => break,
                FeatureWrite::Moved(Some(current)) => {
                    next = offline::rebased(&objects, draft, &current.snapshot)
                        .map_err(|error| failed(&error))?;
                }
                FeatureWrite::Moved(None) | FeatureWrite::Outdated { .. } => {
                    return Err(Fault::new(format!(
                        "feature view `{name}` is at another version by now"
                    )));
                }
            }
        }
        folded = next.folded;
    }
    let removed = if args.forget_pushes {
        let log = PushLog::new(&stored.pushes);
        log.remove(folded).map_err(|error| failed(&error))?
    } else {
        0
    };
    if terminal.is_json() {
        terminal.out_json(&json!({
            "view": name, "version": version, "files_before": compacted.files_before, "files": compacted.files,
            "rows_folded": compacted.folded, "rows_unfit": compacted.unfit, "segments_removed": removed,
        }));
        return Ok(Exit::Done);
    }
    if compacted.unfit > 0 {
        let what = format!(
            "{} pushed rows that do not fit the view's types",
            grouped(compacted.unfit)
        );
        terminal.status(Tone::Warn, "Left out", what);
    }
    terminal.status(
        Tone::Good,
        "Compacted",
        format!(
            "features:{name} v{version}: {} files in {}, {} pushed rows folded in",
            compacted.files_before,
            compacted.files,
            grouped(compacted.folded)
        ),
    );
    Ok(Exit::Done)
}
