//! Which columns a model learns from, and what is wrong with them before any row is read.

use super::algorithm::Purpose;
use crate::fault::no_column;
use crate::inference::with;
use trainyard_contract::finding::{Finding, Path};
use trainyard_contract::schema::{Column, DataType, Schema};

/// What a training step was told about columns.
#[derive(Clone, Copy)]
pub(crate) struct Told<'a> {
    /// Name of the label, if given.
    pub(crate) label: Option<&'a str>,
    /// Features, if listed.
    pub(crate) features: &'a [String],
    /// Moment of prediction, if given.
    pub(crate) predict_at: Option<&'a str>,
    /// What the model is for; clusters have no label.
    pub(crate) purpose: Purpose,
    /// Column that says how much a row counts, if there is one.
    pub(crate) sample_weight: Option<&'a str>,
    /// Columns of numbers that are taken as categories.
    pub(crate) categorical: &'a [String],
}

/// The columns of a training table in their roles.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Roles {
    pub(crate) label: Option<String>,
    pub(crate) features: Vec<String>,
    /// Columns that nobody listed and that a model cannot take.
    pub(crate) passed_over: Vec<String>,
}

/// Finds the roles in `schema`, the table at input `input`, and what is wrong with them.
///
/// Without a list the features are those the table declares, or all columns but label, event time
/// and primary key; of the latter, columns that a model cannot take (times, lists) are passed over.
/// A listed feature may be part of the primary key: a carrier identifies a flight and tells about it.
pub(crate) fn roles(schema: &Schema, input: &str, told: Told<'_>) -> (Roles, Vec<Finding>) {
    let mut findings = Vec::new();
    let at_input = Path::root().key("inputs").key(input);
    let label = match told.purpose {
        Purpose::Clusters => None,
        Purpose::Classes | Purpose::Numbers => told.label.or(schema.label.as_deref()),
    };
    let label_path = if told.label.is_some() {
        with("label")
    } else {
        at_input.clone()
    };
    let label_column = match label {
        None if told.purpose == Purpose::Clusters => None,
        None => {
            let message = format!("nothing says which column of `{input}` is to be predicted");
            findings.push(Finding::error("D01", at_input.clone(), message).help("name it with `label:`"));
            None
        }
        Some(name) => {
            let column = schema.column(name);
            match column {
                Some(column) => findings.extend(label_type(column, &label_path, told)),
                None => findings.push(no_column(name, label_path, schema.names()).at_word(name)),
            }
            column
        }
    };
    let listed = !told.features.is_empty();
    let mut roles = Roles {
        label: label.map(str::to_owned),
        ..Roles::default()
    };
    let names: Vec<String> = if listed {
        told.features.to_vec()
    } else {
        let mut declared = schema.clone();
        declared.label = roles.label.clone();
        let names = declared.feature_names().into_iter();
        names
            .filter(|name| Some(*name) != told.sample_weight)
            .map(str::to_owned)
            .collect()
    };
    for (place, name) in names.iter().enumerate() {
        let path = if listed {
            with("features").index(place)
        } else {
            at_input.clone()
        };
        if names[..place].contains(name) {
            findings
                .push(Finding::error("D03", path, format!("feature `{name}` is listed twice")).at_word(name));
            continue;
        }
        let Some(column) = schema.column(name) else {
            findings.push(no_column(name, path, schema.names()).at_word(name));
            continue;
        };
        if Some(name.as_str()) == told.sample_weight {
            let message = format!("`{name}` is the weight of rows and cannot be a feature as well");
            findings.push(
                Finding::error("D03", path, message)
                    .at_word(name)
                    .help("leave one out"),
            );
            continue;
        }
        if let Some(why) = cannot_be_learnt_from(&column.data_type) {
            if listed || schema.features.contains(name) {
                let message = format!("feature `{name}` is {}, {why}", column.data_type);
                let help =
                    "take from it what matters with `features.build` or `transform.sql`, as a number or text";
                findings.push(Finding::error("D01", path, message).at_word(name).help(help));
            } else {
                roles.passed_over.push(name.clone());
            }
            continue;
        }
        if listed && schema.event_time.as_ref() == Some(name) {
            let message = format!("`{name}` is when the row's event happened: no later row has its values");
            findings.push(
                Finding::error("M02", path, message)
                    .at_word(name)
                    .help("leave it out"),
            );
            continue;
        }
        let vouched = schema.features.contains(name);
        findings.extend(too_late(column, &path, schema, told, vouched));
        findings.extend(tells_label(
            column,
            &path,
            label,
            label_column,
            vouched && told.label == schema.label.as_deref(),
        ));
        roles.features.push(name.clone());
    }
    findings.extend(wrong_weight(schema, told));
    findings.extend(wrong_categories(schema, &roles, told));
    if roles.features.is_empty() && findings.is_empty() {
        let message = format!("`{input}` has no column that a model can learn from");
        findings.push(Finding::error("D01", at_input, message));
    }
    (roles, findings)
}

/// Why a type cannot be a feature.
pub(crate) fn cannot_be_learnt_from(data_type: &DataType) -> Option<&'static str> {
    if data_type.is_temporal() {
        return Some("and a point in time is not a quantity to learn from");
    }
    match data_type {
        DataType::List(_) | DataType::Binary => Some("and a model takes numbers, booleans and texts"),
        _ => None,
    }
}

fn label_type(column: &Column, path: &Path, told: Told<'_>) -> Option<Finding> {
    let (name, data_type) = (&column.name, &column.data_type);
    if matches!(data_type, DataType::Other(_)) {
        return None;
    }
    if told.purpose == Purpose::Numbers {
        return (!data_type.is_numeric()).then(|| {
            let message = format!("label `{name}` is {data_type}, and a regression predicts a number");
            Finding::error("D01", path.clone(), message)
                .at_word(name)
                .help("use `train.classifier@v1`")
        });
    }
    match data_type {
        DataType::Boolean => None,
        _ if data_type.is_integer() => None,
        // Whether it has two values or several is seen at run time only.
        DataType::String => None,
        _ => {
            let message =
                format!("label `{name}` is {data_type}, and a classifier predicts one of some values");
            let help = "make it a boolean, such as `arr_delay > 15`, or use `train.regressor@v1`";
            Some(
                Finding::error("D01", path.clone(), message)
                    .at_word(name)
                    .help(help),
            )
        }
    }
}

/// A weight that is no number.
fn wrong_weight(schema: &Schema, told: Told<'_>) -> Option<Finding> {
    let name = told.sample_weight?;
    let path = with("sample_weight");
    let Some(column) = schema.column(name) else {
        return Some(no_column(name, path, schema.names()).at_word(name));
    };
    let is_number = column.data_type.is_numeric() || matches!(column.data_type, DataType::Other(_));
    (!is_number).then(|| {
        let message = format!(
            "weight `{name}` is {}, and a weight is a number",
            column.data_type
        );
        Finding::error("D01", path, message).at_word(name)
    })
}

/// Columns that cannot be categories, or are no features.
fn wrong_categories(schema: &Schema, roles: &Roles, told: Told<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (place, name) in told.categorical.iter().enumerate() {
        let path = with("categorical").index(place);
        let Some(column) = schema.column(name) else {
            findings.push(no_column(name, path, schema.names()).at_word(name));
            continue;
        };
        let of = &column.data_type;
        let whole =
            of.is_integer() || matches!(of, DataType::Boolean | DataType::String | DataType::Other(_));
        if !whole {
            let message = format!("`{name}` is {of}, and categories are whole numbers, booleans or texts");
            findings.push(Finding::error("D01", path, message).at_word(name));
        } else if !roles.features.contains(name) {
            let message = format!("`{name}` is categorical but no feature");
            findings.push(Finding::warning("S06", path, message).at_word(name));
        }
    }
    findings
}

/// M01, unless the step that declared this feature has answered for it.
fn too_late(column: &Column, path: &Path, schema: &Schema, told: Told<'_>, vouched: bool) -> Option<Finding> {
    let at = match told.predict_at {
        Some(at) => at,
        None if vouched => return None,
        None => schema.predict_at.as_deref()?,
    };
    let known = column.known_at.as_ref()?;
    if known.is_after(at)? {
        let message = format!(
            "`{}` is known at {}, after the prediction is made at {at}",
            column.name, known.moment
        );
        let help = format!("leave it out, or predict later than at {at}");
        return Some(
            Finding::error("M01", path.clone(), message)
                .at_word(&column.name)
                .help(help),
        );
    }
    None
}

/// M02: the label itself, or something made from all it is made from.
fn tells_label(
    column: &Column,
    path: &Path,
    label: Option<&str>,
    label_column: Option<&Column>,
    vouched: bool,
) -> Option<Finding> {
    if Some(column.name.as_str()) == label {
        let message = format!("`{}` is the label itself", column.name);
        return Some(
            Finding::error("M02", path.clone(), message)
                .at_word(&column.name)
                .help("leave it out"),
        );
    }
    let origins = &label_column?.origins;
    if vouched || origins.is_empty() || !origins.is_subset(&column.origins) {
        return None;
    }
    let message = format!("`{}` is made from what the label is made from", column.name);
    let finding = Finding::error("M02", path.clone(), message).at_word(&column.name);
    Some(origins.iter().fold(
        finding.help("leave it out, or predict something else"),
        |finding, origin| {
            finding.note(format!(
                "both come from `{}` of `{}`",
                origin.column, origin.dataset
            ))
        },
    ))
}

/// Whether a table can be used beside the training table: it must have the same columns. `path` is
/// where it stands.
pub(crate) fn same_columns(train: &Schema, roles: &Roles, other: &Schema, input: &str) -> Vec<Finding> {
    let path = Path::root().key("inputs").key(input);
    let mut findings = Vec::new();
    for name in roles.features.iter().chain(&roles.label) {
        let (Some(expected), found) = (train.column(name), other.column(name)) else {
            continue;
        };
        match found {
            None => findings.push(no_column(name, path.clone(), other.names())),
            Some(found) if is_text(&found.data_type) != is_text(&expected.data_type) => {
                let message = format!(
                    "`{name}` of `{input}` is {}, but the model is trained on {}",
                    found.data_type, expected.data_type
                );
                findings.push(Finding::error("D01", path.clone(), message));
            }
            Some(_) => {}
        }
    }
    findings
}

/// Whether a column is taken as categories.
pub(crate) fn is_text(data_type: &DataType) -> bool {
    matches!(data_type, DataType::String)
}

/// A moment of prediction that no column's contract knows.
pub(crate) fn unknown_moment(schema: &Schema, predict_at: Option<&str>) -> Option<Finding> {
    let at = predict_at?;
    let order = &schema
        .columns
        .iter()
        .find_map(|column| column.known_at.as_ref())?
        .order;
    if schema
        .columns
        .iter()
        .flat_map(|c| &c.known_at)
        .any(|known| known.order.iter().any(|moment| moment == at))
    {
        return None;
    }
    let moments: Vec<&str> = order.iter().map(String::as_str).collect();
    let finding = Finding::error(
        "M01",
        with("predict_at"),
        format!("no contract has a moment `{at}`"),
    );
    Some(
        match trainyard_contract::finding::nearest(at, moments.iter().copied()) {
            Some(near) => finding.help(format!("did you mean `{near}`?")),
            None => finding.help(format!("there are {}", crate::fault::list(&moments))),
        },
    )
}
