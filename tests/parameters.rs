//! Every parameter of every built-in step, written wrongly in every way its schema knows: what `trainyard check` says
//! stands at the very value or key.
//!
//! The schema of a step's parameters is what completion, reference and check have in common, so the faults are made from
//! it: another type, a number out of range, a word that is none, a key with a letter too many.

use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use trainyard_contract::Catalogue;
use trainyard_domain::diagnostic::Severity;
use trainyard_domain::pipeline::{self, CheckRequest, FileFault, Files};

/// Stands where the fault is to be.
const HERE: &str = "__here__";
/// Schemas within schemas that are followed; only one that holds itself goes deeper.
const DEEPEST: usize = 7;

/// One file.
struct OneFile(String);

impl Files for OneFile {
    fn read(&self, path: &str) -> Result<Vec<u8>, FileFault> {
        match path {
            "p.yaml" => Ok(self.0.clone().into_bytes()),
            _ => Err(FileFault::Missing),
        }
    }

    fn glob(&self, _pattern: &str) -> Result<Vec<String>, FileFault> {
        Ok(Vec::new())
    }

    fn exists(&self, path: &str) -> bool {
        path == "p.yaml"
    }
}

/// A parameter block with one fault in it.
struct Wrong {
    /// What is wrong, for whoever reads a failure.
    about: String,
    /// `with` as flow YAML, and which bytes of it are wrong.
    with: String,
    at: std::ops::Range<usize>,
    /// A name that must be suggested.
    meant: Option<String>,
    /// Whether a list or map stands where another value should.
    is_collection: bool,
}

impl Wrong {
    /// `document` holds [`HERE`] in the place of `text`.
    fn new(about: String, document: &Value, text: &str, meant: Option<&str>) -> Self {
        let with = document.to_string();
        let quoted = format!("\"{HERE}\"");
        let start = with.find(&quoted).unwrap();
        Self {
            about,
            with: with.replacen(&quoted, text, 1),
            at: start..start + text.len(),
            is_collection: text.starts_with(['{', '[']),
            meant: meant.map(str::to_owned),
        }
    }
}

/// Follows a schema.
struct Walk<'s> {
    document: &'s Value,
    found: Vec<Wrong>,
}

impl<'s> Walk<'s> {
    fn resolve(&self, mut schema: &'s Value) -> &'s Value {
        while let Some(pointer) = schema.get("$ref").and_then(Value::as_str) {
            schema = self.document.pointer(&pointer[1..]).unwrap();
        }
        schema
    }

    /// All forms a value may have.
    fn forms(&self, schema: &'s Value) -> Vec<&'s Value> {
        let schema = self.resolve(schema);
        let mut forms = Vec::new();
        for keyword in ["anyOf", "oneOf", "allOf"] {
            for form in schema
                .get(keyword)
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
            {
                let says_more = form
                    .as_object()
                    .is_some_and(|rules| rules.keys().any(|key| key != "required"));
                if says_more {
                    forms.extend(self.forms(form));
                }
            }
        }
        if forms.is_empty() {
            forms.push(schema);
        }
        forms
    }

    /// A value, put into a parameter block by `wrap`.
    fn value(&mut self, schema: &'s Value, path: &str, depth: usize, wrap: &dyn Fn(Value) -> Value) {
        let forms = self.forms(schema);
        let here = wrap(HERE.into());
        let mut types = BTreeSet::new();
        let mut words: Vec<&str> = Vec::new();
        let mut is_open_text = false;
        for form in &forms {
            let constants = form
                .get("const")
                .into_iter()
                .chain(form.get("enum").and_then(Value::as_array).into_iter().flatten());
            let own: Vec<&str> = constants.filter_map(Value::as_str).collect();
            is_open_text |= own.is_empty() && has_type(form, "string");
            words.extend(own);
            for name in [
                "string", "integer", "number", "boolean", "object", "array", "null",
            ] {
                if has_type(form, name) {
                    types.insert(name);
                }
            }
        }
        if !words.is_empty() {
            types.insert("string");
        }
        if !types.is_empty() {
            let wrong = [
                (&["string"][..], "zzqx"),
                (&["integer", "number"][..], "7"),
                (&["boolean"][..], "true"),
                (&["object"][..], "{zzqx: 1}"),
                (&["array"][..], "[[[zzqx]]]"),
            ]
            .into_iter()
            .find(|(names, _)| names.iter().all(|name| !types.contains(name)));
            if let Some((_, text)) = wrong {
                self.found
                    .push(Wrong::new(format!("{path}: {text}"), &here, text, None));
            }
        }
        if !words.is_empty() && !is_open_text {
            for word in &words {
                let text = format!("{word}{}", word.chars().last().unwrap());
                // A letter too many may make another of the words.
                if !words.contains(&text.as_str()) {
                    let about = format!("{path}: {text}");
                    self.found.push(Wrong::new(about, &here, &text, Some(word)));
                }
            }
        }
        // A number outside one form may be inside another.
        let numeric: Vec<&&Value> = forms
            .iter()
            .filter(|form| has_type(form, "integer") || has_type(form, "number"))
            .collect();
        if let [form] = numeric.as_slice() {
            for outside in outside(form) {
                let about = format!("{path}: {outside}");
                self.found.push(Wrong::new(about, &here, &outside, None));
            }
        }
        if depth == DEEPEST {
            return;
        }
        let objects = forms
            .iter()
            .filter(|form| form.get("properties").is_some())
            .count();
        for form in forms {
            self.members(form, path, depth, objects == 1, wrap);
            if let Some(items) = form.get("items") {
                let inside = |value: Value| wrap(json!([value]));
                self.value(items, &format!("{path}[]"), depth + 1, &inside);
            }
            if let Some(each) = form.get("additionalProperties").filter(|each| each.is_object()) {
                let inside = |value: Value| wrap(json!({"some_name": value}));
                self.value(each, &format!("{path}.*"), depth + 1, &inside);
            }
        }
    }

    fn members(
        &mut self,
        form: &'s Value,
        path: &str,
        depth: usize,
        is_only: bool,
        wrap: &dyn Fn(Value) -> Value,
    ) {
        let Some(members) = form.get("properties").and_then(Value::as_object) else {
            return;
        };
        // What tells this form from others.
        let mut told = Map::new();
        for (name, member) in members {
            if let Some(constant) = member.get("const") {
                told.insert(name.clone(), constant.clone());
            }
        }
        for (name, member) in members {
            let place = if path.is_empty() {
                name.clone()
            } else {
                format!("{path}.{name}")
            };
            let misspelt = format!("{name}{}", name.chars().last().unwrap());
            let is_closed = form.get("additionalProperties") == Some(&Value::Bool(false));
            // Beside others a key must tell the form on its own.
            let is_told = is_only || members.len() == 1;
            if is_closed && is_told && !members.contains_key(&misspelt) {
                let mut map = told.clone();
                map.insert(HERE.to_owned(), 1.into());
                let document = wrap(map.into());
                let about = format!("{place}: {misspelt}");
                let quoted = format!("\"{misspelt}\"");
                self.found.push(Wrong::new(about, &document, &quoted, Some(name)));
            }
            if member.get("const").is_none() && member.get("x-listed-elsewhere").is_none() {
                let inside = |value: Value| {
                    let mut map = told.clone();
                    map.insert(name.clone(), value);
                    wrap(map.into())
                };
                self.value(member, &place, depth + 1, &inside);
            }
        }
    }
}

fn has_type(schema: &Value, name: &str) -> bool {
    match schema.get("type") {
        Some(Value::String(one)) => one == name,
        Some(Value::Array(many)) => many.iter().any(|one| one == name),
        _ => false,
    }
}

/// Numbers just outside what a schema allows.
fn outside(schema: &Value) -> Vec<String> {
    let is_integer = has_type(schema, "integer") && !has_type(schema, "number");
    let number = |key: &str| schema.get(key).and_then(Value::as_f64);
    let shown = |number: f64| {
        if is_integer || number.fract() == 0.0 {
            format!("{number:.0}")
        } else {
            number.to_string()
        }
    };
    let low = number("minimum").map(|least| least - 1.0);
    let high = number("maximum").map(|most| if most < 1e15 { most + 1.0 } else { most * 2.0 });
    let mut outside: Vec<String> = [low, number("exclusiveMinimum"), high, number("exclusiveMaximum")]
        .into_iter()
        .flatten()
        .map(shown)
        .collect();
    let format = schema.get("format").and_then(Value::as_str).unwrap_or_default();
    if format.starts_with("uint") && low.is_none() {
        outside.push("-1".to_owned());
    }
    if is_integer {
        outside.push("1.5".to_owned());
    }
    outside
}

fn catalogue() -> Catalogue {
    trainyard_executors::process_steps().and(trainyard_steps::catalogue())
}

/// All that is wrong with how a step's faults are told.
fn untold(uses: &str, wrongs: &[Wrong], catalogue: &Catalogue) -> String {
    let mut text = String::from("version: 1\nname: p\nsteps:\n");
    let mut starts = Vec::with_capacity(wrongs.len());
    for (nth, wrong) in wrongs.iter().enumerate() {
        write!(text, "  s{nth}:\n    uses: {uses}\n    with: ").unwrap();
        starts.push(text.len());
        writeln!(text, "{}", wrong.with).unwrap();
    }
    let files = OneFile(text.clone());
    let checked = pipeline::check(&CheckRequest {
        project: None,
        entries: &["p.yaml".to_owned()],
        files: &files,
        catalogue,
        environment: None,
        params: &BTreeMap::new(),
        level: None,
    });
    let mut report = String::new();
    for (wrong, start) in wrongs.iter().zip(starts) {
        let at = start + wrong.at.start..start + wrong.at.end;
        let there: Vec<_> = checked
            .diagnostics
            .iter()
            .filter(|found| found.severity == Severity::Error)
            .filter(|found| {
                let span = found.primary.span;
                // A list or map is pointed at by its key, since it may be long.
                let by_key = wrong.is_collection && span.end <= at.start && span.start >= start;
                by_key || (span.start == at.start && span.end == at.end)
            })
            .collect();
        let suggested = |word: &String| {
            let quoted = format!("`{word}`");
            there.iter().any(|found| {
                let texts = found.help.iter().chain(&found.notes);
                texts.chain([&found.message]).any(|text| text.contains(&quoted))
            })
        };
        if there.is_empty() {
            let block = start..start + wrong.with.len();
            let elsewhere: Vec<String> = checked
                .diagnostics
                .iter()
                .filter(|found| block.contains(&found.primary.span.start))
                .map(|found| {
                    let span = found.primary.span.start..found.primary.span.end;
                    format!("{} at `{}`: {}", found.code, &text[span], found.message)
                })
                .collect();
            writeln!(report, "{uses} {}: nothing; elsewhere {elsewhere:?}", wrong.about).unwrap();
        } else if let Some(word) = wrong.meant.as_ref().filter(|word| !suggested(word)) {
            let said: Vec<&str> = there.iter().map(|found| found.message.as_str()).collect();
            writeln!(
                report,
                "{uses} {}: `{word}` is not suggested: {said:?}",
                wrong.about
            )
            .unwrap();
        }
    }
    report
}

#[test]
fn every_wrong_parameter_of_every_step_is_told_at_its_place() {
    let catalogue = catalogue();
    let mut report = String::new();
    let mut all = 0;
    for (uses, step) in catalogue.iter() {
        let schema = step.signature().params;
        let mut walk = Walk {
            document: &schema,
            found: Vec::new(),
        };
        walk.value(&schema, "", 0, &|value| value);
        // The whole block in one is another rule's.
        walk.found.retain(|wrong| !wrong.about.starts_with(':'));
        all += walk.found.len();
        for some in walk.found.chunks(200) {
            report.push_str(&untold(uses, some, &catalogue));
        }
    }
    assert!(all > 1500, "only {all} faults were made");
    assert!(report.is_empty(), "of {all}:\n{report}");
}
