//! Every rule the checks know, with what `trainyard explain CODE` says of it.

mod data;
mod model;
mod running;
mod spec;

use trainyard_contract::Severity;

/// A rule of the checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// `FAMILY/rule`. Stable.
    pub code: &'static str,
    /// What it finds, a few words.
    pub title: &'static str,
    /// How much it matters at level `baseline`; `strict` raises warnings to errors.
    pub severity: Severity,
    /// Why it matters and what to do, one or more sentences.
    pub why: &'static str,
    /// YAML that breaks it.
    pub bad: &'static str,
    /// The same put right.
    pub good: &'static str,
}

/// All rules, by code.
pub static RULES: &[&[Rule]] = &[spec::RULES, running::RULES, data::RULES, model::RULES];

/// All rules in the order of their codes.
pub fn rules() -> impl Iterator<Item = &'static Rule> {
    RULES.iter().flat_map(|rules| rules.iter())
}

/// The rules that a code or a family names.
pub fn named(code: &str) -> Vec<&'static Rule> {
    rules().filter(|rule| covers(code, rule.code)).collect()
}

/// Whether `pattern`, a code or a family, covers a code. Letter case does not matter.
pub(super) fn covers(pattern: &str, code: &str) -> bool {
    if pattern.contains('/') {
        return pattern.eq_ignore_ascii_case(code);
    }
    code.split('/')
        .next()
        .is_some_and(|family| pattern.eq_ignore_ascii_case(family))
}

/// The full code of a finding whose step gave only a family.
pub(super) fn full(code: &str) -> &str {
    match code {
        "S01" => "S01/wrong-value",
        "S02" => "S02/unknown-name",
        "S03" => "S03/column-expression",
        "D01" => "D01/missing-column",
        "D02" => "D02/narrowing",
        "D03" => "D03/ambiguous-column",
        "D06" => "D06/unused-columns",
        "M01" => "M01/known-too-late",
        "M02" => "M02/label-among-features",
        "M03" => "M03/fitted-before-split",
        "M05" => "M05/random-split",
        full => full,
    }
}

/// The full code of a finding whose step gave only a family, by what it says.
pub(super) fn of_finding<'c>(code: &'c str, message: &str) -> &'c str {
    let lacks = ["no column", "no input", "nothing says", "no event time"]
        .iter()
        .any(|words| message.contains(words));
    match code {
        "D01" if !lacks && TYPE_WORDS.iter().any(|word| message.contains(word)) => "D01/wrong-column-type",
        "D02" if message.contains("missing") || message.contains("null") => "D02/nullable",
        "D02" if message.contains("unit") => "D02/unit",
        code => full(code),
    }
}

/// Words with which messages speak of types.
const TYPE_WORDS: [&str; 8] = [
    " type",
    "number",
    "numeric",
    "boolean",
    "text",
    "string",
    "timestamp",
    "not a time",
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn codes_are_unique_and_well_formed() {
        let codes: Vec<&str> = rules().map(|rule| rule.code).collect();
        assert_eq!(codes.iter().collect::<BTreeSet<_>>().len(), codes.len());
        for rule in rules() {
            let (family, name) = rule.code.split_once('/').unwrap();
            assert!(
                family.len() == 3 && family.starts_with(['S', 'D', 'M', 'C']),
                "{}",
                rule.code
            );
            assert!(
                name.bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'),
                "{}",
                rule.code
            );
            assert!(
                rule.why.ends_with('.') && !rule.bad.is_empty() && !rule.good.is_empty(),
                "{}",
                rule.code
            );
        }
    }

    #[test]
    fn a_family_and_a_message_tell_the_rule() {
        assert_eq!(
            of_finding("D01", "there is no column `x` of type string here"),
            "D01/missing-column"
        );
        assert_eq!(
            of_finding("D01", "`carrier` is string, and sin needs a number"),
            "D01/wrong-column-type"
        );
        assert_eq!(of_finding("D02", "`x` may be missing"), "D02/nullable");
        assert_eq!(of_finding("M01", "late"), "M01/known-too-late");
    }

    #[test]
    fn every_family_has_a_rule_that_stands_for_it() {
        for family in [
            "S01", "S02", "S03", "D01", "D02", "D03", "D06", "M01", "M02", "M03", "M05",
        ] {
            assert!(rules().any(|rule| rule.code == full(family)), "{family}");
        }
        assert_eq!(named("m01")[0].code, "M01/known-too-late");
        assert_eq!(named("S01/yaml").len(), 1);
        assert!(named("S01").len() > 5);
        assert!(named("X").is_empty());
    }
}
