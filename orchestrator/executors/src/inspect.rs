//! A second look at what commands leave behind, by something that knows tables.

use trainyard_contract::{ArtifactKind, ArtifactRef, Objects, OutputValue, StepError, TaskReport, TaskSpec};

/// Looks at the tables that commands wrote. It is called in a worker, so it may be heavy and may
/// even crash.
pub trait OutputInspector: Send + Sync {
    /// Reads the file of a table output (its media type tells CSV from Parquet), checks it against
    /// the output's contract, and returns the artifact that takes its place: Parquet, with rows and
    /// schema.
    ///
    /// # Errors
    /// `Rejected` if the file is not such a table, `GateFailed` if it breaks its contract.
    fn table(
        &self,
        spec: &TaskSpec,
        output: &str,
        file: &ArtifactRef,
        objects: &Objects,
    ) -> Result<ArtifactRef, StepError>;
}

/// Whether a report holds tables that nobody has looked into.
pub(crate) fn is_wanted(report: &TaskReport) -> bool {
    report.failure.is_none() && report.outputs.values().any(is_unread)
}

fn is_unread(output: &OutputValue) -> bool {
    matches!(output, OutputValue::Artifact(artifact)
        if artifact.kind == ArtifactKind::Table && artifact.schema.is_none())
}

/// The report with every table looked into, or failed.
pub(crate) fn inspected(
    inspector: &dyn OutputInspector,
    spec: &TaskSpec,
    mut report: TaskReport,
) -> TaskReport {
    let objects = Objects::new(spec.objects.clone());
    for (name, output) in &mut report.outputs {
        if !is_unread(output) {
            continue;
        }
        let OutputValue::Artifact(artifact) = output else {
            continue;
        };
        match inspector.table(spec, name, artifact, &objects) {
            Ok(table) => {
                report.resources.rows_out += table.rows.unwrap_or(0);
                **artifact = table;
            }
            Err(error) => {
                return crate::report::failed_with(report, error.failure);
            }
        }
    }
    report
}
