//! `trainyard openapi`.

use crate::output::{Exit, Fault, Terminal};

pub(crate) fn openapi(terminal: &mut Terminal) -> Result<Exit, Fault> {
    let document = serde_json::to_string_pretty(&trainyard_api::openapi())?;
    terminal.out(document);
    Ok(Exit::Done)
}
