//! Views that show the future: a feature that becomes known after the time from which its row counts.
//!
//! Why: a point-in-time join takes rows whose event time is not after the entity's. If that time is one that passes before the
//! feature is known, such as a planned departure beside an arrival's delay, training sees what serving cannot.
//!
//! ```yaml
//! event_time: sched_dep                        # known at schedule
//! features: {arr_delay: {type: int16}}         # known at arrival: M01/known-too-late
//! ```

use super::Source;
use super::resolve::Desk;
use super::sources::Origin;
use crate::pipeline::checks::found;
use std::collections::BTreeMap;
use trainyard_contract::feature::file::ViewSpec;
use trainyard_contract::finding::nearest;
use trainyard_contract::{KnownAt, Path};

/// Moments at which features become known, where they are.
pub(super) fn check(
    desk: &mut Desk<'_>,
    source: &Source,
    name: &str,
    spec: &ViewSpec,
    origin: &Origin,
) -> BTreeMap<String, KnownAt> {
    let at = Path::root().key("views").key(name).key("features");
    let contract = origin.contract();
    let moments = contract
        .map(|contract| contract.moments.as_slice())
        .unwrap_or_default();
    let moment_of =
        |column: &str| contract.and_then(|contract| contract.columns.get(column)?.known_at.clone());
    let mut known = BTreeMap::new();
    for (feature, of) in &spec.features {
        let column = spec.columns.get(feature).unwrap_or(feature);
        if let Some(moment) = &of.known_at
            && !moments.contains(moment)
            && !matches!(origin, Origin::Unknown)
        {
            let place = desk.at(source, &at.key(feature).key("known_at"));
            let message = match contract {
                Some(contract) => format!("the contract `{}` lists no moment `{moment}`", contract.name),
                None => format!("nothing says what the moment `{moment}` is"),
            };
            let finding = found("S02/unknown-moment", place, message).label("no such moment");
            desk.add(match nearest(moment, moments.iter().map(String::as_str)) {
                Some(near) => finding.did_you_mean(near),
                None => finding.help("moments are those of the contract of the source's dataset"),
            });
            continue;
        }
        let Some(moment) = of.known_at.clone().or_else(|| moment_of(column)) else {
            continue;
        };
        known.insert(
            feature.clone(),
            KnownAt {
                moment,
                order: moments.to_vec(),
            },
        );
    }
    let Some(counts_from) = moment_of(&spec.event_time) else {
        return known;
    };
    for (feature, at_moment) in &known {
        if at_moment.is_after(&counts_from) != Some(true) {
            continue;
        }
        let place = desk.key(source, &at.key(feature));
        let message = format!(
            "`{feature}` is known at {}, and its rows count from `{}` on, which is known at {counts_from}",
            at_moment.moment, spec.event_time
        );
        let event_time = Path::root().key("views").key(name).key("event_time");
        let event_time = desk.at(source, &event_time);
        let finding = found("M01/known-too-late", place, message)
            .label(format!("known at {} only", at_moment.moment))
            .also(event_time, "from here on it is found")
            .help(format!(
                "let `event_time` be a time that passes at {} or later, such as that of the arrival itself",
                at_moment.moment
            ));
        desk.add(finding);
    }
    known
}
