//! The feature store's definitions in a project: `features/*.yaml`, read with their places and held against what they name.
//!
//! [`read`] takes the files, [`resolve`] makes definitions of them before any step is asked for its columns, [`written`] holds
//! the tables of steps against the views they write, and [`changes`] what is defined against what was before.

pub(super) mod changes;
mod leakage;
mod on_demand;
pub(crate) mod readers;
mod resolve;
mod sources;
mod views;
pub(super) mod written;

pub(super) use resolve::resolve;

use super::draft::Draft;
use super::load::{Kind, Loaded, Loader, parse};
use super::locate;
use super::spec::Project;
use crate::diagnostic::{Sources, Span};
use std::collections::BTreeMap;
use std::rc::Rc;
use trainyard_contract::Path;
use trainyard_contract::feature::FeatureDefinitions;
use trainyard_contract::feature::file::FeatureFile;

/// Where definitions are if the project does not say.
const FOLDER: &str = "features/*.yaml";

/// A file of definitions, as read.
pub(super) struct Source {
    pub(super) loaded: Rc<Loaded>,
    pub(super) file: FeatureFile,
}

/// What is defined, and where.
#[derive(Default)]
pub(super) struct Features {
    pub(super) definitions: FeatureDefinitions,
    /// Section and name → the file that has it.
    places: BTreeMap<(&'static str, String), Rc<Loaded>>,
}

impl Features {
    /// What to underline for something below a definition.
    pub(super) fn span(
        &self,
        sources: &Sources,
        section: &'static str,
        name: &str,
        below: &[&str],
    ) -> Option<Span> {
        let loaded = self.places.get(&(section, name.to_owned()))?;
        let mut path = Path::root().key(section).key(name);
        for key in below {
            path = path.key(*key);
        }
        Some(locate::of_path(sources, loaded.root.as_ref()?, &path))
    }

    /// What to underline for the key of something below a definition.
    pub(super) fn key_span(
        &self,
        sources: &Sources,
        section: &'static str,
        name: &str,
        below: &[&str],
    ) -> Option<Span> {
        let loaded = self.places.get(&(section, name.to_owned()))?;
        let mut path = Path::root().key(section).key(name);
        for key in below {
            path = path.key(*key);
        }
        Some(locate::of_key(sources, loaded.root.as_ref()?, &path))
    }
}

/// Reads the project's files of definitions, and those that pipelines include.
pub(super) fn read(
    loader: &mut Loader<'_>,
    project_file: Option<&str>,
    project: Option<&Project>,
    drafts: &[Draft],
) -> Vec<Source> {
    let mut files: BTreeMap<String, Rc<Loaded>> = BTreeMap::new();
    let included = drafts.iter().flat_map(|draft| &draft.includes);
    for file in included.flat_map(|include| &include.files) {
        if file.kind == Kind::Features {
            files.entry(file.path.clone()).or_insert_with(|| file.clone());
        }
    }
    if project_file.is_some() {
        let named = project
            .map(|project| project.features.as_slice())
            .unwrap_or_default();
        let default = [FOLDER.to_owned()];
        let patterns = if named.is_empty() { &default } else { named };
        for pattern in patterns {
            for path in loader.files().glob(pattern).unwrap_or_default() {
                if !files.contains_key(&path)
                    && let Ok(loaded) = loader.read(&path, Kind::Features)
                {
                    files.insert(path, loaded);
                }
            }
        }
    }
    let parsed = files.into_values().filter_map(|loaded| {
        let file = parse::<FeatureFile>(loaded.root.as_ref()?)?;
        Some(Source { loaded, file })
    });
    parsed.collect()
}

#[cfg(test)]
mod tests;
