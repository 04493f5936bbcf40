use super::*;
use proptest::prelude::*;

fn runs(text: &str) -> Result<Filter, String> {
    Filter::parse(Dialect::Runs, text).map_err(|refused| refused.message)
}

fn one(text: &str) -> Comparison {
    match runs(text).unwrap() {
        Filter::Is(comparison) => comparison,
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_comparator_is_read() {
    use Condition::{Absent, Among, NotAmong, Number, Present, Text};
    let metric = |key: &str| Subject::Metric(key.to_owned());
    let tag = |key: &str| Subject::Tag(key.to_owned());
    let text = |text: &str| text.to_owned();
    for (written, subject, condition) in [
        (
            "metrics.acc > 0.5",
            metric("acc"),
            Number(Comparator::Greater, 0.5),
        ),
        (
            "metric.acc>=1",
            metric("acc"),
            Number(Comparator::GreaterOrEqual, 1.0),
        ),
        (
            "metrics.`a b` != -1e3",
            metric("a b"),
            Number(Comparator::NotEqual, -1000.0),
        ),
        (
            "metrics.\"val/acc\" <= .5",
            metric("val/acc"),
            Number(Comparator::LessOrEqual, 0.5),
        ),
        (
            "params.m = 'x'",
            Subject::Param(text("m")),
            Text(TextTest::Equal, text("x")),
        ),
        (
            "params.m = \"x\"",
            Subject::Param(text("m")),
            Text(TextTest::Equal, text("x")),
        ),
        (
            "parameters.m != 'it''s'",
            Subject::Param(text("m")),
            Text(TextTest::NotEqual, text("it's")),
        ),
        (
            "tags.mlflow.source.name LIKE '%a_'",
            tag("mlflow.source.name"),
            Text(TextTest::Like, text("%a_")),
        ),
        (
            "tag.`mlflow.user` ilike 'A'",
            tag("mlflow.user"),
            Text(TextTest::Ilike, text("A")),
        ),
        ("tags.x IS NULL", tag("x"), Absent),
        ("params.x is not null", Subject::Param(text("x")), Present),
        (
            "run_id IN ('a', 'b')",
            Subject::Attribute(Attribute::RunId),
            Among(vec![text("a"), text("b")]),
        ),
        (
            "attributes.run_id NOT IN ('a')",
            Subject::Attribute(Attribute::RunId),
            NotAmong(vec![text("a")]),
        ),
        (
            "attr.status = 'FAILED'",
            Subject::Attribute(Attribute::Status),
            Text(TextTest::Equal, text("FAILED")),
        ),
        (
            "start_time > 12",
            Subject::Attribute(Attribute::StartTime),
            Number(Comparator::Greater, 12.0),
        ),
        (
            "run.`Run name` = 'x'",
            Subject::Attribute(Attribute::RunName),
            Text(TextTest::Equal, text("x")),
        ),
        (
            "datasets.name IN ('d')",
            Subject::Dataset(DatasetField::Name),
            Among(vec![text("d")]),
        ),
        (
            "dataset.context = 'train'",
            Subject::Dataset(DatasetField::Context),
            Text(TextTest::Equal, text("train")),
        ),
    ] {
        assert_eq!(one(written), Comparison { subject, condition }, "{written}");
    }
}

#[test]
fn and_binds_tighter_than_or() {
    let all = runs("tags.a = '1' OR tags.b = '2' AND (tags.c = '3' OR tags.d = '4')").unwrap();
    let Filter::Or(either) = all else { panic!("no OR") };
    let Filter::And(both) = &either[1] else {
        panic!("no AND")
    };
    assert!(matches!(both[1], Filter::Or(_)));
    assert_eq!(runs("  ").unwrap(), Filter::And(Vec::new()));
}

#[test]
fn what_is_wrong_is_said_as_clients_know_it() {
    for (text, said) in [
        (
            "metrics.acc > 'x'",
            "Expected numeric value type for metric. Found 'x'",
        ),
        (
            "params.acc = 5",
            "Expected a quoted string value for parameter (e.g. 'my-value'). Got value 5",
        ),
        (
            "tags.acc = x",
            "Parameter value is either not quoted or unidentified quote types used for string value x. Use either single or double quotes.",
        ),
        (
            "foo.acc = 'x'",
            "Invalid entity type 'foo'. Valid values are ['metric', 'parameter', 'tag', 'attribute', 'dataset']",
        ),
        (
            "metrics.acc LIKE 3",
            "Invalid comparator 'LIKE' not one of '{'!=', '<', '<=', '=', '>', '>='}",
        ),
        (
            "params.x > 'a'",
            "Invalid comparator '>' not one of '{'!=', '=', 'ILIKE', 'LIKE'}'",
        ),
        (
            "status IN ('a')",
            "Only ['run_id'] attributes support comparison with a list of quoted string values.",
        ),
        (
            "run_id IN ()",
            "While parsing a list in the query, expected a non-empty list of string values, but got empty list",
        ),
        (
            "metrics.a > 1 metrics.b > 2",
            "Invalid clause(s) in filter string: 'metrics.b'",
        ),
        (
            "metrics.a > 1; DROP TABLE runs",
            "Invalid clause(s) in filter string: ';'",
        ),
    ] {
        assert_eq!(runs(text), Err(said.to_owned()), "{text}");
    }
    for text in [
        "metrics.a",
        "metrics.a >",
        "> 1",
        "'a' = 'b'",
        "(metrics.a > 1",
        "metrics.a > 1 AND",
        "tags.a = 'x",
        "a = 'b' --",
        "status IS NULL",
        "metrics.a == 1",
    ] {
        assert!(runs(text).is_err(), "{text}");
    }
}

#[test]
fn a_deep_or_long_filter_is_refused_and_does_no_harm() {
    let deep = format!("{}metrics.a > 1{}", "(".repeat(5_000), ")".repeat(5_000));
    assert!(runs(&deep).is_err());
    let long = vec!["metrics.a > 1"; 10_000].join(" AND ");
    assert!(runs(&long).is_err());
}

#[test]
fn each_dialect_has_its_own_attributes() {
    for (dialect, good, bad) in [
        (
            Dialect::Experiments,
            "name = 'x' AND tags.a = 'b' AND creation_time > 5",
            "metrics.a > 1",
        ),
        (
            Dialect::Models,
            "name ILIKE '%x' AND tag.`mlflow.prompt.is_prompt` != 'true'",
            "run_id = 'x'",
        ),
        (
            Dialect::Versions,
            "run_id IN ('a') AND version_number >= 2 AND source_path = 's'",
            "params.a = 'b'",
        ),
        (
            Dialect::LoggedModels,
            "metrics.a > 1 AND params.b = 'c' AND attributes.model_type = 't'",
            "datasets.name = 'x'",
        ),
    ] {
        assert!(
            Filter::parse(dialect, good).is_ok(),
            "{good}: {:?}",
            Filter::parse(dialect, good)
        );
        assert!(Filter::parse(dialect, bad).is_err(), "{bad}");
    }
}

fn key() -> impl Strategy<Value = String> {
    "[a-z ./:_-]{1,12}"
}

proptest! {
    #[test]
    fn a_quoted_key_and_a_quoted_value_are_what_they_say(key in key(), value in "[^\u{0}]{0,12}") {
        let written = format!("tags.`{key}` = '{}'", value.replace('\'', "''"));
        let comparison = one(&written);
        prop_assert_eq!(comparison.subject, Subject::Tag(key));
        prop_assert_eq!(comparison.condition, Condition::Text(TextTest::Equal, value));
    }

    #[test]
    fn no_text_breaks_the_reader(text in "[a-z.'\"`()<>=!,0-9 \\-+ANDORLIKEé;]{0,60}") {
        for dialect in [Dialect::Runs, Dialect::Experiments, Dialect::Models, Dialect::Versions, Dialect::LoggedModels] {
            let _ = Filter::parse(dialect, &text);
        }
    }
}
