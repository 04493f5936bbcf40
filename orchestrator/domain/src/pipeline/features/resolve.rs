//! From files to definitions: each name means one thing, and everything named is there.

use super::{Features, Source, on_demand, sources, views};
use crate::diagnostic::{Diagnostic, Sources, Span};
use crate::pipeline::checks::{Finding, found};
use crate::pipeline::draft::Draft;
use crate::pipeline::locate;
use std::collections::BTreeMap;
use std::rc::Rc;
use trainyard_contract::Path;
use trainyard_contract::feature::{Entity, FeaturePick, FeatureRef, FeatureService, Key};
use trainyard_contract::finding::nearest;

/// The desk on which definitions are put together.
pub(super) struct Desk<'a> {
    pub(super) sources: &'a Sources,
    pub(super) datasets: sources::Datasets<'a>,
    pub(super) drafts: &'a [Draft],
    pub(super) features: Features,
    pub(super) out: Vec<Diagnostic>,
}

impl Desk<'_> {
    pub(super) fn add(&mut self, finding: Finding) {
        self.out.push(finding.done());
    }

    /// What to underline in a file.
    pub(super) fn at(&self, source: &Source, path: &Path) -> Span {
        match &source.loaded.root {
            Some(root) => locate::of_path(self.sources, root, path),
            None => Span {
                file: source.loaded.file,
                start: 0,
                end: 0,
            },
        }
    }

    /// The key at the end of a path in a file.
    pub(super) fn key(&self, source: &Source, path: &Path) -> Span {
        match &source.loaded.root {
            Some(root) => locate::of_key(self.sources, root, path),
            None => self.at(source, path),
        }
    }

    /// A name that means nothing, with the nearest that does.
    pub(super) fn unknown<'n>(
        &mut self,
        at: Span,
        what: &str,
        name: &str,
        known: impl IntoIterator<Item = &'n str>,
        otherwise: &str,
    ) {
        let finding = found("S02/unknown-name", at, format!("there is no {what} `{name}`"))
            .label(format!("no such {what}"));
        self.add(match nearest(name, known) {
            Some(near) => finding.did_you_mean(near),
            None => finding.help(otherwise),
        });
    }

    /// Notes where a name is defined; whether it is the first of its name.
    fn is_first(
        &mut self,
        firsts: &mut BTreeMap<String, Span>,
        source: &Source,
        section: &'static str,
        what: &str,
        name: &str,
    ) -> bool {
        let span = self.key(source, &Path::root().key(section).key(name));
        if let Some(first) = firsts.get(name) {
            let finding = found(
                "S01/duplicate-name",
                span,
                format!("{what} `{name}` exists already"),
            )
            .label("again here")
            .also(*first, "first here")
            .help("rename one of the two");
            self.add(finding);
            return false;
        }
        firsts.insert(name.to_owned(), span);
        self.features
            .places
            .insert((section, name.to_owned()), Rc::clone(&source.loaded));
        true
    }
}

/// Definitions of all files, and everything that is wrong with them.
pub(in crate::pipeline) fn resolve(
    all: &Sources,
    files: &[Source],
    drafts: &[Draft],
) -> (Features, Vec<Diagnostic>) {
    let mut desk = Desk {
        sources: all,
        datasets: sources::Datasets::of(drafts),
        drafts,
        features: Features::default(),
        out: Vec::new(),
    };
    entities(&mut desk, files);
    // Views and on-demand views share their names: both are asked for as `view:feature`.
    let mut firsts = BTreeMap::new();
    for source in files {
        for (name, spec) in &source.file.views {
            if desk.is_first(&mut firsts, source, "views", "a view", name)
                && let Some(view) = views::view(&mut desk, source, name, spec)
            {
                desk.features.definitions.views.insert(name.clone(), view);
            }
        }
    }
    for source in files {
        for (name, spec) in &source.file.on_demand {
            if desk.is_first(&mut firsts, source, "on_demand", "a view", name)
                && let Some(view) = on_demand::view(&mut desk, source, name, spec)
            {
                desk.features.definitions.on_demand.insert(name.clone(), view);
            }
        }
    }
    services(&mut desk, files);
    unused(&mut desk, files);
    (desk.features, desk.out)
}

fn entities(desk: &mut Desk<'_>, files: &[Source]) {
    let mut firsts = BTreeMap::new();
    for source in files {
        for (name, spec) in &source.file.entities {
            if !desk.is_first(&mut firsts, source, "entities", "an entity", name) {
                continue;
            }
            for (key, data_type) in &spec.keys {
                if !views::is_key(data_type) {
                    let path = Path::root().key("entities").key(name).key("keys").key(key);
                    let message = format!("`{key}` is {data_type}, and a key is found by being equal");
                    let finding = found("D01/wrong-column-type", desk.at(source, &path), message)
                        .label("no type of a key")
                        .help("keys are whole numbers, texts, truth values, dates, times or timestamps");
                    desk.add(finding);
                }
            }
            let keys = spec.keys.iter().map(|(name, data_type)| Key {
                name: name.clone(),
                data_type: data_type.clone(),
            });
            let entity = Entity {
                name: name.clone(),
                keys: keys.collect(),
                description: spec.description.clone(),
                owner: spec.owner.clone(),
                tags: spec.tags.clone(),
            };
            desk.features.definitions.entities.insert(name.clone(), entity);
        }
    }
}

/// A reference as written, if it leads to a feature; what is wrong with it is told at `at`.
pub(super) fn reference(desk: &mut Desk<'_>, at: Span, text: &str) -> Option<FeatureRef> {
    let reference: FeatureRef = match text.parse() {
        Ok(reference) => reference,
        Err(error) => {
            let error: trainyard_contract::feature::InvalidFeatureRef = error;
            desk.add(found("S01/wrong-format", at, error.to_string()).label("no feature"));
            return None;
        }
    };
    let definitions = &desk.features.definitions;
    let names: Option<Vec<String>> = definitions
        .views
        .get(&reference.view)
        .map(|view| view.features.keys().cloned().collect())
        .or_else(|| {
            let view = definitions.on_demand.get(&reference.view)?;
            Some(view.features.keys().cloned().collect())
        });
    let Some(names) = names else {
        // A view whose own file is faulty is told there.
        if !desk
            .features
            .places
            .contains_key(&("views", reference.view.clone()))
            && !desk
                .features
                .places
                .contains_key(&("on_demand", reference.view.clone()))
        {
            let known: Vec<String> = definitions
                .views
                .keys()
                .chain(definitions.on_demand.keys())
                .cloned()
                .collect();
            let known: Vec<&str> = known.iter().map(String::as_str).collect();
            let near = nearest(&reference.view, known.iter().copied());
            let message = format!("there is no feature view `{}`", reference.view);
            let finding = found("S02/unknown-name", at, message).label("no such view");
            desk.add(match near {
                Some(near) => finding.help(format!("did you mean `{near}`?")),
                None => finding.help("define it under `views:` in `features/*.yaml`"),
            });
        }
        return None;
    };
    // An earlier version may have had other features.
    if let (FeaturePick::One(feature), None) = (&reference.pick, reference.version)
        && !names.contains(feature)
    {
        let message = format!("the feature view `{}` has no feature `{feature}`", reference.view);
        let finding = found("S02/unknown-name", at, message).label("no such feature");
        desk.add(match nearest(feature, names.iter().map(String::as_str)) {
            Some(near) => finding.help(format!("did you mean `{}:{near}`?", reference.view)),
            None => finding.help(format!("it has {}", listed(&names))),
        });
        return None;
    }
    Some(reference)
}

pub(super) fn listed(names: &[String]) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    names.join(", ")
}

fn services(desk: &mut Desk<'_>, files: &[Source]) {
    let mut firsts = BTreeMap::new();
    for source in files {
        for (name, spec) in &source.file.services {
            if !desk.is_first(&mut firsts, source, "services", "a feature service", name) {
                continue;
            }
            let mut features: Vec<FeatureRef> = Vec::new();
            for (index, text) in spec.features.iter().enumerate() {
                let path = Path::root()
                    .key("services")
                    .key(name)
                    .key("features")
                    .index(index);
                let at = desk.at(source, &path);
                let Some(reference) = reference(desk, at, text) else {
                    continue;
                };
                if features.contains(&reference) {
                    let message = format!("`{reference}` is in `{name}` already");
                    desk.add(
                        found("S01/duplicate-name", at, message)
                            .label("again here")
                            .help("take it out"),
                    );
                    continue;
                }
                features.push(reference);
            }
            let service = FeatureService {
                name: name.clone(),
                features,
                description: spec.description.clone(),
                owner: spec.owner.clone(),
                tags: spec.tags.clone(),
            };
            desk.features.definitions.services.insert(name.clone(), service);
        }
    }
}

/// Entities that no view has.
fn unused(desk: &mut Desk<'_>, files: &[Source]) {
    for source in files {
        for name in source.file.entities.keys() {
            let is_used = files.iter().any(|file| {
                let mut views = file.file.views.values();
                views.any(|view| view.entities.contains(name))
            });
            if !is_used {
                let at = desk.key(source, &Path::root().key("entities").key(name));
                let finding = found("S06/unused-entity", at, format!("no view is about `{name}`"))
                    .label("used by none")
                    .help(format!(
                        "give a view `entities: [{name}]`, or take the entity out"
                    ));
                desk.add(finding);
            }
        }
    }
}
