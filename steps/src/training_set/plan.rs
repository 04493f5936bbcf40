//! What is asked for: which features of which views, by which columns of the entity rows, under which names.

use super::on_demand::Derived;
use super::{ENTITIES, Lag, Params};
use crate::fault;
use crate::historical::{KeyKind, ViewAsk, stored_names};
use crate::inference::with;
use std::collections::{BTreeMap, BTreeSet};
use trainyard_contract::feature::{
    Asked, FeatureDefinitions, FeaturePick, FeatureRef, FeatureView, Key, OnDemandView, UnknownFeature,
};
use trainyard_contract::finding::{Finding, Path, nearest};
use trainyard_contract::{Column, DataType, Millis, Schema, Severity, TimeUnit};
use trainyard_features::on_demand::OnDemandProgram;

/// A list of features, resolved.
#[derive(Debug)]
pub(crate) struct Plan {
    /// In the order in which they are first asked for.
    pub(crate) views: Vec<ViewPlan>,
    /// On-demand views, which are computed from them.
    pub(super) derived: Vec<Derived>,
    /// In the order of the output's columns.
    pub(crate) outputs: Vec<Out>,
    /// Column of the entity rows.
    pub(crate) event_time: String,
    /// Whether the event times of what was found are columns as well.
    pub(crate) event_times: bool,
}

/// A view that is looked up.
#[derive(Debug)]
pub(crate) struct ViewPlan {
    pub(crate) ask: ViewAsk,
    /// Where it is first asked for, and by which word.
    pub(super) path: Path,
    pub(super) word: String,
    /// The version that is asked for, if one is.
    pub(crate) version: Option<u32>,
}

/// A column of the output.
#[derive(Debug)]
pub(crate) struct Out {
    pub(super) made: Made,
    pub(super) feature: String,
    /// Name of the column.
    pub(super) name: String,
    /// Where it is asked for, and by which word.
    pub(super) path: Path,
    pub(super) word: String,
}

/// Where a column comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Made {
    /// From a view, by its place in [`Plan::views`].
    LookedUp(usize),
    /// By an on-demand view, by its place in [`Plan::derived`] and the feature's in it.
    Computed(usize, usize),
}

/// A plan, unless something is wrong, and what is.
pub(super) struct Planned {
    pub(super) plan: Option<Plan>,
    pub(super) findings: Vec<Finding>,
}

/// Column with the event time of what was found in a view.
pub(super) fn time_column(view: &FeatureView) -> String {
    format!("{}__event_time", view.name)
}

/// Type of that column.
pub(super) fn time_type() -> DataType {
    DataType::Timestamp(TimeUnit::Microseconds, Some("UTC".to_owned()))
}

/// One reference and where it stands.
struct Reference {
    reference: FeatureRef,
    path: Path,
    word: String,
}

struct Planner<'a> {
    params: &'a Params,
    definitions: &'a FeatureDefinitions,
    entities: Option<&'a Schema>,
    /// Views whose rows come as a table, with the names of their source.
    tables: &'a [&'a str],
    views: Vec<ViewPlan>,
    derived: Vec<Derived>,
    outputs: Vec<Out>,
    findings: Vec<Finding>,
}

impl Plan {
    /// Resolves what is asked for. Without the entity rows' columns only what does not need them is checked, and
    /// there is no plan.
    pub(super) fn resolve(
        params: &Params,
        definitions: &FeatureDefinitions,
        entities: Option<&Schema>,
        tables: &[&str],
    ) -> Planned {
        let mut planner = Planner {
            params,
            definitions,
            entities,
            tables,
            views: Vec::new(),
            derived: Vec::new(),
            outputs: Vec::new(),
            findings: Vec::new(),
        };
        let event_time = planner.event_time();
        for reference in planner.references() {
            planner.add(&reference);
        }
        planner.columns();
        planner.names();
        let wrong = planner
            .findings
            .iter()
            .any(|finding| finding.severity == Severity::Error);
        let plan = match event_time {
            Some(event_time) if !wrong && entities.is_some() => Some(Plan {
                views: planner.views,
                derived: planner.derived,
                outputs: planner.outputs,
                event_time,
                event_times: params.event_times,
            }),
            _ => None,
        };
        Planned {
            plan,
            findings: planner.findings,
        }
    }

    /// What does not fit between the entity rows, the definitions and what is known of the views' rows.
    pub(super) fn unfit(&self, views: &BTreeMap<&str, Option<&Schema>>) -> Vec<Finding> {
        let mut findings = Vec::new();
        for view in &self.views {
            let definition = &view.ask.view;
            let Some(Some(schema)) = views.get(definition.name.as_str()) else {
                continue;
            };
            let path = Path::root().key("inputs").key(&definition.name);
            let features = view.ask.features.iter().map(String::as_str);
            let wanted = definition
                .keys
                .iter()
                .map(|key| key.name.as_str())
                .chain(features);
            let times = std::iter::once(&definition.event_time).chain(&definition.created_time);
            for column in wanted
                .map(|name| definition.column_of(name))
                .chain(times.map(String::as_str))
            {
                if schema.column(column).is_none() {
                    let finding = fault::no_column(column, path.clone(), schema.names());
                    findings.push(finding.note(format!("the feature view `{}` has it", definition.name)));
                }
            }
        }
        findings
    }
}

impl Planner<'_> {
    fn error(&mut self, code: &str, path: Path, message: String, help: impl Into<String>) {
        self.findings.push(Finding::error(code, path, message).help(help));
    }

    fn event_time(&mut self) -> Option<String> {
        let schema = self.entities?;
        let path = with("event_time");
        let Some(name) = self
            .params
            .event_time
            .clone()
            .or_else(|| schema.event_time.clone())
        else {
            self.error(
                "D01",
                path,
                "nothing says which column of the entity rows is their time".to_owned(),
                "say `event_time: COLUMN`, or give their contract an `event_time`",
            );
            return None;
        };
        let Some(column) = schema.column(&name) else {
            let finding = fault::no_column(&name, path, schema.names()).at_word(name);
            self.findings.push(finding);
            return None;
        };
        if !matches!(column.data_type, DataType::Date | DataType::Timestamp(..)) {
            let message = format!(
                "`{name}` is of type {}, an event time is a date or a timestamp",
                column.data_type
            );
            self.findings
                .push(Finding::error("D01/wrong-column-type", path, message).at_word(name));
            return None;
        }
        Some(name)
    }

    /// All references in order: those of the service, then those named one by one.
    fn references(&mut self) -> Vec<Reference> {
        let mut references = Vec::new();
        if let Some(name) = &self.params.service {
            let path = with("service");
            match self.definitions.service(name) {
                Ok(service) => references.extend(service.features.iter().map(|reference| Reference {
                    reference: reference.clone(),
                    path: path.clone(),
                    word: name.clone(),
                })),
                Err(error) => {
                    let names: Vec<&str> = self.definitions.services.keys().map(String::as_str).collect();
                    self.unknown(&error, path, name, name, &names);
                }
            }
        }
        for (at, text) in self.params.features.iter().enumerate() {
            let path = with("features").index(at);
            match text.parse::<FeatureRef>() {
                Ok(reference) => references.push(Reference {
                    reference,
                    path,
                    word: text.clone(),
                }),
                Err(error) => self.findings.push(Finding::error("S01", path, error.to_string())),
            }
        }
        if self.params.service.is_none() && self.params.features.is_empty() {
            self.error(
                "D01",
                with("features"),
                "no features are asked for".to_owned(),
                "name them, as in `features: [weather:temp]`, or a `service`",
            );
        }
        references
    }

    fn unknown(&mut self, error: &UnknownFeature, path: Path, word: &str, name: &str, names: &[&str]) {
        let finding = Finding::error("D01", path, error.to_string()).at_word(word);
        self.findings.push(match nearest(name, names.iter().copied()) {
            Some(near) => finding.help(format!("did you mean `{near}`?")),
            None if names.is_empty() => finding.help("define it in a file of the folder `features`"),
            None => finding.help(format!("there are {}", fault::list(names))),
        });
    }

    fn add(&mut self, given: &Reference) {
        let definitions = self.definitions;
        let reference = &given.reference;
        let asked = match definitions.expand(std::slice::from_ref(reference)) {
            Ok(asked) => asked,
            Err(error) => {
                let (name, names): (&str, Vec<&str>) = match &error {
                    UnknownFeature::Feature { feature, .. } => {
                        let stored = definitions.views.get(&reference.view);
                        let derived = definitions.on_demand.get(&reference.view);
                        let stored = stored.into_iter().flat_map(|view| view.features.keys());
                        let derived = derived.into_iter().flat_map(|view| view.features.keys());
                        (feature, stored.chain(derived).map(String::as_str).collect())
                    }
                    _ => {
                        let names = definitions.views.keys().chain(definitions.on_demand.keys());
                        (&reference.view, names.map(String::as_str).collect())
                    }
                };
                self.unknown(&error, given.path.clone(), &given.word, name, &names);
                return;
            }
        };
        for asked in asked {
            let made = match asked {
                Asked::Stored { view, name, .. } => {
                    let at = self.view(view, given);
                    self.feature(at, name);
                    Made::LookedUp(at)
                }
                Asked::Derived { view, name, .. } => {
                    let Some(at) = self.computed(view, given) else {
                        continue;
                    };
                    let features = &self.derived[at].program.features;
                    let Some(feature) = features.iter().position(|feature| feature.name == name) else {
                        continue;
                    };
                    Made::Computed(at, feature)
                }
            };
            self.output(&asked, made, given);
        }
    }

    /// Looks a feature of a view up.
    fn feature(&mut self, view: usize, name: &str) {
        let features = &mut self.views[view].ask.features;
        if !features.iter().any(|known| known == name) {
            features.push(name.to_owned());
        }
    }

    /// Makes what is asked for a column of the output.
    fn output(&mut self, asked: &Asked<'_>, made: Made, given: &Reference) {
        let name = asked.name();
        let mut known = self.outputs.iter();
        if known.any(|out| out.made == made && out.feature == name) {
            if matches!(given.reference.pick, FeaturePick::One(_)) {
                let message = format!("`{}:{name}` is asked for twice", asked.view_name());
                let finding = Finding::error("D03", given.path.clone(), message);
                self.findings
                    .push(finding.at_word(&given.word).help("name it once"));
            }
            return;
        }
        self.outputs.push(Out {
            made,
            feature: name.to_owned(),
            name: if self.params.full_feature_names {
                asked.full_name()
            } else {
                name.to_owned()
            },
            path: given.path.clone(),
            word: given.word.clone(),
        });
    }

    /// The place of an on-demand view among those computed; none if it cannot be.
    fn computed(&mut self, view: &OnDemandView, given: &Reference) -> Option<usize> {
        let known = self
            .derived
            .iter()
            .position(|derived| derived.program.view == view.name);
        if known.is_some() {
            return known;
        }
        let definitions = self.definitions;
        let program = match OnDemandProgram::compile(definitions, view) {
            Ok(program) => program,
            Err(fault) => {
                let finding = Finding::error("D01", given.path.clone(), fault.to_string());
                let help = format!("see the on-demand view `{}` in its file", view.name);
                self.findings.push(finding.at_word(&given.word).help(help));
                return None;
            }
        };
        let mut views = Vec::with_capacity(program.inputs.len());
        for input in &program.inputs {
            let stored = definitions.views.get(&input.view)?;
            let unversioned = Reference {
                reference: FeatureRef::one(&input.view, &input.feature),
                path: given.path.clone(),
                word: given.word.clone(),
            };
            let at = self.view(stored, &unversioned);
            self.feature(at, &input.feature);
            views.push(at);
        }
        for field in &program.request {
            let Some(schema) = self.entities else { continue };
            let note = format!("the on-demand view `{}` is computed from it", view.name);
            match schema.column(&field.name) {
                None => {
                    let finding = fault::no_column(&field.name, given.path.clone(), schema.names());
                    self.findings.push(finding.at_word(&given.word).note(note));
                }
                Some(column) if !column.data_type.fits_in(&field.data_type) && !is_number(column, field) => {
                    let message = format!(
                        "`{}` is {} in the entity rows and {} in the on-demand view `{}`",
                        field.name, column.data_type, field.data_type, view.name
                    );
                    let finding = Finding::error("D03", given.path.clone(), message);
                    self.findings
                        .push(finding.at_word(&given.word).help("give both the same type"));
                }
                Some(_) => {}
            }
        }
        self.derived.push(Derived { program, views });
        Some(self.derived.len() - 1)
    }

    /// The place of a view among those looked up.
    fn view(&mut self, view: &FeatureView, given: &Reference) -> usize {
        let known = self
            .views
            .iter()
            .position(|planned| planned.ask.view.name == view.name);
        if let Some(known) = known {
            if self.views[known].version != given.reference.version {
                let message = format!("two versions of the view `{}` are asked for", view.name);
                let finding = Finding::error("D03", given.path.clone(), message).at_word(&given.word);
                self.findings.push(finding.help("ask for one of them"));
            }
            return known;
        }
        let lag = self.lag(view);
        self.delay(view, lag, given);
        self.views.push(ViewPlan {
            ask: ViewAsk {
                view: if self.tables.contains(&view.name.as_str()) {
                    view.clone()
                } else {
                    stored_names(view)
                },
                keys: view.keys.iter().map(|key| self.column_of(&key.name)).collect(),
                lag,
                known_by: self.params.known_at.into(),
                features: Vec::new(),
            },
            path: given.path.clone(),
            word: given.word.clone(),
            version: given.reference.version,
        });
        self.views.len() - 1
    }

    /// The column of the entity rows that holds a key.
    fn column_of(&self, key: &str) -> String {
        self.params.keys.get(key).map_or(key, String::as_str).to_owned()
    }

    fn lag(&mut self, view: &FeatureView) -> Millis {
        let (text, path) = match &self.params.lag {
            None => return Millis(0),
            Some(Lag::All(text)) => (text, with("lag")),
            Some(Lag::ByView(lags)) => match lags.get(&view.name) {
                Some(text) => (text, with("lag").key(&view.name)),
                None => return Millis(0),
            },
        };
        match text.parse() {
            Ok(lag) => lag,
            Err(message) => {
                let message: String = message;
                let finding = Finding::error("S01", path, message);
                if !self.findings.contains(&finding) {
                    self.findings.push(finding);
                }
                Millis(0)
            }
        }
    }

    /// In training all rows are there; when the model is asked, the newest may be as old as the view's freshness.
    fn delay(&mut self, view: &FeatureView, lag: Millis, given: &Reference) {
        let Some(freshness) = view.freshness else { return };
        let sees_created = self.params.known_at == super::KnownBy::Created && view.created_time.is_some();
        if sees_created || lag >= freshness {
            return;
        }
        let path = if lag.0 == 0 {
            given.path.clone()
        } else {
            with("lag")
        };
        let message = format!(
            "`{}` is looked up {} before the event, and its newest row may be {freshness} old when the model is asked",
            view.name,
            if lag.0 == 0 {
                "no time".to_owned()
            } else {
                lag.to_string()
            }
        );
        let finding = Finding::warning("M06/lag-below-delay", path, message);
        let finding = if lag.0 == 0 {
            finding.at_word(&given.word)
        } else {
            finding
        };
        let created = match view.created_time {
            Some(_) => ", or `known_at: created`",
            None => "",
        };
        self.findings
            .push(finding.help(format!("say `lag: {{{}: {freshness}}}`{created}", view.name)));
    }

    /// Columns of the entity rows: keys, label, kept.
    fn columns(&mut self) {
        let views: BTreeSet<&str> = self
            .views
            .iter()
            .map(|view| view.ask.view.name.as_str())
            .collect();
        if let Some(Lag::ByView(lags)) = &self.params.lag {
            for name in lags.keys().filter(|name| !views.contains(name.as_str())) {
                let message = format!("no feature of a view `{name}` is asked for");
                let finding = Finding::error("D01", with("lag").key(name), message).at_word(name);
                self.findings.push(match nearest(name, views.iter().copied()) {
                    Some(near) => finding.help(format!("did you mean `{near}`?")),
                    None => finding.help("leave it out"),
                });
            }
        }
        let keys: BTreeSet<String> = self
            .views
            .iter()
            .flat_map(|view| view.ask.view.keys.iter().map(|key| key.name.clone()))
            .collect();
        for name in self.params.keys.keys().filter(|name| !keys.contains(*name)) {
            let message = format!("no view that is asked for has a key `{name}`");
            let finding = Finding::error("D01", with("keys").key(name), message).at_word(name);
            self.findings
                .push(match nearest(name, keys.iter().map(String::as_str)) {
                    Some(near) => finding.help(format!("did you mean `{near}`?")),
                    None => finding.help("leave it out"),
                });
        }
        let Some(schema) = self.entities else { return };
        let mut findings = Vec::new();
        let mut told: BTreeSet<&str> = BTreeSet::new();
        for view in &self.views {
            for (key, column) in view.ask.view.keys.iter().zip(&view.ask.keys) {
                if !told.insert(&key.name) {
                    continue;
                }
                let (path, word) = match self.params.keys.get(&key.name) {
                    Some(column) => (with("keys").key(&key.name), column.clone()),
                    None => (view.path.clone(), view.word.clone()),
                };
                let Some(found) = schema.column(column) else {
                    let finding = fault::no_column(column, path, schema.names()).at_word(word);
                    findings.push(finding.note(format!(
                        "the view `{}` is looked up by it, in the entity rows",
                        view.ask.view.name
                    )));
                    continue;
                };
                let kind = KeyKind::of(
                    &crate::data_type::to_polars(&found.data_type),
                    &crate::data_type::to_polars(&key.data_type),
                );
                if kind.is_none() {
                    let message = format!(
                        "the key `{column}` is {} in the entity rows and {} in the view `{}`",
                        found.data_type, key.data_type, view.ask.view.name
                    );
                    let finding = Finding::error("D03", path, message).at_word(word);
                    findings.push(finding.help("give both the same type"));
                }
            }
        }
        let label = self.params.label.iter().map(|name| (name, with("label")));
        let kept = self.params.keep.iter().enumerate();
        let kept = kept.map(|(at, name)| (name, with("keep").index(at)));
        for (name, path) in label.chain(kept) {
            if schema.column(name).is_none() {
                findings.push(fault::no_column(name, path, schema.names()).at_word(name));
            }
        }
        self.findings.extend(findings);
    }

    /// No two columns of the output may have one name.
    fn names(&mut self) {
        let own: BTreeSet<&str> = self.entities.into_iter().flat_map(Schema::names).collect();
        let mut taken: BTreeMap<&str, usize> = BTreeMap::new();
        let mut findings = Vec::new();
        for (at, out) in self.outputs.iter().enumerate() {
            let message = if own.contains(out.name.as_str()) {
                format!("`{}` is already a column of the entity rows", out.name)
            } else if let Some(other) = taken.get(out.name.as_str()) {
                let view = |at: usize| match self.outputs[at].made {
                    Made::LookedUp(view) => &self.views[view].ask.view.name,
                    Made::Computed(view, _) => &self.derived[view].program.view,
                };
                format!(
                    "both `{}` and `{}` have a feature `{}`",
                    view(*other),
                    view(at),
                    out.name
                )
            } else {
                taken.insert(&out.name, at);
                continue;
            };
            let finding = Finding::error("D03", out.path.clone(), message).at_word(&out.word);
            findings.push(if self.params.full_feature_names {
                finding.help(format!("give the column of `{ENTITIES}` another name"))
            } else {
                finding.help("say `full_feature_names: true`")
            });
        }
        if self.params.event_times {
            for view in &self.views {
                let name = time_column(&view.ask.view);
                if own.contains(name.as_str()) || taken.contains_key(name.as_str()) {
                    let message = format!("`{name}` is already a column here");
                    findings.push(Finding::error("D03", with("event_times"), message));
                }
            }
        }
        self.findings.extend(findings);
    }
}

/// Whether a number is asked for and one is there: what does not fit in it is told when it is computed.
fn is_number(column: &Column, field: &Key) -> bool {
    column.data_type.is_numeric() && field.data_type.is_numeric()
}
