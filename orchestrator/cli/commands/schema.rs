//! `trainyard schema`.

use super::catalogue;
use crate::args::{SchemaArgs, SchemaKind};
use crate::output::{Exit, Fault, Terminal};
use trainyard_domain::pipeline;

pub(crate) fn schema(args: &SchemaArgs, terminal: &mut Terminal) -> Result<Exit, Fault> {
    let document = match args.kind {
        SchemaKind::Pipeline => pipeline::pipeline_json_schema(&catalogue()),
        SchemaKind::Library => pipeline::library_json_schema(&catalogue()),
        SchemaKind::Contract => pipeline::contract_json_schema(),
        SchemaKind::Project => pipeline::project_json_schema(),
        SchemaKind::Stream => pipeline::stream_json_schema(),
        SchemaKind::Features => pipeline::features_json_schema(),
    };
    terminal.out(serde_json::to_string_pretty(&document)?);
    Ok(Exit::Done)
}
