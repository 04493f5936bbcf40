//! A happening as a CloudEvent 1.0.

use serde_json::{Map, Value, json};
use trainyard_domain::notice::Happening;

/// What the type of every event begins with.
const TYPE: &str = "dev.trainyard.";

/// The attributes of an event, in a fixed order. `project` is the name of the project it comes from.
fn attributes(happening: &Happening, project: &str) -> Vec<(&'static str, String)> {
    let time = jiff::Timestamp::from_microsecond(happening.at.0)
        .map_or_else(|_| "1970-01-01T00:00:00Z".to_owned(), |at| at.to_string());
    vec![
        ("specversion", "1.0".to_owned()),
        ("id", happening.id.clone()),
        ("source", format!("/trainyard/{project}")),
        ("type", format!("{TYPE}{}", happening.kind)),
        ("subject", happening.subject.clone()),
        ("time", time),
    ]
}

/// What the event says.
pub(crate) fn data(happening: &Happening) -> Value {
    let mut data = Map::new();
    data.insert("kind".to_owned(), json!(happening.kind));
    data.insert("title".to_owned(), json!(happening.title));
    for (name, text) in [("text", &happening.text), ("advice", &happening.advice)] {
        if !text.is_empty() {
            data.insert(name.to_owned(), json!(text));
        }
    }
    if let Ok(Value::Object(about)) = serde_json::to_value(&happening.about) {
        data.extend(about);
    }
    Value::Object(data)
}

/// All of it in one document: the structured mode, and a line of a file.
pub(crate) fn structured(happening: &Happening, project: &str) -> Value {
    let mut document = Map::new();
    for (name, value) in attributes(happening, project) {
        document.insert(name.to_owned(), Value::String(value));
    }
    document.insert("datacontenttype".to_owned(), json!("application/json"));
    document.insert("data".to_owned(), data(happening));
    Value::Object(document)
}

/// Headers of the binary mode; the body is the data.
pub(crate) fn headers(happening: &Happening, project: &str) -> Vec<(String, String)> {
    attributes(happening, project)
        .into_iter()
        .map(|(name, value)| (format!("ce-{name}"), encoded(&value)))
        .collect()
}

/// As the HTTP binding wants a header's value: what is not printable ASCII, and `"`, `%` and space,
/// percent-encoded.
fn encoded(value: &str) -> String {
    let mut header = String::with_capacity(value.len());
    for byte in value.bytes() {
        match byte {
            b'"' | b'%' | 0..=0x20 | 0x7f.. => header.push_str(&format!("%{byte:02X}")),
            plain => header.push(char::from(plain)),
        }
    }
    header
}

#[cfg(test)]
mod tests {
    use super::*;
    use trainyard_contract::Timestamp;
    use trainyard_domain::notice::alias_moved;

    fn happening() -> Happening {
        let mut happening = alias_moved(
            "späte flüge",
            "champion",
            Some(1),
            2,
            Timestamp(1_800_000_000_000_000),
        );
        happening.about.owner = Some("team-ml".to_owned());
        happening
    }

    #[test]
    fn an_event_has_what_the_specification_demands() {
        let event = structured(&happening(), "flights");
        assert_eq!(
            event,
            json!({
                "specversion": "1.0", "id": "späte flüge.champion.1800000000000000", "source": "/trainyard/flights",
                "type": "dev.trainyard.model.alias_moved", "subject": "models/späte flüge",
                "time": "2027-01-15T08:00:00Z", "datacontenttype": "application/json",
                "data": {
                    "kind": "model.alias_moved",
                    "title": "`champion` of model späte flüge is version 2, before at version 1",
                    "model": "späte flüge", "version": 2, "owner": "team-ml",
                },
            })
        );
    }

    #[test]
    fn headers_carry_nothing_that_could_end_them() {
        let mut happening = happening();
        happening.subject = "a\r\nx-evil: \"1\" %41".to_owned();
        let headers = headers(&happening, "flights");
        let subject = headers.iter().find(|(name, _)| name == "ce-subject").unwrap();
        assert_eq!(subject.1, "a%0D%0Ax-evil:%20%221%22%20%2541");
        let id = headers.iter().find(|(name, _)| name == "ce-id").unwrap();
        assert_eq!(id.1, "sp%C3%A4te%20fl%C3%BCge.champion.1800000000000000");
    }
}
