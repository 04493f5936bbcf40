//! Tables that commands left behind as files: read, held against their contract, kept as Parquet.

use crate::{dataset, table};
use trainyard_contract::task::DatasetRef;
use trainyard_contract::{ArtifactRef, Objects, StepError, StepIo, TaskSpec};

/// The artifact that takes the place of the file a command wrote to the table output `output`.
///
/// # Errors
/// `Rejected` if the file is no table, `GateFailed` if rows break the output's contract.
pub fn inspect_table(
    spec: &TaskSpec,
    output: &str,
    file: &ArtifactRef,
    objects: &Objects,
) -> Result<ArtifactRef, StepError> {
    let contract = spec
        .outputs
        .get(output)
        .and_then(|declared| declared.contract.clone());
    let format = if file.media_type.contains("parquet") {
        "parquet"
    } else {
        "csv"
    };
    let written = DatasetRef {
        name: format!("{}.{output}", spec.step),
        location: objects.verified_path(&file.hash)?.to_string_lossy().into_owned(),
        folder: None,
        format: Some(format.to_owned()),
        options: serde_json::Value::Null,
        contract: contract.clone(),
        content: None,
    };
    let contract = contract.as_ref().and_then(|name| spec.contracts.get(name));
    let mut reading = dataset::read(&written, contract, dataset::Access::of_task(spec))?;
    reading.refuse_faults()?;
    let mut io = StepIo::new(spec.clone(), Box::new(|_| {}));
    table::write(&mut io, output, &mut reading.frame, reading.schema)
}
