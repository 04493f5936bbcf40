use super::Open;
use crate::material::definition;
use trainyard_contract::{ContentHash, Timestamp};
use trainyard_domain::plan::{Grounds, PlanRequest, SAVED_PLAN_VERSION, SavedPlan};

fn plan(id: &[u8], at: i64) -> SavedPlan {
    SavedPlan {
        version: SAVED_PLAN_VERSION,
        id: ContentHash::of(id),
        made_at: Timestamp(at),
        made_by: "ada".to_owned(),
        request: PlanRequest {
            file: "pipelines/flights.yaml".to_owned(),
            environment: Some("prod".to_owned()),
            params: [("late".to_owned(), "15".to_owned())].into(),
            trigger: serde_json::json!({"type": "manual"}),
            seed: u64::MAX,
            select: None,
            reuse: true,
        },
        definition: definition("flights", 2),
        grounds: Grounds {
            previous: None,
            contents: [("flights".to_owned(), Some(ContentHash::of(b"rows")))].into(),
            fates: [("s0".to_owned(), ("run".to_owned(), None, None))].into(),
        },
    }
}

pub(crate) fn a_kept_plan_is_found_by_the_beginning_of_its_id(open: Open<'_>) {
    let (first, second) = (plan(b"1", 1), plan(b"2", 2));
    open().save_plan(&first).unwrap();
    open().save_plan(&second).unwrap();
    let id = first.id.to_string();
    assert_eq!(open().saved_plans(&id).unwrap(), std::slice::from_ref(&first));
    assert_eq!(
        open().saved_plans(&id[..12]).unwrap(),
        std::slice::from_ref(&first)
    );
    assert_eq!(open().saved_plans("").unwrap().len(), 2);
    assert_eq!(open().saved_plans(&"0".repeat(64)).unwrap(), []);
    // The same plan, made later, stands in for the first.
    open().save_plan(&plan(b"1", 3)).unwrap();
    assert_eq!(open().saved_plans(&id).unwrap(), [plan(b"1", 3)]);
}
