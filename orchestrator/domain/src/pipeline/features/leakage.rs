//! When the features of a view become known: as their view says, or the contract of its source.
//!
//! Whether that is too late depends on who reads them and how long before (`lag`): steps that make training sets ask.

use super::Source;
use super::resolve::Desk;
use super::sources::Origin;
use crate::pipeline::checks::found;
use std::collections::BTreeMap;
use trainyard_contract::feature::file::ViewSpec;
use trainyard_contract::finding::nearest;
use trainyard_contract::{KnownAt, Path};

/// Moments at which features become known, where that is said.
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
    known
}
