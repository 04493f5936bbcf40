//! Contracts: the names within them.
//!
//! Why: whether a fact is known in time can only be told if its moment is one of the contract's.
//!
//! ```yaml
//! moments: [schedule, arrival]
//! columns: {arr_delay: {type: int16, known_at: arival}}    # S02/unknown-moment
//! ```

use super::{Finding, found};
use crate::diagnostic::Diagnostic;
use crate::pipeline::load::{Kind, Loaded, Loader, parse};
use crate::pipeline::locate;
use trainyard_contract::finding::nearest;
use trainyard_contract::{DataContract, Path};

pub(super) fn run(loader: &Loader<'_>) -> Vec<Diagnostic> {
    let mut findings = Vec::new();
    for file in loader.all().filter(|file| file.kind == Kind::Contract) {
        one(loader, file, &mut findings);
    }
    findings.into_iter().map(Finding::done).collect()
}

fn one(loader: &Loader<'_>, file: &Loaded, findings: &mut Vec<Finding>) {
    let Some(root) = &file.root else { return };
    let Some(contract) = parse::<DataContract>(root) else {
        return;
    };
    let span = |path: &Path| locate::of_path(&loader.sources, root, path);
    let columns = || contract.columns.keys().map(String::as_str);
    let keys = contract
        .primary_key
        .iter()
        .enumerate()
        .map(|(index, column)| (Path::root().key("primary_key").index(index), column));
    let time = contract
        .event_time
        .iter()
        .map(|column| (Path::root().key("event_time"), column));
    for (path, column) in keys
        .chain(time)
        .filter(|(_, column)| !contract.columns.contains_key(*column))
    {
        let finding = found(
            "S02/unknown-column",
            span(&path),
            format!("the contract `{}` has no column `{column}`", contract.name),
        )
        .label("no such column");
        findings.push(match nearest(column, columns()) {
            Some(near) => finding.did_you_mean(near),
            None => finding.help("declare it under `columns:`"),
        });
    }
    for (name, column) in &contract.columns {
        let at = Path::root().key("columns").key(name);
        if let Some(moment) = column
            .known_at
            .as_ref()
            .filter(|moment| !contract.moments.contains(moment))
        {
            let finding = found(
                "S02/unknown-moment",
                span(&at.key("known_at")),
                format!("the contract lists no moment `{moment}`"),
            )
            .label("no such moment");
            findings.push(
                match nearest(moment, contract.moments.iter().map(String::as_str)) {
                    Some(near) => finding.did_you_mean(near),
                    None => finding.help(format!("list it in order: `moments: [{moment}, …]`")),
                },
            );
        }
        if let (Some(least), Some(most)) = (column.min, column.max)
            && least > most
        {
            findings.push(
                found(
                    "S01/out-of-range",
                    span(&at.key("min")),
                    format!("`min` of `{name}` is {least}, more than `max`, which is {most}"),
                )
                .label("more than `max`")
                .help("swap the two"),
            );
        }
        if let Some(pattern) = &column.pattern
            && let Err(error) = regex_lite::Regex::new(pattern)
        {
            findings.push(
                found(
                    "S01/wrong-format",
                    span(&at.key("pattern")),
                    format!("`{pattern}` is not a regular expression: {error}"),
                )
                .label("not a regular expression"),
            );
        }
    }
}
