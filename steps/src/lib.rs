//! The built-in steps over tables and models, each in a file of its name.
//!
//! Only this crate knows polars. A step's plan is one function over lazy frames: over frames
//! without rows it gives schema and lineage, over real ones it does the work.

mod compare;
mod data_type;
mod dataset;
mod draft;
mod evaluate;
mod explore;
mod facts;
mod fault;
mod features;
mod flow;
mod historical;
mod inference;
mod ingest;
mod inspect;
mod lineage;
mod page;
mod register;
mod rule;
mod sink;
mod split;
mod spool;
mod sql;
mod table;
mod train;
mod training_set;
mod transform;
mod tune;
mod validate;

#[cfg(test)]
mod examples_tests;
#[cfg(test)]
mod reference_tests;
#[cfg(test)]
mod testbed;

pub use compare::compare_table;
pub use draft::{Draft, draft_contract};
pub use inspect::inspect_table;

use trainyard_contract::Catalogue;

/// All steps of this crate.
pub fn catalogue() -> Catalogue {
    Catalogue::new()
        .with(evaluate::EvaluateClassifier)
        .with(evaluate::EvaluateRegressor)
        .with(explore::ExploreProfile)
        .with(features::FeaturesBuild)
        .with(training_set::FeaturesTrainingSet)
        .with(ingest::IngestFiles)
        .with(ingest::IngestSql)
        .with(register::RegistryRegister)
        .with(split::SplitGroup)
        .with(split::SplitRandom)
        .with(split::SplitTime)
        .with(train::TrainClassifier)
        .with(train::TrainCluster)
        .with(train::TrainRegressor)
        .with(transform::TransformSql)
        .with(tune::TuneSearch)
        .with(validate::ValidateContract)
}
