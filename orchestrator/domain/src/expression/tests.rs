//! What expressions mean, by example.

use super::*;
use serde_json::json;
use std::collections::BTreeSet;
use trainyard_contract::Path;

/// A pipeline in the middle of its run.
struct Middle;

impl Context for Middle {
    fn root(&self, name: &str) -> Option<Value> {
        Some(match name {
            "params" => json!({
                "seed": 42, "late_minutes": 15, "run_date": "2026-11-22", "share": 0.25,
                "algorithms": ["logistic_regression", "random_forest"], "nothing": null,
            }),
            "vars" => json!({"root": "s3://ml-prod", "endpoint": "flight-delay"}),
            "environment" => json!({"name": "prod"}),
            "matrix" => json!({"algorithm": "random_forest"}),
            "event" => json!({"body": {"date": "2026-11-20", "big": u64::MAX}}),
            _ => return None,
        })
    }

    fn step(&self, name: &str) -> Option<Value> {
        let cell = |algorithm: &str, metrics: Value| json!({"status": "succeeded", "matrix": {"algorithm": algorithm}, "outputs": {}, "metrics": metrics});
        Some(match name {
            "train" => json!([
                cell("logistic_regression", json!({"roc_auc": 0.61})),
                cell("naive_bayes", json!({})),
                cell("random_forest", json!({"roc_auc": 0.68})),
                cell("gradient_boosting", json!({"roc_auc": 0.68})),
            ]),
            "evaluate" => {
                json!({"status": "succeeded", "matrix": {}, "outputs": {"passed": true}, "metrics": {}})
            }
            "my-step" => json!({"status": "skipped", "matrix": {}, "outputs": {}, "metrics": {}}),
            _ => return None,
        })
    }
}

fn types() -> TypeEnv {
    let step = |outputs: Type| {
        Type::map([
            ("status", Type::String),
            ("matrix", Type::map([("algorithm", Type::String)])),
            ("outputs", outputs),
            ("metrics", Type::MapOf(Box::new(Type::Float))),
        ])
    };
    TypeEnv::default()
        .with(
            "params",
            Type::map([
                ("seed", Type::Integer),
                ("late_minutes", Type::Integer),
                ("run_date", Type::Date),
                ("share", Type::Float),
                ("algorithms", Type::list(Type::String)),
                ("nothing", Type::Any),
            ]),
        )
        .with(
            "vars",
            Type::map([("root", Type::String), ("endpoint", Type::String)]),
        )
        .with("environment", Type::map([("name", Type::String)]))
        .with("event", Type::Any)
        .with(
            "steps",
            Type::map([
                ("train", Type::list(step(Type::map([("model", Type::Any)])))),
                ("evaluate", step(Type::map([("passed", Type::Boolean)]))),
                ("my-step", step(Type::map([("table", Type::Any)]))),
            ]),
        )
        .without("matrix", "this step has no matrix")
}

/// The value, or the error's message with the words it points at and its help.
fn value(text: &str) -> String {
    match parse(text).and_then(|expression| expression.evaluate(&Middle)) {
        Ok(value) => value.to_string(),
        Err(error) => report(text, &error),
    }
}

fn type_of(text: &str) -> String {
    match parse(text).and_then(|expression| expression.check(&types())) {
        Ok(of) => of.to_string(),
        Err(error) => report(text, &error),
    }
}

fn report(text: &str, error: &ExpressionError) -> String {
    let help = error
        .help
        .as_ref()
        .map(|help| format!(" ({help})"))
        .unwrap_or_default();
    format!("[{}] {}{help}", &text[error.at.clone()], error.message)
}

#[track_caller]
fn gives(cases: &[(&str, &str)]) {
    for (text, wanted) in cases {
        assert_eq!(value(text), *wanted, "value of {text}");
    }
}

#[track_caller]
fn has_type(cases: &[(&str, &str)]) {
    for (text, wanted) in cases {
        assert_eq!(type_of(text), *wanted, "type of {text}");
    }
}

#[test]
fn operators_bind_as_in_cel() {
    gives(&[
        ("1 + 2 * 3 - 4 / 2", "5"),
        ("(1 + 2) * 3", "9"),
        ("7 / 2", "3"),
        ("-7 / 2", "-3"),
        ("7 / 2.0", "3.5"),
        ("-7 % 3", "-1"),
        ("10 - 4 - 3", "3"),
        ("!true || true && false", "false"),
        ("1 < 2 && 2.0 == 2", "true"),
        ("true ? 1 : false ? 2 : 3", "1"),
        ("false ? 1 : false ? 2 : 3", "3"),
        ("'a' + \"b\" + '\\n'", r#""ab\n""#),
        ("[1, 2] + [3,]", "[1,2,3]"),
        ("{'a': {b: 1}}.a.b", "1"),
        ("2 in [1, 2] && !('x' in {'y': 1}) && 'ell' in 'hello'", "true"),
        ("-9223372036854775808", "-9223372036854775808"),
        ("- -1", "1"),
        ("null == params.nothing", "true"),
        ("params.run_date < '2026-12-01'", "true"),
    ]);
}

#[test]
fn contexts_are_read_by_member_and_index() {
    gives(&[
        ("params.seed", "42"),
        ("params['seed'] + params['se' + 'ed']", "84"),
        ("params.algorithms[1]", "\"random_forest\""),
        ("steps.evaluate.outputs.passed", "true"),
        ("steps['my-step'].status", "\"skipped\""),
        (
            "argmax(steps.train, 'metrics.roc_auc').matrix.algorithm",
            "\"random_forest\"",
        ),
        ("argmin(steps.train, 'metrics.roc_auc').metrics.roc_auc", "0.61"),
        ("steps.train[0].matrix.algorithm", "\"logistic_regression\""),
        ("event.body.date", "\"2026-11-20\""),
        (
            "default(params.typo, 3) + default(params.nothing, 4) + default(params.seed, 5)",
            "49",
        ),
        ("default(params.nothing.deeper, 1)", "1"),
        (
            "has(params.seed) && !has(params.typo) && !has(steps.later) && !has(params.algorithms[2])",
            "true",
        ),
    ]);
}

#[test]
fn functions_give_what_they_promise() {
    gives(&[
        ("[len('né'), len([1]), len({'a': 1})]", "[2,1,1]"),
        ("[min(3, 1.5), max([1, 7, 7.0]), min('b', 'a')]", "[1.5,7,\"a\"]"),
        ("[sum([]), sum([1, 2]), sum([1, 0.5])]", "[0,3,1.5]"),
        (
            "[abs(-3), round(2.5), round(-2.5), round(2.345, 2), floor(-1.5), ceil(1.2)]",
            "[3,3,-3,2.35,-2,2]",
        ),
        (
            "[lower('ÀB'), upper('straße'), trim('  x ')]",
            r#"["àb","STRASSE","x"]"#,
        ),
        (
            "[contains('abc', 'b'), contains([1], 1.0), contains({'k': 1}, 'k')]",
            "[true,true,true]",
        ),
        (
            "[starts_with('abc', 'ab'), ends_with('abc', 'ab')]",
            "[true,false]",
        ),
        (
            "[replace('a-b-c', '-', '+'), join(split('a,b', ','), '/'), join([1, true], ' ')]",
            r#"["a+b+c","a/b","1 true"]"#,
        ),
        ("split('añ', '')", r#"["a","ñ"]"#),
        (
            "format('{} of {:.2} {{{0}}}', 'x', 2.0 / 3)",
            r#""x of 0.67 {x}""#,
        ),
        (
            "[string(1.0), integer(' 12 '), integer(3.0), float('1e3'), float(2)]",
            r#"["1.0",12,3,1000.0,2.0]"#,
        ),
        (
            "[date('2026-11-22T23:30:00+02:00'), date('2024-02-29')]",
            r#"["2026-11-22","2024-02-29"]"#,
        ),
        (
            "[days_between('2026-03-01', '2026-02-01'), days_between('2024-02-28', '2024-03-01')]",
            "[-28,2]",
        ),
        ("add_days(params.run_date, -22)", "\"2026-10-31\""),
    ]);
}

#[test]
fn what_has_no_value_is_an_error_at_its_place() {
    gives(&[
        (
            "1 + 9223372036854775807",
            "[1 + 9223372036854775807] 1 + 9223372036854775807 is beyond the range of 64-bit integers",
        ),
        (
            "-params.seed * 9223372036854775807",
            "[-params.seed * 9223372036854775807] -42 * 9223372036854775807 is beyond the range of 64-bit integers",
        ),
        (
            "-9223372036854775808 / -1",
            "[-9223372036854775808 / -1] -9223372036854775808 / -1 is beyond the range of 64-bit integers",
        ),
        (
            "-9223372036854775808 % -1",
            "[-9223372036854775808 % -1] -9223372036854775808 % -1 is beyond the range of 64-bit integers",
        ),
        (
            "abs(-9223372036854775808)",
            "[-9223372036854775808] `abs`: the result is beyond the range of 64-bit integers",
        ),
        ("2 + 1 / (3 - 3)", "[1 / (3 - 3)] division by zero"),
        ("1.0 % 0", "[1.0 % 0] division by zero"),
        (
            "1e308 * 10",
            "[1e308 * 10] the result is beyond the range of floats",
        ),
        ("round(1e300)", "[1e300] `round`: 1e300 is no 64-bit integer"),
        (
            "params.seed + 'x'",
            "[params.seed + 'x'] `+` takes two numbers, two texts or two lists, not integer and string",
        ),
        (
            "params.sed",
            "[sed] `params` has no member `sed` (did you mean `seed`?)",
        ),
        (
            "params.algorithms[2]",
            "[2] there is no element 2: `params.algorithms` has 2, from 0",
        ),
        (
            "params.algorithms[-1]",
            "[-1] there is no element -1: `params.algorithms` has 2, from 0",
        ),
        (
            "params.algorithms[0.5]",
            "[0.5] the index of a list is an integer, not float",
        ),
        (
            "params.seed ? 1 : 2",
            "[params.seed] `?` takes booleans, not integer",
        ),
        ("steps.later.outputs", "[later] there is no step `later` here"),
        (
            "steps",
            "[steps] `steps` needs the name of a step (write `steps.NAME`; the name is written out, so that the order of steps is known)",
        ),
        (
            "argmax(steps.train, 'metrics.auc')",
            "['metrics.auc'] `argmax`: none of 4 elements has a number at `metrics.auc`",
        ),
        ("min([])", "[[]] `min`: the list is empty"),
        (
            "max(1, 'a')",
            "['a'] `max`: only numbers, or only texts, have an order",
        ),
        (
            "date('2026-02-30')",
            "['2026-02-30'] `date`: `2026-02-30` is not a date such as 2026-11-22",
        ),
        (
            "date('2026-11-22x')",
            "['2026-11-22x'] `date`: `2026-11-22x` is not a date such as 2026-11-22",
        ),
        (
            "add_days('9999-12-31', 1)",
            "[1] `add_days`: the result is beyond the range of dates",
        ),
        (
            "integer('1.5')",
            "['1.5'] `integer`: `1.5` is not a 64-bit integer",
        ),
        (
            "float('inf')",
            "['inf'] `float`: the result is beyond the range of floats",
        ),
        (
            "event.body.big + 1",
            "[event.body.big + 1] `+` takes two numbers, two texts or two lists, not a number beyond 64-bit integers and integer",
        ),
        ("trigger.type", "[trigger] there is no name `trigger` here"),
    ]);
}

#[test]
fn what_is_no_expression_is_refused_at_its_place() {
    gives(&[
        ("", "[] there is no expression here"),
        ("1 +", "[] expected a value, found the end"),
        ("1 2", "[2] expected an operator or the end, found a number"),
        ("(1", "[(] this is not closed by `)`"),
        ("len('a'", "[(] this is not closed by `)`"),
        (
            "a < b < c",
            "[<] `<` after a comparison: comparisons do not chain (write `a < b && b < c`, or parentheses)",
        ),
        (
            "a and b",
            "[and] expected an operator or the end, found `and` (write `&&`)",
        ),
        (
            "a = b",
            "[=] `=` does not compare, and nothing can be assigned (write `==` to compare)",
        ),
        (
            "lenn('a')",
            "[lenn] there is no function `lenn` (did you mean `len`?)",
        ),
        ("len()", "[len()] `len` takes 1 argument, not 0 (write `len(x)`)"),
        (
            "replace('a')",
            "[replace('a')] `replace` takes 3 arguments, not 1 (write `replace(text, from, to)`)",
        ),
        (
            "'a'.upper()",
            "[upper] values have no methods (functions stand before their argument: `upper(…)`)",
        ),
        (
            "steps.train[*].metrics",
            "[*] `[*]` collects a matrix in `inputs` only (here the name of a matrix step already is the list of its cells)",
        ),
        ("{'a': 1, 'a': 2}", "['a'] key `a` occurs twice"),
        ("5m", "[5m] `5m` is not a number (write a text in quotes: '5m')"),
        (
            "9223372036854775808",
            "[9223372036854775808] number beyond the range of 64-bit integers",
        ),
    ]);
}

#[test]
fn types_are_known_before_the_run() {
    has_type(&[
        ("params.seed + 1", "integer"),
        ("params.seed * 0.5", "float"),
        ("params.run_date", "date"),
        ("'x-' + params.run_date", "string"),
        ("params.algorithms", "list[string]"),
        ("params.algorithms[0]", "string"),
        ("[1, 2.5]", "list[float]"),
        ("[1, 'a']", "list"),
        ("steps.evaluate.outputs.passed", "boolean"),
        ("steps.train", "list[map]"),
        (
            "argmax(steps.train, 'metrics.roc_auc').matrix.algorithm",
            "string",
        ),
        ("event.body.date", "any"),
        ("environment.name == 'prod' ? 1 : 2.5", "float"),
        ("default(params.nothing, 1)", "any"),
        ("round(1.5)", "integer"),
        ("max(params.seed, 2.5)", "float"),
    ]);
}

#[test]
fn what_cannot_fit_is_found_before_the_run() {
    has_type(&[
        (
            "params.sed",
            "[sed] there is no param `sed` (did you mean `seed`?)",
        ),
        (
            "parms.seed",
            "[parms] there is no name `parms` (did you mean `params`?)",
        ),
        (
            "seed + 1",
            "[seed] there is no name `seed` (did you mean `params.seed`?)",
        ),
        (
            "len",
            "[len] there is no name `len` (`len` is a function; call it: `len(x)`)",
        ),
        (
            "matrix.algorithm",
            "[matrix] `matrix` cannot be used here: this step has no matrix",
        ),
        (
            "steps.evalute.outputs.passed",
            "[evalute] there is no step `evalute` (did you mean `evaluate`?)",
        ),
        (
            "steps.evaluate.outputs.pased",
            "[pased] step `evaluate` has no output `pased` (did you mean `passed`?)",
        ),
        (
            "steps.my-step.status",
            "[my] there is no step `my` (names with `-` stand in brackets: `steps['my-step']`)",
        ),
        (
            "steps.train.metrics",
            "[metrics] `steps.train` is a list, which has no member `metrics` (a step with a matrix is the list of its cells: choose one, `steps.train[0]` or `argmax(steps.train, 'metrics.NAME')`)",
        ),
        (
            "steps[params.run_date]",
            "[steps] `steps` needs the name of a step (write `steps.NAME`; the name is written out, so that the order of steps is known)",
        ),
        (
            "argmax(steps.train, 'metics.roc_auc')",
            "[metics] `argmax`: no element has `metics` (did you mean `metrics`?)",
        ),
        (
            "argmax(steps.evaluate, 'metrics.roc_auc')",
            "[steps.evaluate] `argmax` takes a list here, not map (it compares the cells of a matrix step; this step has no matrix)",
        ),
        (
            "argmax(steps.train, 'status')",
            "['status'] `argmax` compares numbers; `status` is string",
        ),
        (
            "params.seed && true",
            "[params.seed] `&&` takes booleans, not integer (compare it: `… > 0`)",
        ),
        (
            "params.seed == '42'",
            "[params.seed == '42'] `==` compares integer with string, which are never equal",
        ),
        (
            "params.seed < 'a'",
            "[params.seed < 'a'] `<` compares numbers or texts, not integer with string",
        ),
        (
            "'seed-' + params.seed",
            "['seed-' + params.seed] `+` takes two numbers, two texts or two lists, not string and integer (make it a text: `string(…)`)",
        ),
        (
            "params.run_date + 1",
            "[params.run_date + 1] `+` takes two numbers, two texts or two lists, not date and integer (use `add_days(date, days)`)",
        ),
        (
            "params.seed.x",
            "[x] `params.seed` is integer, which has no member `x`",
        ),
        (
            "lower(params.seed)",
            "[params.seed] `lower` takes a text here, not integer (write `lower(text)`)",
        ),
        (
            "1 in params.algorithms",
            "[1] a list of string never holds integer",
        ),
        (
            "format('{} {}', 1)",
            "['{} {}'] place 1 of `format` has no value: 1 given",
        ),
        (
            "format('{}', 1, 2)",
            "[2] the text of `format` has no place for this value (write `{}` where it should stand)",
        ),
        ("1 / 0", "[1 / 0] division by zero"),
        (
            "date('22.11.2026')",
            "['22.11.2026'] `date`: `22.11.2026` is not a date such as 2026-11-22",
        ),
    ]);
}

#[test]
fn errors_tell_their_kind() {
    let kind = |text: &str| {
        let found = Template::parse(text).and_then(|template| template.check(&types()));
        found.unwrap_err().kind
    };
    for (text, wanted) in [
        ("${{ 1 + }}", ErrorKind::Syntax),
        ("${{ 1", ErrorKind::Syntax),
        ("${{ parms.seed }}", ErrorKind::UnknownName),
        ("${{ matrix.x }}", ErrorKind::UnknownName),
        ("${{ params.sed }}", ErrorKind::UnknownParam),
        ("${{ vars.rot }}", ErrorKind::UnknownVar),
        ("${{ steps.trian.status }}", ErrorKind::UnknownStep),
        ("${{ steps.evaluate.outputs.x }}", ErrorKind::UnknownOutput),
        ("${{ steps.train.metrics.x }}", ErrorKind::ManyCells),
        ("${{ 1 + 'a' }}", ErrorKind::Type),
        ("a ${{ [1] }}", ErrorKind::Type),
        ("${{ 1 / 0 }}", ErrorKind::Value),
    ] {
        assert_eq!(kind(text), wanted, "{text}");
    }
}

#[test]
fn a_template_that_is_one_expression_keeps_its_type() {
    let evaluate = |text: &str| Template::parse(text).unwrap().evaluate(&Middle).unwrap();
    assert_eq!(evaluate("${{ params.seed }}"), json!(42));
    assert_eq!(
        evaluate("${{ params.algorithms }}"),
        json!(["logistic_regression", "random_forest"])
    );
    assert_eq!(
        evaluate("seed ${{ params.seed }}${{params.share}}!"),
        json!("seed 420.25!")
    );
    assert_eq!(evaluate(" ${{ params.seed }}"), json!(" 42"));
    assert_eq!(evaluate("${{ {'a': {'b': '}}'}} }}"), json!({"a": {"b": "}}"}}));
    assert_eq!(evaluate("no $ {{ expression }}"), json!("no $ {{ expression }}"));
    assert!(Template::parse("plain ${{ 1 + 1 }}").unwrap().is_constant());
    assert!(!Template::parse("${{ params.seed }}").unwrap().is_constant());
}

#[test]
fn errors_in_templates_point_into_the_whole_text() {
    let error = |text: &str| {
        let found = Template::parse(text).and_then(|template| template.check(&types()));
        report(text, &found.unwrap_err())
    };
    assert_eq!(
        error("é ${{ 1 }} ${{ params.sed }}"),
        "[sed] there is no param `sed` (did you mean `seed`?)"
    );
    assert_eq!(error("a ${{ params.seed"), "[${{] `${{` is not closed by `}}`");
    assert_eq!(error("a ${{ params.seed }"), "[${{] `${{` is not closed by `}}`");
    assert_eq!(error("a ${{ 'x }}"), "['] this text is not closed by `'`");
    assert_eq!(error("a ${{ }}"), "[ ] there is no expression here");
    assert_eq!(
        error("a ${{ params.algorithms }}"),
        "[params.algorithms] list[string] cannot stand within a text \
         (make it a text, as in `join(…, ',')`, or let the expression stand alone)"
    );
}

#[test]
fn values_are_rendered_whole_or_as_far_as_known() {
    let value = json!({
        "seed": "${{ params.seed }}",
        "list": [1, "${{ vars.root }}/x", "${{ steps.train }}"],
        "nested": {"both": "${{ params.seed }}-${{ steps.evaluate.status }}"},
    });
    let partial = render_known(&value, &Middle, &["steps"]).unwrap();
    assert_eq!(
        partial.value,
        json!({
            "seed": 42,
            "list": [1, "s3://ml-prod/x", "${{ steps.train }}"],
            "nested": {"both": "${{ params.seed }}-${{ steps.evaluate.status }}"},
        })
    );
    let unknown = [
        Path::root().key("list").index(2),
        Path::root().key("nested").key("both"),
    ];
    assert_eq!(partial.unknown, BTreeSet::from(unknown));
    let whole = render(&json!(["${{ 1 / (params.seed - 42) }}"]), &Middle).unwrap_err();
    assert_eq!(whole.path.to_string(), "[0]");
    assert_eq!(whole.error.message, "division by zero");
}

#[test]
fn references_name_what_is_mentioned() {
    let text = "steps.evaluate.outputs.passed && params.seed in [vars[params.run_date], matrix.algorithm] \
                && argmax(steps.train, 'outputs.score').outputs.model == steps['my-step'].outputs.table[0]";
    let references = parse(text).unwrap().references();
    assert_eq!(
        references.roots(),
        BTreeSet::from(["matrix", "params", "steps", "vars"])
    );
    assert_eq!(references.names("params"), BTreeSet::from(["run_date", "seed"]));
    assert!(references.mentions_all_of("vars") && !references.mentions_all_of("params"));
    let steps = references.steps();
    assert_eq!(steps["evaluate"], BTreeSet::from(["passed"]));
    assert_eq!(steps["train"], BTreeSet::from(["model", "score"]));
    assert_eq!(steps["my-step"], BTreeSet::from(["table"]));
    assert_eq!(&text[references.mentions[0].at.clone()], "evaluate");
    assert_eq!(&text[references.mentions[0].output_at.clone().unwrap()], "passed");
}

#[test]
fn hostile_texts_are_refused_with_a_position() {
    let deep = 100_000;
    for text in [
        "(".repeat(4_000),
        "[".repeat(16_000),
        "!".repeat(16_000),
        "-".repeat(16_000),
        "{a:".repeat(5_000),
        "1?".repeat(5_000),
        "a.".repeat(8_000),
        "len(".repeat(4_000),
        vec!["a"; 8_000].join("+"),
        "a".to_owned() + &"[0]".repeat(5_000),
        "(".repeat(deep),
        "x".repeat(deep),
    ] {
        let error = parse(&text).unwrap_err();
        assert!(text.get(error.at).is_some(), "{}", &text[..8]);
        assert!(Template::parse(&format!("${{{{{text}")).is_err());
    }
}

#[test]
fn what_is_just_not_too_deep_is_read_printed_checked_and_evaluated() {
    let nest = |open: &str, inner: &str, close: &str| open.repeat(60) + inner + &close.repeat(60);
    for text in [
        nest("(", "1", ")"),
        nest("[", "1", "]"),
        nest("{a: ", "1", "}"),
        nest("!", "true", ""),
        nest("max(1, ", "1", ")"),
        nest("true ? ", "1", " : 1"),
        "1 + (".repeat(30) + "1" + &")".repeat(30),
        nest("", "1", " + 1"),
        nest("default(params.x, ", "1", ")"),
    ] {
        let expression = parse(&text).unwrap();
        assert!(parse(&expression.to_string()).is_ok());
        let _ = expression.check(&types());
        assert!(expression.evaluate(&Middle).is_ok(), "{text}");
    }
}

#[test]
fn a_short_text_cannot_build_a_huge_value() {
    let mut text = "'aaaaaaaaaaaaaaaa'".to_owned();
    for _ in 0..12 {
        text = format!("replace({text}, 'a', 'aaaaaaaaaaaaaaaa')");
    }
    assert_eq!(
        parse(&text).unwrap().evaluate(&Middle).unwrap_err().message,
        "`replace`: the expression builds more than 16 MB"
    );
    let list = format!(
        "[{}]",
        vec!["replace('aaaaaaaaaaaaaaaa', 'a', 'aaaaaaaaaaaaaaaa')"; 100].join(",")
    );
    assert!(parse(&list).unwrap().evaluate(&Middle).is_ok());
}
