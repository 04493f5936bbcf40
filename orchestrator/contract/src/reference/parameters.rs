//! Parameters as a closed JSON Schema has them, flattened.

use serde::Serialize;
use serde_json::{Map, Value};

/// One parameter.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Parameter {
    /// Its place below `with`: `search.*.int`, `checks[].metric`. `*` is any name.
    pub path: String,
    /// `integer`, `number`, `text`, `boolean`, `list of …`, `map`, or several with `or`.
    #[serde(rename = "type")]
    pub of: String,
    pub required: bool,
    /// As JSON or in words; empty if it is required, or absent means nothing.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub default: String,
    /// Values it may have: `1 to 100,000`, `above 0`, or words.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub range: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub unit: String,
    /// What it does.
    #[serde(rename = "meaning")]
    pub doc: String,
    /// The paper, or the parameter of another library that it equals.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub source: String,
    /// The algorithms that have it, if only some do.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub algorithms: Vec<String>,
    /// Words it may be, with their meanings.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<(String, String)>,
}

/// Schemas within schemas, at most; only one that holds itself goes deeper.
const DEEPEST: usize = 6;

pub(super) fn of(schema: &Value) -> Vec<Parameter> {
    let mut found = Vec::new();
    let walk = Walk { document: schema };
    walk.members(schema, "", 0, &mut found);
    found
}

struct Walk<'s> {
    document: &'s Value,
}

impl<'s> Walk<'s> {
    /// What a schema refers to; its own keywords go before those.
    fn resolve(&self, schema: &'s Value) -> &'s Value {
        let mut schema = schema;
        for _ in 0..16 {
            let target = schema
                .get("$ref")
                .and_then(Value::as_str)
                .and_then(|pointer| self.document.pointer(pointer.strip_prefix('#')?));
            match target {
                Some(target) => schema = target,
                None => break,
            }
        }
        schema
    }

    /// All alternatives of a schema, without null.
    fn alternatives(&self, schema: &'s Value) -> Vec<&'s Value> {
        let schema = self.resolve(schema);
        let mut all = Vec::new();
        let is_only_required = |option: &Value| {
            option
                .as_object()
                .is_some_and(|rules| rules.len() == 1 && rules.contains_key("required"))
        };
        for keyword in ["anyOf", "oneOf", "allOf"] {
            for option in schema
                .get(keyword)
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
            {
                if !is_only_required(option) {
                    all.extend(self.alternatives(option));
                }
            }
        }
        if all.is_empty() {
            all.push(schema);
        }
        all.retain(|schema| schema.get("type").is_none_or(|of| of != "null"));
        all
    }

    /// The parameters of a map.
    fn members(&self, schema: &'s Value, path: &str, depth: usize, found: &mut Vec<Parameter>) {
        if depth > DEEPEST {
            return;
        }
        let alternatives = self.alternatives(schema);
        self.members_of(&alternatives, path, depth, found);
    }

    fn members_of(&self, alternatives: &[&'s Value], path: &str, depth: usize, found: &mut Vec<Parameter>) {
        // What one of several alternatives needs, the others do not have.
        let is_choice = alternatives.len() > 1;
        for schema in alternatives {
            let required: Vec<&str> = if is_choice {
                Vec::new()
            } else {
                texts(schema, "required")
            };
            for (name, member) in schema
                .get("properties")
                .and_then(Value::as_object)
                .into_iter()
                .flatten()
            {
                let path = if path.is_empty() {
                    name.clone()
                } else {
                    format!("{path}.{name}")
                };
                // Two alternatives may share a member: it is said once.
                if found.iter().any(|known| known.path == path) {
                    continue;
                }
                let mut parameter = self.parameter(member, path.clone(), required.contains(&name.as_str()));
                if is_choice && parameter.doc.is_empty() {
                    describe_choice(&mut parameter, name, schema, alternatives);
                }
                found.push(parameter);
                if member.get("x-listed-elsewhere").is_none() {
                    self.inside(member, &path, depth + 1, found);
                }
            }
        }
    }

    /// What is inside lists and maps.
    fn inside(&self, schema: &'s Value, path: &str, depth: usize, found: &mut Vec<Parameter>) {
        let alternatives = self.alternatives(schema);
        if depth <= DEEPEST {
            self.members_of(&alternatives, path, depth, found);
        }
        for option in alternatives {
            if let Some(items) = option.get("items") {
                self.inside_of(items, &format!("{path}[]"), depth, found);
            }
            if let Some(each) = option.get("additionalProperties").filter(|each| each.is_object()) {
                self.inside_of(each, &format!("{path}.*"), depth, found);
            }
        }
    }

    fn inside_of(&self, schema: &'s Value, path: &str, depth: usize, found: &mut Vec<Parameter>) {
        if depth <= DEEPEST {
            self.inside(schema, path, depth, found);
        }
    }

    fn parameter(&self, written: &'s Value, path: String, required: bool) -> Parameter {
        let target = self.resolve(written);
        let own = |key: &str| written.get(key).or_else(|| target.get(key));
        let text = |key: &str| own(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let doc = text("description").replace('\n', " ");
        let (doc, said) = split_default(&doc);
        let none = text("x-none");
        let default = match own("default") {
            _ if required => String::new(),
            Some(Value::Null) | None if !none.is_empty() => format!("none: {none}"),
            Some(Value::Null) | None => said,
            Some(Value::Array(items)) if items.is_empty() && !said.is_empty() => said,
            Some(Value::Array(items)) if items.is_empty() => "none".to_owned(),
            Some(Value::Object(members)) if members.is_empty() && !said.is_empty() => said,
            Some(Value::Object(members)) if members.is_empty() => "none".to_owned(),
            Some(Value::String(word)) => format!("`{word}`"),
            Some(other) => format!("`{other}`"),
        };
        let alternatives = self.alternatives(written);
        let mut types: Vec<String> = Vec::new();
        let mut values: Vec<(String, String)> = Vec::new();
        let mut ranges: Vec<String> = Vec::new();
        for option in alternatives {
            let of = self.type_of(option, &mut values);
            if !of.is_empty() && !types.contains(&of) {
                types.push(of);
            }
            let range = range(option);
            if !range.is_empty() && !ranges.contains(&range) {
                ranges.push(range);
            }
        }
        Parameter {
            path,
            of: match types.is_empty() {
                true => "any value".to_owned(),
                false => types.join(" or "),
            },
            required,
            default,
            range: ranges.join(" or "),
            unit: text("x-unit"),
            doc,
            source: text("x-source"),
            algorithms: texts(written, "x-algorithms")
                .into_iter()
                .map(str::to_owned)
                .collect(),
            values,
        }
    }

    fn type_of(&self, schema: &'s Value, values: &mut Vec<(String, String)>) -> String {
        let constants = schema
            .get("const")
            .into_iter()
            .chain(schema.get("enum").and_then(Value::as_array).into_iter().flatten());
        let mut is_word = false;
        for constant in constants.filter(|constant| !constant.is_null()) {
            is_word = true;
            let shown = constant
                .as_str()
                .map_or_else(|| constant.to_string(), str::to_owned);
            let doc = schema
                .get("description")
                .and_then(Value::as_str)
                .unwrap_or_default();
            // The description of a list of words is that of the parameter.
            let doc = if schema.get("const").is_some() { doc } else { "" };
            if !values.iter().any(|(known, _)| *known == shown) {
                values.push((shown, doc.replace('\n', " ")));
            }
        }
        if is_word {
            return "word".to_owned();
        }
        let named: Vec<&str> = match schema.get("type") {
            Some(Value::String(one)) => vec![one],
            Some(Value::Array(many)) => many.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        let kind = schema.get("x-kind").and_then(Value::as_str);
        let all: Vec<String> = named
            .into_iter()
            .filter(|of| *of != "null")
            .map(|of| match (of, kind) {
                ("string", Some(kind)) => kind.replace('_', " "),
                ("string", None) => "text".to_owned(),
                ("array", Some("columns")) => "list of columns".to_owned(),
                ("array", _) => self.list(schema, values),
                ("object", _) => "map".to_owned(),
                (other, _) => other.to_owned(),
            })
            .collect();
        all.join(" or ")
    }

    fn list(&self, schema: &'s Value, values: &mut Vec<(String, String)>) -> String {
        if let Some(items) = schema.get("prefixItems").and_then(Value::as_array) {
            return format!("list of {}", items.len());
        }
        let Some(items) = schema.get("items") else {
            return "list".to_owned();
        };
        let mut types: Vec<String> = Vec::new();
        for option in self.alternatives(items) {
            let of = self.type_of(option, values);
            if !of.is_empty() && !types.contains(&of) {
                types.push(of);
            }
        }
        match types.is_empty() {
            true => "list".to_owned(),
            false => format!("list of {}s", types.join("s or ")),
        }
    }
}

/// What the alternatives of a choice say of the member that tells them apart: a word that each has
/// another of, or a key that only one has.
fn describe_choice(parameter: &mut Parameter, name: &str, schema: &Value, alternatives: &[&Value]) {
    let description = |schema: &Value| {
        let text = schema.get("description").and_then(Value::as_str);
        text.unwrap_or_default().replace('\n', " ")
    };
    let words: Vec<(String, String)> = alternatives
        .iter()
        .filter_map(|schema| {
            let word = schema.get("properties")?.get(name)?.get("const")?.as_str()?;
            Some((word.to_owned(), description(schema)))
        })
        .collect();
    if words.is_empty() {
        parameter.doc = description(schema);
    } else {
        parameter.doc = "Which of the following it is.".to_owned();
        parameter.values = words;
    }
}

fn texts<'v>(schema: &'v Value, key: &str) -> Vec<&'v str> {
    let all = schema.get(key).and_then(Value::as_array).into_iter().flatten();
    all.filter_map(Value::as_str).collect()
}

/// A description, and the sentence in it that says the default.
fn split_default(doc: &str) -> (String, String) {
    let Some((before, after)) = doc.split_once("Default: ") else {
        return (doc.trim().to_owned(), String::new());
    };
    let end = after.find(". ").map_or(after.len(), |end| end + 1);
    let (default, rest) = after.split_at(end);
    let doc = format!("{}{}", before, rest.trim_start());
    (doc.trim().to_owned(), default.trim_end_matches('.').to_owned())
}

/// The limits of a number or list in words.
fn range(schema: &Value) -> String {
    let Some(rules) = schema.as_object() else {
        return String::new();
    };
    let number = |key: &str| rules.get(key).and_then(Value::as_f64);
    let unsigned = rules
        .get("format")
        .and_then(Value::as_str)
        .is_some_and(|format| format.starts_with("uint"));
    let least = number("minimum").or(unsigned.then_some(0.0));
    let low = match (least, number("exclusiveMinimum")) {
        (_, Some(above)) => Some(format!("above {}", shown(above))),
        (Some(least), None) => Some(format!("at least {}", shown(least))),
        (None, None) => None,
    };
    let high = match (number("maximum"), number("exclusiveMaximum")) {
        (_, Some(below)) => Some(format!("below {}", shown(below))),
        (Some(most), None) => Some(format!("at most {}", shown(most))),
        (None, None) => None,
    };
    match (least, number("maximum"), &low, &high) {
        (Some(least), Some(most), Some(low), Some(_)) if low.starts_with("at least") => {
            format!("{} to {}", shown(least), shown(most))
        }
        _ => [low, high].into_iter().flatten().collect::<Vec<_>>().join(", ") + &lengths(rules),
    }
}

fn lengths(rules: &Map<String, Value>) -> String {
    let count = |key: &str| rules.get(key).and_then(Value::as_u64);
    match (count("minItems"), count("maxItems")) {
        (Some(least), Some(most)) if least == most => format!("{least} items"),
        (Some(least), _) => format!("at least {least} items"),
        (None, Some(most)) => format!("at most {most} items"),
        (None, None) => String::new(),
    }
}

/// A number with commas between thousands.
fn shown(number: f64) -> String {
    if number.fract() != 0.0 || number.abs() < 1e4 || number.abs() > 1e15 {
        return number.to_string();
    }
    let digits = format!("{:.0}", number.abs());
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    if number < 0.0 { format!("-{text}") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn only(schema: Value) -> Parameter {
        let params = json!({"type": "object", "properties": {"p": schema}});
        of(&params).swap_remove(0)
    }

    #[test]
    fn type_range_unit_default_and_source_come_from_the_schema() {
        let found = only(json!({
            "description": "Rounds, at most.", "type": ["integer", "null"], "minimum": 1, "maximum": 100_000,
            "default": 200, "x-unit": "rounds", "x-source": "LightGBM `num_iterations`", "x-algorithms": ["a"],
        }));
        assert_eq!(
            (found.of.as_str(), found.range.as_str()),
            ("integer", "1 to 100,000")
        );
        assert_eq!((found.default.as_str(), found.unit.as_str()), ("`200`", "rounds"));
        assert_eq!(found.doc, "Rounds, at most.");
        assert_eq!(found.algorithms, ["a"]);
        let open = only(json!({"type": "number", "exclusiveMinimum": 0, "maximum": 1, "x-none": "all"}));
        assert_eq!(
            (open.range.as_str(), open.default.as_str()),
            ("above 0, at most 1", "none: all")
        );
    }

    #[test]
    fn a_default_in_words_is_taken_out_of_the_description() {
        let found = only(
            json!({"type": "string", "description": "Column to predict. Default: the label that\nthe table declares. It must be one."}),
        );
        assert_eq!(found.doc, "Column to predict. It must be one.");
        assert_eq!(found.default, "the label that the table declares");
    }

    #[test]
    fn words_maps_and_lists_are_followed_through_references() {
        let params = json!({
            "type": "object", "required": ["checks"],
            "properties": {
                "checks": {"type": "array", "items": {"$ref": "#/$defs/Check"}, "description": "What has to hold."},
                "each": {"type": "object", "additionalProperties": {"type": "object", "properties": {"low": {"type": "number", "description": "Least."}}}},
            },
            "$defs": {
                "Check": {"type": "object", "properties": {
                    "metric": {"oneOf": [{"const": "rows", "description": "How many."}, {"const": "nulls"}]},
                    "inner": {"$ref": "#/$defs/Check"},
                }},
            },
        });
        let found = of(&params);
        let paths: Vec<&str> = found.iter().map(|one| one.path.as_str()).take(4).collect();
        assert_eq!(
            paths,
            [
                "checks",
                "checks[].metric",
                "checks[].inner",
                "checks[].inner.metric"
            ]
        );
        assert!(found[0].required && found[0].of == "list of maps");
        assert_eq!(found[1].values[0], ("rows".to_owned(), "How many.".to_owned()));
        assert!(found.iter().any(|one| one.path == "each.*.low"));
    }
}
