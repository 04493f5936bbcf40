//! Pipelines by name and revision.

use super::Expander;
use crate::diagnostic::{FileId, Span};
use crate::pipeline::checks::found;
use crate::pipeline::load::{Kind, Loaded};
use crate::pipeline::reader::{self, Content, Node, Scalar};
use std::rc::Rc;
use trainyard_contract::finding::nearest;

/// A pipeline that could be used, as far as it was looked at.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    pub(crate) name: String,
    pub(crate) revision: u64,
    pub(crate) path: String,
}

/// `prepare@v2`.
pub(super) fn full_name(name: &str, revision: u64) -> String {
    format!("{name}@v{revision}")
}

/// The revision that a document says it is.
pub(super) fn revision_of(root: &Node) -> u64 {
    match root.get("revision").map(|node| &node.content) {
        Some(Content::Scalar(Scalar::Number(number))) => number.as_u64().unwrap_or(1),
        _ => 1,
    }
}

/// Name and revision of `NAME@vN`.
fn split(text: &str) -> Option<(&str, u64)> {
    let (name, revision) = text.split_once("@v")?;
    let revision = revision.parse().ok().filter(|number| *number > 0)?;
    (!name.is_empty()).then_some((name, revision))
}

impl Expander<'_, '_> {
    /// The pipeline that `pipeline:NAME@vN` names, as seen from a file.
    pub(super) fn find(&mut self, from: &Loaded, wanted: &str, at: Span) -> Option<(Rc<Loaded>, String)> {
        let known = self.pipelines_near(&from.path);
        let Some((name, revision)) = split(wanted) else {
            let finding = found(
                "S02/unknown-pipeline",
                at,
                format!("`pipeline:{wanted}` names no revision"),
            )
            .label("which one?");
            let same = known.iter().filter(|known| known.name == wanted);
            let newest = same.map(|known| known.revision).max();
            self.add(match newest {
                Some(newest) => finding.did_you_mean(&format!("pipeline:{}", full_name(wanted, newest))),
                None => finding.help("write `pipeline:NAME@v1`"),
            });
            return None;
        };
        let same: Vec<&Known> = known.iter().filter(|known| known.name == name).collect();
        if let Some(one) = same.iter().find(|known| known.revision == revision) {
            let loaded = self.loader.read(&one.path, Kind::Pipeline).ok()?;
            return Some((loaded, full_name(name, revision)));
        }
        let finding = match same.iter().max_by_key(|known| known.revision) {
            Some(newest) => {
                let mut revisions: Vec<u64> = same.iter().map(|known| known.revision).collect();
                revisions.sort_unstable();
                let listed: Vec<String> = revisions.iter().map(|known| format!("v{known}")).collect();
                let message = format!(
                    "there is no revision {revision} of the pipeline `{name}`; there is {}",
                    listed.join(", ")
                );
                found("S02/unknown-pipeline", at, message)
                    .label("no such revision")
                    .note(format!("`{}` says which it is by `revision:`", newest.path))
                    .did_you_mean(&format!("pipeline:{}", full_name(name, newest.revision)))
            }
            None => {
                let finding = found(
                    "S02/unknown-pipeline",
                    at,
                    format!("there is no pipeline `{name}`"),
                )
                .label("no such pipeline");
                let near = nearest(name, known.iter().map(|known| known.name.as_str()));
                match near.and_then(|near| {
                    known
                        .iter()
                        .filter(|known| known.name == near)
                        .max_by_key(|known| known.revision)
                }) {
                    Some(near) => {
                        finding.did_you_mean(&format!("pipeline:{}", full_name(&near.name, near.revision)))
                    }
                    None => finding.help(
                        "pipelines are named by their `name:`, in the same folder, `pipelines/` or `lib/`",
                    ),
                }
            }
        };
        self.add(finding);
        None
    }

    /// Pipelines in the folder of a file, in `pipelines/` and in `lib/`.
    fn pipelines_near(&mut self, path: &str) -> Rc<Vec<Known>> {
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder).to_owned();
        if let Some(known) = self.loader.pipelines.get(&folder) {
            return known.clone();
        }
        let mut folders = vec![folder.as_str()];
        for more in ["pipelines", "lib"] {
            if folder != more {
                folders.push(more);
            }
        }
        let mut known = Vec::new();
        for in_folder in folders {
            for extension in ["yaml", "yml"] {
                let pattern = match in_folder {
                    "" => format!("*.{extension}"),
                    folder => format!("{folder}/*.{extension}"),
                };
                let paths = self.loader.files().glob(&pattern).unwrap_or_default();
                known.extend(paths.into_iter().filter_map(|path| self.glance(path)));
            }
        }
        let known = Rc::new(known);
        self.loader.pipelines.insert(folder, known.clone());
        known
    }

    /// Name and revision of a file if it is a pipeline; what else is wrong with it is not asked.
    fn glance(&self, path: String) -> Option<Known> {
        let nowhere = FileId(u32::MAX);
        let (text, fault) = reader::decode(nowhere, self.loader.files().read(&path).ok()?);
        if fault.is_some() || !text.contains("steps") {
            return None;
        }
        let root = reader::read(nowhere, &text).0?.root;
        root.get("steps")?;
        Some(Known {
            name: root.get("name").and_then(Node::text)?.to_owned(),
            revision: revision_of(&root),
            path,
        })
    }
}
