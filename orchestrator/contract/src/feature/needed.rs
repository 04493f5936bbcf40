//! The part of a project's definitions that somebody needs.

use super::FeatureDefinitions;
use std::collections::BTreeSet;

impl FeatureDefinitions {
    /// The definitions of these views, on-demand views and services (`view@v2` counts as `view`), with what they need in
    /// turn: the views of a service and of an expression's inputs, and all their entities. What is not there is left out.
    #[must_use]
    pub fn needed<'a>(&self, names: impl IntoIterator<Item = &'a str>) -> Self {
        let mut wanted: Vec<&str> = names.into_iter().map(base).collect();
        let mut seen: BTreeSet<&str> = BTreeSet::new();
        while let Some(name) = wanted.pop() {
            if !seen.insert(name) {
                continue;
            }
            if let Some(service) = self.services.get(name) {
                wanted.extend(service.features.iter().map(|reference| reference.view.as_str()));
            }
            if let Some(view) = self.on_demand.get(name) {
                wanted.extend(view.inputs.iter().map(|reference| reference.view.as_str()));
            }
        }
        let mut needed = self.clone();
        needed.views.retain(|name, _| seen.contains(name.as_str()));
        needed.on_demand.retain(|name, _| seen.contains(name.as_str()));
        needed.services.retain(|name, _| seen.contains(name.as_str()));
        let entities: BTreeSet<&String> = needed.views.values().flat_map(|view| &view.entities).collect();
        let entities: BTreeSet<String> = entities.into_iter().cloned().collect();
        needed.entities.retain(|name, _| entities.contains(name));
        needed
    }
}

fn base(name: &str) -> &str {
    name.split('@').next().unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_service_needs_its_views_and_those_of_its_expressions() {
        let view = |name: &str| {
            json!({"name": name, "version": 1, "entities": ["origin"], "keys": [], "features": {}, "event_time": "at",
                   "source": "push"})
        };
        let all: FeatureDefinitions = serde_json::from_value(json!({
            "entities": {"origin": {"name": "origin", "keys": []}, "plane": {"name": "plane", "keys": []}},
            "views": {"weather": view("weather"), "traffic": view("traffic"), "other": view("other")},
            "on_demand": {"trip": {"name": "trip", "request": [], "inputs": ["weather:wind"], "features": {}}},
            "services": {"delay": {"name": "delay", "features": ["traffic:cars", "trip:headwind"]}},
        }))
        .unwrap();
        let needed = all.needed(["delay"]);
        assert_eq!(needed.views.keys().collect::<Vec<_>>(), ["weather", "traffic"]);
        assert_eq!(
            (
                needed.on_demand.len(),
                needed.services.len(),
                needed.entities.len()
            ),
            (1, 1, 1)
        );
        assert_eq!(all.needed(["other@v2"]).views.len(), 1);
        assert!(all.needed(["nothing"]).is_empty());
    }
}
