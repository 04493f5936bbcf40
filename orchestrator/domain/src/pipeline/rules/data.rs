//! Rules about data.

use super::Rule;
use trainyard_contract::Severity;

pub(super) static RULES: &[Rule] = &[
    Rule {
        code: "D01/missing-column",
        title: "a column is read that does not exist there",
        severity: Severity::Error,
        why: "Columns are followed from the contract of the source through every step, so a misspelt or dropped column is found before anything runs.",
        bad: "keep: [carier, month]",
        good: "keep: [carrier, month]",
    },
    Rule {
        code: "D01/wrong-column-type",
        title: "a column has another type than its reader needs",
        severity: Severity::Error,
        why: "The step would fail, or a contract would not be met.",
        bad: "columns: {hour_sin: \"sin(carrier)\"}",
        good: "columns: {hour_sin: \"sin(2.0 * pi() * hour / 24.0)\"}",
    },
    Rule {
        code: "D01/ambiguous-name",
        title: "a name in a query could be a column of more than one of its tables",
        severity: Severity::Error,
        why: "Which of the columns is meant nobody can tell, so the query is refused when it runs.",
        bad: "query: SELECT month FROM flights f JOIN weather w USING (origin)",
        good: "query: SELECT f.month FROM flights f JOIN weather w USING (origin)",
    },
    Rule {
        code: "D02/nullable",
        title: "values that may be missing go where none may be",
        severity: Severity::Warning,
        why: "The contract of the output promises that no value is missing, and one of its sources may be.",
        bad: "dep_delay: {type: int16, nullable: false} # from a nullable column",
        good: "dep_delay: {type: int16, nullable: true}",
    },
    Rule {
        code: "D02/narrowing",
        title: "values are cast to a type that cannot hold all of them",
        severity: Severity::Warning,
        why: "Large values would fail or change.",
        bad: "distance: {type: int8} # from int16",
        good: "distance: {type: int16}",
    },
    Rule {
        code: "D02/unit",
        title: "a column changes its unit without a conversion",
        severity: Severity::Warning,
        why: "Numbers in miles would be read as kilometres.",
        bad: "distance: {type: int16, unit: km} # from miles",
        good: "distance: {type: int16, unit: mile}",
    },
    Rule {
        code: "D03/ambiguous-column",
        title: "two columns of one name, or keys of different types, meet in a join",
        severity: Severity::Warning,
        why: "Which of two columns is meant depends on the order of the inputs, and keys of different types never match as meant.",
        bad: "as_of_join: [{table: weather, by: [origin], columns: [month]}]",
        good: "as_of_join: [{table: weather, by: [origin], columns: [temp]}]",
    },
    Rule {
        code: "D06/unused-columns",
        title: "columns are carried along and never used",
        severity: Severity::Warning,
        why: "Reading and storing them costs time and space in every run.",
        bad: "columns: \"*\"",
        good: "columns: [carrier, month, distance]",
    },
];
