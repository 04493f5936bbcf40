//! Models of the registry that a pipeline makes and takes.

use super::Pipeline;
use super::wiring::Source;
use trainyard_contract::Shape;

/// A step that registers a model under a name that is written as such.
#[derive(Clone, Copy, Debug)]
pub struct Registers<'a> {
    pub step: &'a str,
    pub model: &'a str,
    /// What is known of the model.
    pub shape: Option<&'a Shape>,
}

impl Pipeline {
    /// Steps that register models.
    pub fn registers(&self) -> impl Iterator<Item = Registers<'_>> {
        let steps = self.spec.steps.iter().zip(&self.steps);
        steps.filter_map(|((step, spec), wired)| {
            let model = spec.with.get("name")?.as_str()?;
            let is_name = wired.uses.starts_with("registry.register@") && !model.contains("${{");
            let shape = || {
                wired.inputs.values().find_map(|source| {
                    let Source::Output {
                        step,
                        output,
                        all: false,
                    } = source
                    else {
                        return None;
                    };
                    let (step, _) = self.spec.steps.get_index(*step)?;
                    self.shape(step, output)
                        .filter(|shape| matches!(shape, Shape::Model { .. }))
                })
            };
            is_name.then(|| Registers {
                step,
                model,
                shape: shape(),
            })
        })
    }

    /// Whether a step takes a model from the registry.
    pub fn takes_model(&self, name: &str) -> bool {
        let mut inputs = self.steps.iter().flat_map(|step| step.inputs.values());
        inputs.any(|source| matches!(source, Source::Registry { model, .. } if model == name))
    }
}
