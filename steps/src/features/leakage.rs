//! M01 and M02: features that tell at training time what nobody knows when the prediction is made.

use crate::facts::{Fact, Facts, Source};
use crate::inference::with;
use std::collections::BTreeSet;
use trainyard_contract::finding::{Finding, Path, nearest};

/// Holds features against the moment of prediction and the label.
pub(crate) struct Watch {
    predict_at: Option<String>,
    label: BTreeSet<Source>,
    /// Computed columns that are reported already: what uses them is not reported again.
    reported: BTreeSet<String>,
}

impl Watch {
    pub(crate) fn new(predict_at: Option<String>) -> Self {
        Self {
            predict_at,
            label: BTreeSet::new(),
            reported: BTreeSet::new(),
        }
    }

    /// The columns the label is made from.
    pub(crate) fn label(&mut self, sources: BTreeSet<Source>) {
        self.label = sources;
    }

    /// `predict_at` must be a moment of the base's contract.
    pub(crate) fn unknown_moment(&self, base: &Facts, input: &str) -> Option<Finding> {
        let at = self.predict_at.as_deref()?;
        let moments: BTreeSet<&str> = base
            .columns
            .values()
            .flat_map(|fact| &fact.known)
            .flat_map(|known| known.order.iter().map(String::as_str))
            .collect();
        if moments.contains(at) {
            return None;
        }
        if moments.is_empty() {
            let message =
                format!("nothing says when the columns of `{input}` are known, so leakage is not checked");
            let help = "give its contract `moments` and its columns `known_at`";
            return Some(Finding::warning("M01", with("predict_at"), message).help(help));
        }
        let finding = Finding::error(
            "S02/unknown-moment",
            with("predict_at"),
            format!("`{at}` is no moment of the contract of `{input}`"),
        );
        let names: Vec<&str> = moments.iter().copied().collect();
        Some(match nearest(at, names.iter().copied()) {
            Some(near) => finding.help(format!("did you mean `{near}`?")),
            None => finding.help(format!("its moments are {}", crate::fault::list(&names))),
        })
    }

    fn too_late(&self, column: &str, fact: &Fact, path: &Path) -> Option<Finding> {
        let at = self.predict_at.as_deref()?;
        let known = fact.known_after(at)?;
        let message = format!(
            "`{column}` is known at {}, after the prediction is made at {at}",
            known.moment
        );
        Some(Finding::error("M01", path.clone(), message).at_word(column))
    }

    fn is_label(&self, column: &str, fact: &Fact, path: &Path) -> Option<Finding> {
        if fact.current.is_disjoint(&self.label) {
            return None;
        }
        let message = format!("`{column}` is what the label is made from");
        let finding = Finding::error("M02", path.clone(), message).at_word(column);
        // A label of several columns may share one with a feature: the rise of a price and the price.
        let shared = self.label.len() > 1 && self.too_late(column, fact, path).is_none();
        let finding = if shared {
            Finding {
                severity: trainyard_contract::Severity::Warning,
                ..finding
            }
        } else {
            finding
        };
        Some(finding.help("leave it out, or predict something else"))
    }

    /// A column that is a feature as it is; `word` is what stands at `path` for it.
    pub(crate) fn feature(&self, column: &str, fact: &Fact, word: &str, path: &Path) -> Vec<Finding> {
        let help = match self.predict_at.as_deref() {
            Some(at) => {
                format!("leave it out, look it up with `as_of_join` and a lag, or predict later than at {at}")
            }
            None => String::new(),
        };
        let late = self
            .too_late(column, fact, path)
            .map(|finding| finding.help(help));
        let copied = self.is_label(column, fact, path);
        late.into_iter()
            .chain(copied)
            .map(|finding| finding.at_word(word))
            .collect()
    }

    /// A computed feature: points at the column in the expression that is to blame.
    pub(super) fn expression(
        &mut self,
        name: &str,
        before: &Facts,
        after: &Facts,
        roots: &[String],
        path: &Path,
    ) -> Vec<Finding> {
        let Some(fact) = after.get(name) else {
            return Vec::new();
        };
        let mut found = Vec::new();
        let mut blamed = false;
        for root in roots {
            if self.reported.contains(root) {
                blamed = true;
                continue;
            }
            let Some(part) = before.get(root) else { continue };
            let late = self.too_late(root, part, path).map(|finding| {
                finding.help(format!(
                    "leave it out of `{name}`, or look it up with `as_of_join` and a lag"
                ))
            });
            found.extend(late);
            found.extend(self.is_label(root, part, path));
        }
        if found.is_empty() && !blamed {
            // Late only as a whole: an aggregate over rows that something late has chosen.
            found.extend(self.too_late(name, fact, path).map(|finding| Finding {
                word: None,
                ..finding
            }));
        }
        if blamed || !found.is_empty() {
            self.reported.insert(name.to_owned());
        }
        found
    }

    /// A column that decides which rows there are.
    pub(super) fn condition(&self, column: &str, fact: &Fact, path: &Path) -> Option<Finding> {
        let at = self.predict_at.as_deref()?;
        let known = fact.known_after(at)?;
        let message = format!(
            "rows are chosen by `{column}`, known at {}: when the prediction is made at {at}, nobody can tell which rows these are",
            known.moment
        );
        Some(Finding::warning("M01", path.clone(), message).at_word(column))
    }
}
