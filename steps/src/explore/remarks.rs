//! What is worth a look, each with its reason and the number behind it.

use super::Profile;
use super::column::{ColumnProfile, number, percent};
use super::target::Kind as TargetKind;
use super::text::{Kind, personal_word};
use crate::table::grouped;
use serde::Serialize;

/// Share of missing values from which a column is remarked on.
const MANY_MISSING: f64 = 0.5;
/// Share of different values from which a column looks like an identifier.
const NEARLY_UNIQUE: f64 = 0.95;
/// Strength from which two columns say nearly the same.
const NEARLY_SAME: f64 = 0.95;
/// Share of one value from which a column says next to nothing.
const NEARLY_CONSTANT: f64 = 0.99;
/// Different texts from which a column has many categories.
const MANY_CATEGORIES: usize = 1000;
/// Share of values outside Tukey's fences from which they are remarked on.
const MANY_OUTLIERS: f64 = 0.05;
/// Skewness from which a column is said to be lopsided.
const LOPSIDED: f64 = 3.0;
/// Share of zeros from which they are remarked on.
const MOSTLY_ZERO: f64 = 0.5;
/// Stability index from which a change is large, by the common rule.
const LARGE_CHANGE: f64 = 0.25;
/// How well one column alone may tell the target before it is suspected of knowing it: area under the ROC
/// curve, R² or strength.
const TOO_GOOD: f64 = 0.95;
/// Share of the rarest class below which a target is lopsided.
const RARE_CLASS: f64 = 0.05;
/// Values that often stand for "missing".
const STAND_INS: [f64; 6] = [-1.0, -99.0, -999.0, -9999.0, 9999.0, 99999.0];
/// Texts that often stand for "missing".
const STAND_IN_TEXTS: [&str; 9] = ["?", "-", "na", "n/a", "nan", "null", "none", "unknown", "missing"];

/// Something that is worth a look.
#[derive(Debug, Serialize, PartialEq)]
pub(super) struct Warning {
    /// The column, or nothing for the table as a whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) column: Option<String>,
    pub(super) kind: &'static str,
    /// End of a sentence that begins with the column.
    pub(super) reason: String,
    /// The number that gave rise to it.
    pub(super) number: f64,
    /// Whether it can make a model worthless or harm somebody.
    pub(super) grave: bool,
}

#[derive(Default)]
struct Remarks {
    found: Vec<Warning>,
}

impl Remarks {
    fn add(&mut self, column: Option<&str>, kind: &'static str, number: f64, reason: String) {
        const GRAVE: [&str; 5] = [
            "leakage",
            "missing_tells_target",
            "personal",
            "empty",
            "duplicate_keys",
        ];
        self.found.push(Warning {
            column: column.map(str::to_owned),
            kind,
            reason,
            number,
            grave: GRAVE.contains(&kind),
        });
    }
}

/// All remarks: grave ones first, otherwise table before columns in their order.
pub(super) fn of(profile: &Profile) -> Vec<Warning> {
    let mut remarks = Remarks::default();
    if profile.rows == 0 {
        return remarks.found;
    }
    of_table(profile, &mut remarks);
    for column in &profile.columns {
        of_column(column, profile.rows, &mut remarks);
    }
    of_relations(profile, &mut remarks);
    of_target(profile, &mut remarks);
    of_drift(profile, &mut remarks);
    remarks.found.sort_by_key(|warning| !warning.grave);
    remarks.found
}

fn of_table(profile: &Profile, remarks: &mut Remarks) {
    let doubled = profile.duplicates.rows;
    if doubled > 0 {
        let share = doubled as f64 / profile.rows as f64;
        let reason = format!(
            "{} rows ({}) repeat an earlier row in every column",
            grouped(doubled as u64),
            percent(share)
        );
        remarks.add(None, "duplicate_rows", share, reason);
    }
    if let Some(key) = &profile.duplicates.primary_key
        && key.rows > 0
    {
        let reason = format!(
            "the primary key ({}) is not one: {} rows repeat an earlier one's",
            key.columns.join(", "),
            grouped(key.rows as u64)
        );
        remarks.add(None, "duplicate_keys", key.rows as f64, reason);
    }
}

fn of_column(column: &ColumnProfile, rows: usize, remarks: &mut Remarks) {
    let name = Some(column.name.as_str());
    let values = column.values(rows);
    if values == 0 {
        remarks.add(name, "empty", 1.0, "has no values at all".to_owned());
        return;
    }
    if column.null_ratio > MANY_MISSING {
        let reason = format!("{} of its values are missing", percent(column.null_ratio));
        remarks.add(name, "mostly_missing", column.null_ratio, reason);
    }
    let most = column.top.first();
    let share = most.map_or(0.0, |most| most.count as f64 / values as f64);
    if column.distinct == 1 {
        let reason = "has the same value in every row, so nothing can be learned from it".to_owned();
        remarks.add(name, "constant", 1.0, reason);
    } else if let Some(most) = most.filter(|_| share > NEARLY_CONSTANT) {
        let reason = format!(
            "has the value {} in {} of the rows that have one",
            most.value,
            percent(share)
        );
        remarks.add(name, "nearly_constant", share, reason);
    }
    let different = column.distinct as f64 / values as f64;
    let is_text = column.data_type == "string";
    if values >= 100 && different >= NEARLY_UNIQUE && (is_text || column.data_type.contains("int")) {
        let reason = format!(
            "{} of its values are different: it looks like an identifier",
            percent(different)
        );
        remarks.add(name, "nearly_unique", different, reason);
    } else if is_text && column.distinct > MANY_CATEGORIES {
        let reason = format!("has {} different texts", grouped(column.distinct as u64));
        remarks.add(name, "many_categories", column.distinct as f64, reason);
    }
    of_numbers(column, values, remarks);
    of_texts(column, values, remarks);
    if let Some(times) = column.times.as_ref().filter(|times| times.gaps > 0) {
        let longest = &times.longest_gaps[0];
        let reason = format!(
            "has {}, steps much longer than nearly all others; the longest is from {} to {}",
            if times.gaps == 1 {
                "a gap".to_owned()
            } else {
                format!("{} gaps", grouped(times.gaps as u64))
            },
            longest.from,
            longest.to
        );
        remarks.add(name, "gaps", times.gaps as f64, reason);
    }
    of_person(column, remarks);
}

fn of_numbers(column: &ColumnProfile, values: usize, remarks: &mut Remarks) {
    let Some(numbers) = &column.numbers else { return };
    let name = Some(column.name.as_str());
    let outliers = numbers.outliers as f64 / values as f64;
    if outliers > MANY_OUTLIERS && column.distinct > 2 {
        let reason = format!(
            "{} of its values lie outside Tukey's fences, 1.5 interquartile ranges beyond the quartiles",
            percent(outliers)
        );
        remarks.add(name, "outliers", outliers, reason);
    }
    let broken = numbers.nan + numbers.infinite;
    if broken > 0 {
        let reason = format!(
            "{} values are NaN and {} infinite",
            grouped(numbers.nan as u64),
            grouped(numbers.infinite as u64)
        );
        remarks.add(name, "not_finite", broken as f64, reason);
    }
    let zeros = numbers.zeros as f64 / values as f64;
    if zeros > MOSTLY_ZERO && column.distinct > 2 {
        remarks.add(
            name,
            "mostly_zero",
            zeros,
            format!("{} of its values are 0", percent(zeros)),
        );
    }
    if let Some(skewness) = numbers
        .skewness
        .filter(|skewness| skewness.abs() > LOPSIDED && column.distinct > 2)
    {
        let side = if skewness > 0.0 { "upwards" } else { "downwards" };
        let reason = format!("has a long tail {side} (skewness {})", number(skewness));
        remarks.add(name, "long_tail", skewness, reason);
    }
    let stand_in = column.top.iter().find(|top| {
        let value = top.value.parse::<f64>().unwrap_or(0.0);
        let apart = numbers.quantiles["05"] > 0.0 && value < 0.0 || value.abs() > 900.0;
        let at_an_end = value == numbers.min || value == numbers.max;
        STAND_INS.contains(&value) && at_an_end && apart && column.distinct > 10
    });
    if let Some(stand_in) = stand_in {
        let reason = format!(
            "has the value {} {} times, which may stand for missing",
            stand_in.value,
            grouped(stand_in.count)
        );
        remarks.add(name, "stand_in", stand_in.count as f64, reason);
    }
}

fn of_texts(column: &ColumnProfile, values: usize, remarks: &mut Remarks) {
    let Some(texts) = &column.texts else { return };
    let name = Some(column.name.as_str());
    for (count, kind, what) in [
        (texts.blank, "blank", "are blank without being missing"),
        (texts.padded, "padded", "begin or end with a space"),
    ] {
        if count > 0 {
            let share = count as f64 / values as f64;
            let reason = format!("{} texts ({}) {what}", grouped(count), percent(share));
            remarks.add(name, kind, share, reason);
        }
    }
    if let Some(kind @ (Kind::Number | Kind::Date)) = texts.kind {
        let reason = format!(
            "holds {} as text (looked at {} of them)",
            kind.name(),
            grouped(texts.looked_at as u64)
        );
        remarks.add(name, "wrong_type", texts.looked_at as f64, reason);
    }
    let stand_in = column
        .top
        .iter()
        .find(|top| STAND_IN_TEXTS.contains(&top.value.trim().to_lowercase().as_str()));
    if let Some(stand_in) = stand_in {
        let reason = format!(
            "has the text `{}` {} times, which may stand for missing",
            stand_in.value,
            grouped(stand_in.count)
        );
        remarks.add(name, "stand_in", stand_in.count as f64, reason);
    }
}

fn of_person(column: &ColumnProfile, remarks: &mut Remarks) {
    if column.classification.is_some() {
        return;
    }
    let name = Some(column.name.as_str());
    let by_form = column
        .texts
        .as_ref()
        .and_then(|texts| Some((texts.kind.filter(|kind| kind.is_personal())?, texts.looked_at)));
    if let Some((kind, looked_at)) = by_form {
        let reason = format!(
            "seems to hold {}, nine in ten of {} texts looked at; give it a `classification` in its contract",
            kind.name(),
            grouped(looked_at as u64)
        );
        remarks.add(name, "personal", looked_at as f64, reason);
    } else if let Some(word) = personal_word(&column.name) {
        let reason =
            format!("is about a person by its name (`{word}`); give it a `classification` in its contract");
        remarks.add(name, "personal", 1.0, reason);
    }
}

fn of_relations(profile: &Profile, remarks: &mut Remarks) {
    let near = profile.relations.iter().filter(|pair| pair.size() >= NEARLY_SAME);
    let target = profile.target.as_ref().map(|target| target.column.as_str());
    for pair in near.filter(|pair| target.is_none_or(|target| pair.left != target && pair.right != target)) {
        let reason = format!(
            "says nearly the same as `{}` ({} {}, n = {})",
            pair.right,
            super::report::measure(pair.measure),
            number(pair.strength),
            grouped(pair.rows as u64)
        );
        remarks.add(Some(&pair.left), "nearly_same", pair.strength, reason);
    }
    for pair in profile
        .missing
        .together
        .iter()
        .filter(|pair| pair.correlation >= 0.999)
    {
        let reason = format!(
            "is missing in the same {} rows as `{}`",
            grouped(pair.rows as u64),
            pair.right
        );
        remarks.add(Some(&pair.left), "missing_together", pair.rows as f64, reason);
    }
}

fn of_target(profile: &Profile, remarks: &mut Remarks) {
    let Some(target) = &profile.target else { return };
    if let Some(rarest) = target.classes.last().filter(|rarest| rarest.share < RARE_CLASS) {
        let reason = format!(
            "the class {} has {} of the rows ({} of {})",
            rarest.name,
            percent(rarest.share),
            grouped(rarest.rows as u64),
            grouped(target.rows as u64)
        );
        remarks.add(Some(&target.column), "rare_class", rarest.share, reason);
    }
    for bearing in &target.columns {
        let alone = bearing.alone.unwrap_or_else(|| bearing.relation.size());
        let measure = match target.kind {
            TargetKind::TwoClasses => "area under the ROC curve",
            TargetKind::Number => "R²",
            TargetKind::Classes => super::report::measure(bearing.relation.measure),
        };
        if alone >= TOO_GOOD {
            let reason = format!(
                "tells `{}` alone ({measure} {}, n = {}): is it known before the target is?",
                target.column,
                number(alone),
                grouped(bearing.relation.rows as u64)
            );
            remarks.add(Some(&bearing.column), "leakage", alone, reason);
        }
        let Some(missing) = bearing
            .bins
            .last()
            .filter(|bin| bin.name == "missing" && bin.rows >= 100)
        else {
            continue;
        };
        if target.kind == TargetKind::TwoClasses && (missing.low > TOO_GOOD || missing.high < 1.0 - TOO_GOOD)
        {
            let others = bearing.bins.iter().filter(|bin| bin.name != "missing");
            let (rows, positives) = others.fold((0.0, 0.0), |(n, sum), bin| {
                (n + bin.rows as f64, sum + bin.target * bin.rows as f64)
            });
            if rows > 0.0 && (positives / rows - missing.target).abs() > 0.2 {
                let reason = format!(
                    "where it is missing, {} is {} in {} of {} rows",
                    target.column,
                    target.positive.as_deref().unwrap_or_default(),
                    percent(missing.target),
                    grouped(missing.rows as u64)
                );
                remarks.add(
                    Some(&bearing.column),
                    "missing_tells_target",
                    missing.target,
                    reason,
                );
            }
        }
    }
}

fn of_drift(profile: &Profile, remarks: &mut Remarks) {
    let Some(drift) = &profile.drift else { return };
    for change in drift.columns.iter().filter(|change| change.psi >= LARGE_CHANGE) {
        let reason = format!(
            "is distributed otherwise in {} than in {} (PSI {}, n = {} and {})",
            change.part,
            drift.reference.name,
            number(change.psi),
            grouped(change.rows[1] as u64),
            grouped(change.rows[0] as u64)
        );
        remarks.add(Some(&change.column), "drift", change.psi, reason);
    }
}
