use super::*;
use crate::diagnostic::FileId;
use crate::pipeline::reader::read;
use crate::pipeline::schemas;
use proptest::prelude::*;
use serde_json::json;

static PIPELINE: std::sync::LazyLock<Value> = std::sync::LazyLock::new(schemas::pipeline_form);

/// `code text-underlined` of every fault.
fn faults(schema: &Value, text: &str) -> Vec<String> {
    let (document, found) = read(FileId(0), text);
    assert_eq!(found, [], "{text}");
    let none = BTreeSet::new();
    let mut walk = Walk::new(&none);
    Validator::new(schema).check(&document.unwrap().root, None, false, &mut walk);
    walk.faults
        .iter()
        .map(|fault| {
            let span = fault.primary.span;
            format!(
                "{} {}",
                fault.code,
                text[span.start..span.end].lines().next().unwrap_or("")
            )
        })
        .collect()
}

#[test]
fn a_tag_chooses_the_alternative_whose_faults_are_reported() {
    let schema = schemas::pipeline_form();
    let trigger = |text: &str| {
        faults(
            &schema,
            &format!("version: 1\nname: p\nsteps: {{a: {{run: x}}}}\ntriggers: {{t: {text}}}\n"),
        )
    };
    assert_eq!(trigger("{type: schedule, cron: '* * * * *'}"), [""; 0]);
    assert_eq!(
        trigger("{type: schedule, corn: '* * * * *'}"),
        ["S01/unknown-key corn"]
    );
    assert_eq!(trigger("{type: schedul}"), ["S01/not-allowed-value schedul"]);
    assert_eq!(trigger("{cron: x}"), ["S01/missing-key t"]);
    assert_eq!(trigger("nightly"), ["S01/wrong-type nightly"]);
}

#[test]
fn the_keys_of_a_map_choose_the_alternative_however_much_is_wrong_within() {
    let inner = |members: Value, required: Value| json!({"type": "object", "additionalProperties": false, "properties": members, "required": required});
    let range = inner(json!({"min": {"type": "number"}}), json!([]));
    let order = inner(
        json!({"direction": {"enum": ["up", "down"]}, "ties": {"type": "boolean"}}),
        json!(["direction"]),
    );
    let rule = json!({"anyOf": [
        {"const": "not_null"},
        inner(json!({"range": range}), json!(["range"])),
        inner(json!({"order": order}), json!(["order"])),
    ]});
    let schema = inner(json!({"rule": rule}), json!([]));
    let of = |text: &str| faults(&schema, &format!("rule: {text}\n"));
    assert_eq!(of("not_null"), [""; 0]);
    assert_eq!(of("{order: {direction: up}}"), [""; 0]);
    assert_eq!(
        of("{order: {direction: upp, ties: 7}}"),
        ["S01/not-allowed-value upp", "S01/wrong-type 7"]
    );
    assert_eq!(
        of("{order: {tie: true}}"),
        ["S01/unknown-key tie", "S01/missing-key order"]
    );
    assert_eq!(of("{ordr: {direction: up}}"), ["S01/unknown-key ordr"]);
}

#[test]
fn alternatives_of_different_types_are_told_apart_by_the_value() {
    let schema = schemas::pipeline_form();
    let cache = |text: &str| {
        faults(
            &schema,
            &format!("version: 1\nname: p\nsteps: {{a: {{run: x, cache: {text}}}}}\n"),
        )
    };
    assert_eq!(cache("false"), [""; 0]);
    assert_eq!(cache("{key: [code], ttl: 1d}"), [""; 0]);
    assert_eq!(cache("{keys: [code]}"), ["S01/unknown-key keys"]);
    assert_eq!(cache("{key: [coed]}"), ["S01/not-allowed-value coed"]);
    assert_eq!(cache("never"), ["S01/wrong-type never"]);
}

#[test]
fn a_certain_fix_comes_with_the_fault() {
    let schema = json!({"type": "object", "properties": {
        "n": {"type": "integer"}, "b": {"type": "boolean"}, "t": {"type": "string"},
        "d": {"type": "string", "x-kind": "duration"}, "s": {"type": "string", "x-kind": "size"}
    }});
    for (text, fix) in [
        ("n: '3'", "3"),
        ("b: yes", "true"),
        ("t: 3", "\"3\""),
        ("d: 5 min", "5m"),
        ("s: 8GB", "8Gi"),
    ] {
        let (document, _) = read(FileId(0), text);
        let none = BTreeSet::new();
        let mut walk = Walk::new(&none);
        Validator::new(&schema).check(&document.unwrap().root, None, false, &mut walk);
        assert_eq!(walk.faults[0].fix.as_ref().unwrap().replacement, fix, "{text}");
    }
}

#[test]
fn a_word_of_another_library_leads_to_the_key_of_the_algorithm_at_hand() {
    let schema = json!({"type": "object", "additionalProperties": false, "properties": {
        "algorithm": {"type": "string", "default": "boosting"},
        "n_rounds": {"type": "integer", "x-aliases": ["n_estimators"], "x-algorithms": ["boosting"]},
        "n_trees": {"type": "integer", "x-aliases": ["n_estimators"], "x-algorithms": ["forest"]},
    }});
    for (text, ours) in [
        ("n_estimators: 3", "n_rounds"),
        ("algorithm: forest\nn_estimators: 3", "n_trees"),
    ] {
        let (document, _) = read(FileId(0), text);
        let none = BTreeSet::new();
        let mut walk = Walk::new(&none);
        Validator::new(&schema).check(&document.unwrap().root, None, false, &mut walk);
        assert_eq!(
            walk.faults[0].help.as_deref(),
            Some(&*format!("did you mean `{ours}`?"))
        );
        assert_eq!(walk.faults[0].fix.as_ref().unwrap().replacement, ours);
    }
}

#[test]
fn numbers_keep_to_their_ranges() {
    let schema = json!({"type": "object", "properties": {
        "share": {"type": "number", "minimum": 0, "exclusiveMaximum": 1}, "small": {"type": "integer", "format": "uint8"},
        "pair": {"type": "array", "minItems": 2, "maxItems": 2, "items": {"type": "number"}}
    }});
    assert_eq!(faults(&schema, "share: 0.5\nsmall: 255\npair: [1, 2]\n"), [""; 0]);
    assert_eq!(
        faults(&schema, "share: 1\nsmall: 256\npair: [1]\n"),
        [
            "S01/out-of-range 1",
            "S01/out-of-range 256",
            "S01/out-of-range pair"
        ]
    );
}

#[test]
fn the_schemas_of_all_files_hold_what_editors_need() {
    let catalogue = crate::pipeline::fixture::catalogue();
    let pipeline = schemas::pipeline_json_schema(&catalogue);
    assert!(pipeline["$defs"]["with_train_classifier_v1"]["properties"]["seed"]["anyOf"].is_array());
    let uses = pipeline["$defs"]["Step"]["properties"]["uses"]["anyOf"]
        .as_array()
        .unwrap();
    assert!(uses.iter().any(|option| option["const"] == "split.time@v1"));
    // Every reference leads somewhere.
    fn references<'v>(value: &'v Value, found: &mut Vec<&'v str>) {
        match value {
            Value::Object(members) => {
                found.extend(members.get("$ref").and_then(Value::as_str));
                members.values().for_each(|member| references(member, found));
            }
            Value::Array(items) => items.iter().for_each(|item| references(item, found)),
            _ => {}
        }
    }
    for schema in [
        pipeline,
        schemas::contract_json_schema(),
        schemas::project_json_schema(),
        schemas::library_json_schema(&catalogue),
    ] {
        let mut found = Vec::new();
        references(&schema, &mut found);
        for pointer in found {
            assert!(
                schema.pointer(pointer.strip_prefix('#').unwrap()).is_some(),
                "{pointer}"
            );
        }
    }
}

#[test]
fn every_document_structure_is_described() {
    for schema in [
        schemas::pipeline_form(),
        schemas::project_json_schema(),
        schemas::library_form(),
    ] {
        for (name, definition) in schema["$defs"].as_object().unwrap() {
            assert!(definition.get("description").is_some(), "{name}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// What the validator accepts can be deserialised: the schema and the structures agree.
    #[test]
    fn what_has_no_fault_of_form_is_a_pipeline(
        key in "(timeout|retry|cache|matrix|needs|inputs|outputs|env|resources|if|tags|with|on_failure|secrets)",
        value in "(1|0\\.5|text|true|null|1m|\\[\\]|\\[a\\]|\\{\\}|\\{a: b\\}|\\{max_attempts: 2\\}|\\{type: table\\}|\\{a: \\{type: table\\}\\}|\\{a: \\[1\\]\\}|\\{key: \\[code\\]\\}|\\{cpu: 1\\}|\\{max_parallel: 0\\})",
    ) {
        let text = format!("version: 1\nname: p\nsteps: {{a: {{run: x, {key}: {value}}}}}\n");
        if faults(&PIPELINE, &text).is_empty() {
            let (document, _) = read(FileId(0), &text);
            let value = document.unwrap().root.to_value();
            let parsed = serde_json::from_value::<crate::pipeline::spec::PipelineSpec>(value);
            prop_assert!(parsed.is_ok(), "{text}: {:?}", parsed.err());
        }
    }
}
