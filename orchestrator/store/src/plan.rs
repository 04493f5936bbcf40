//! Plans kept to be applied.

use crate::database::params;
use crate::document;
use crate::error::StoreError;
use crate::queries;
use crate::store::Store;

use trainyard_domain::plan::SavedPlan;

impl Store {
    /// Keeps a plan under its id; the same plan again replaces it.
    ///
    /// # Errors
    /// `Disk`.
    pub fn save_plan(&self, plan: &SavedPlan) -> Result<(), StoreError> {
        let doing = "keep a plan";
        let body = document::write(doing, plan)?;
        let (id, pipeline) = (plan.id.to_string(), plan.definition.pipeline.as_str());
        self.execute(
            doing,
            queries::PLAN_PUT,
            params![id, pipeline, plan.made_at.0, body],
        )
        .map(|_| ())
    }

    /// Plans whose id begins so: one, none, or two where the text is too short to tell.
    ///
    /// # Errors
    /// `Corrupt`, `Disk`.
    pub fn saved_plans(&self, id: &str) -> Result<Vec<SavedPlan>, StoreError> {
        let doing = "read a plan";
        let bodies = self.all(doing, queries::PLAN_FIND, params![id], |row| {
            row.get::<_, String>(0)
        })?;
        bodies.iter().map(|body| document::read(doing, body)).collect()
    }
}
