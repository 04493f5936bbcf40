//! Reports under names that a browser opens: objects are named by their hash alone.

use std::fs;
use std::path::{Path, PathBuf};
use trainyard_contract::{ArtifactKind, Objects, OutputValue};
use trainyard_domain::run::{Run, StepState};

/// Puts a run's HTML reports into `reports/RUN/STEP.OUTPUT.html` of the home and returns them in the
/// order of the pipeline. A report that cannot be put there is returned at its object's path.
pub(crate) fn publish(run: &Run, home: &Path) -> Vec<(String, PathBuf)> {
    let objects = Objects::new(home.join("objects"));
    let folder = home.join("reports").join(run.id().short());
    let mut published = Vec::new();
    for (ix, state) in run.steps() {
        let StepState::Succeeded { outputs, .. } = state else {
            continue;
        };
        for (output, value) in outputs {
            let OutputValue::Artifact(artifact) = value else {
                continue;
            };
            if artifact.kind != ArtifactKind::Report || artifact.media_type != "text/html" {
                continue;
            }
            let name = format!("{}.{output}", run.name(ix));
            let plain = |c: char| {
                if c.is_ascii_alphanumeric() || "._-".contains(c) {
                    c
                } else {
                    '_'
                }
            };
            let target = folder.join(format!("{}.html", name.chars().map(plain).collect::<String>()));
            let object = objects.path(&artifact.hash);
            let put = target.exists()
                || fs::create_dir_all(&folder)
                    .and_then(|()| fs::copy(&object, &target))
                    .is_ok();
            published.push((name, if put { target } else { object }));
        }
    }
    published
}
