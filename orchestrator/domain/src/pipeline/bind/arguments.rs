//! Values that uses of libraries and pipelines give: within the limits of their params.

use super::{BindError, Binding};
use crate::expression::{Template, render_known};
use crate::pipeline::checks::{declaration, value_fault};
use trainyard_contract::Path;

/// What only a cell or the run knows.
const LATER: [&str; 6] = ["matrix", "steps", "item", "item_index", "iteration", "previous"];

impl Binding<'_> {
    /// Judges those that are known before the run.
    pub(super) fn arguments(&mut self) {
        for argument in &self.pipeline.expansion.arguments {
            let Some(param) = &argument.param else { continue };
            let Ok(partial) = render_known(&argument.node.to_value(), &self.values, &LATER) else {
                // The step that it is put into says what is wrong with it.
                continue;
            };
            if partial.value.as_str().is_some_and(Template::is_in) {
                continue;
            }
            if let Some(fault) = value_fault(param, &argument.of, &partial.value) {
                let at = Path::root()
                    .key("steps")
                    .key(&argument.owner)
                    .key("with")
                    .key(&argument.name);
                let message = format!("`{}` is {}: {fault}", argument.name, declaration(param));
                self.errors.push(BindError::new(at, message));
            }
        }
    }
}
