//! Every statement of the product, one a file under `queries/`.

macro_rules! queries {
    ($($name:ident = $path:literal,)*) => {
        $(pub(crate) const $name: &str = include_str!(concat!("../queries/", $path));)*

        #[cfg(test)]
        pub(crate) const ALL: &[(&str, &str)] = &[$(($path, $name)),*];
    };
}

queries! {
    APPROVAL_ASK = "approval/ask.sql",
    APPROVAL_CLOSE = "approval/close.sql",
    APPROVAL_CLOSE_RUN = "approval/close_run.sql",
    APPROVAL_GIVE = "approval/give.sql",
    APPROVAL_GIVEN = "approval/given.sql",
    APPROVAL_WAITING = "approval/waiting.sql",
    ARTIFACT_ORIGINS = "artifact/origins.sql",
    ARTIFACT_PUT = "artifact/put.sql",
    BACKFILL_ADVANCE = "backfill/advance.sql",
    BACKFILL_FIND = "backfill/find.sql",
    BACKFILL_GET = "backfill/get.sql",
    BACKFILL_LIST = "backfill/list.sql",
    BACKFILL_MEAN = "backfill/mean.sql",
    BACKFILL_OF_KEY = "backfill/of_key.sql",
    BACKFILL_OPEN_RUNS = "backfill/open_runs.sql",
    BACKFILL_PUT = "backfill/put.sql",
    BACKFILL_PUT_TICK = "backfill/put_tick.sql",
    BACKFILL_RUNNING = "backfill/running.sql",
    BACKFILL_RUNS_OF_TICK = "backfill/runs_of_tick.sql",
    BACKFILL_SET_TICK = "backfill/set_tick.sql",
    BACKFILL_SETTLE = "backfill/settle.sql",
    BACKFILL_TALLY = "backfill/tally.sql",
    BACKFILL_TICKS = "backfill/ticks.sql",
    BACKFILL_WAITING = "backfill/waiting.sql",
    BACKFILL_WAITING_LAST = "backfill/waiting_last.sql",
    DURATION_PUT = "duration/put.sql",
    DURATION_RECENT = "duration/recent.sql",
    EVENT_INSERT = "event/insert.sql",
    EVENT_RANGE = "event/range.sql",
    FEATURE_INSERT_SNAPSHOT = "feature/insert_snapshot.sql",
    FEATURE_INSERT_VERSION = "feature/insert_version.sql",
    FEATURE_INSERT_WRITTEN = "feature/insert_written.sql",
    FEATURE_PUT_VIEW = "feature/put_view.sql",
    FEATURE_SET_DEFINITION = "feature/set_definition.sql",
    FEATURE_SNAPSHOTS = "feature/snapshots.sql",
    FEATURE_SNAPSHOTS_OF_RUN = "feature/snapshots_of_run.sql",
    FEATURE_VERSIONS = "feature/versions.sql",
    FEATURE_VIEW_ID = "feature/view_id.sql",
    FEATURE_VIEW_IDS = "feature/view_ids.sql",
    FEATURE_WRITTEN = "feature/written.sql",
    FILE_HASH_GET = "file_hash/get.sql",
    FILE_HASH_PUT = "file_hash/put.sql",
    FIRING_LIST = "firing/list.sql",
    FIRING_PUT = "firing/put.sql",
    FIRING_TRIM = "firing/trim.sql",
    IDEMPOTENCY_FORGET = "idempotency/forget.sql",
    IDEMPOTENCY_GET = "idempotency/get.sql",
    IDEMPOTENCY_PUT = "idempotency/put.sql",
    LEASE_FORGET = "lease/forget.sql",
    LEASE_GET = "lease/get.sql",
    LEASE_PUT = "lease/put.sql",
    LEASE_RAISE_EPOCH = "lease/raise_epoch.sql",
    LEASE_RELEASE = "lease/release.sql",
    LEASE_RENEW = "lease/renew.sql",
    LEASE_YIELD = "lease/yield.sql",
    LINEAGE_NODE = "lineage/node.sql",
    LINEAGE_NODE_ID = "lineage/node_id.sql",
    LINEAGE_NODES_OF_SUBJECT = "lineage/nodes_of_subject.sql",
    LINEAGE_PUT_EDGE = "lineage/put_edge.sql",
    LINEAGE_PUT_NODE = "lineage/put_node.sql",
    LINEAGE_SOURCES = "lineage/sources.sql",
    LINEAGE_TARGETS = "lineage/targets.sql",
    MODEL_ALIASES = "model/aliases.sql",
    MODEL_DELETE_ALIAS = "model/delete_alias.sql",
    MODEL_ID = "model/id.sql",
    MODEL_INSERT_REGISTRATION = "model/insert_registration.sql",
    MODEL_INSERT_VERSION = "model/insert_version.sql",
    MODEL_LAST_VERSION = "model/last_version.sql",
    MODEL_LIST = "model/list.sql",
    MODEL_PUT = "model/put.sql",
    MODEL_REGISTRATION = "model/registration.sql",
    MODEL_SET_ALIAS = "model/set_alias.sql",
    MODEL_VERSION_OF_ALIAS = "model/version_of_alias.sql",
    MODEL_VERSION_OF_CONTENT = "model/version_of_content.sql",
    MODEL_VERSIONS = "model/versions.sql",
    MODEL_VERSIONS_OF_RUN = "model/versions_of_run.sql",
    PAUSE_DELETE = "pause/delete.sql",
    PAUSE_LIST = "pause/list.sql",
    PAUSE_PUT = "pause/put.sql",
    PIPELINE_GET = "pipeline/get.sql",
    PIPELINE_LATEST = "pipeline/latest.sql",
    PIPELINE_NAMES = "pipeline/names.sql",
    PIPELINE_PUT = "pipeline/put.sql",
    POOL_CLAIM = "pool/claim.sql",
    POOL_CLAIMS = "pool/claims.sql",
    POOL_DECLARE = "pool/declare.sql",
    POOL_GET = "pool/get.sql",
    POOL_GRANT = "pool/grant.sql",
    POOL_HOLD = "pool/hold.sql",
    POOL_NAMES_OF_RUN = "pool/names_of_run.sql",
    POOL_RELEASE = "pool/release.sql",
    POOL_RELEASE_RUN = "pool/release_run.sql",
    POOL_SET_STARTS = "pool/set_starts.sql",
    QUEUE_ACTIVE = "queue/active.sql",
    QUEUE_ALONE = "queue/alone.sql",
    QUEUE_COUNT = "queue/count.sql",
    QUEUE_FREE = "queue/free.sql",
    QUEUE_HELD = "queue/held.sql",
    QUEUE_LEAVE = "queue/leave.sql",
    QUEUE_OPTIONS = "queue/options.sql",
    QUEUE_PUT = "queue/put.sql",
    QUEUE_SET_OPTIONS = "queue/set_options.sql",
    QUEUE_STOPS = "queue/stops.sql",
    QUEUE_WAITING = "queue/waiting.sql",
    PLAN_FIND = "plan/find.sql",
    PLAN_PUT = "plan/put.sql",
    REQUEST_DELETE = "request/delete.sql",
    REQUEST_INSERT = "request/insert.sql",
    REQUEST_RUNS = "request/runs.sql",
    REQUEST_TAKE = "request/take.sql",
    RESULT_GET = "result/get.sql",
    RESULT_PUT = "result/put.sql",
    RETENTION_BURY = "retention/bury.sql",
    RETENTION_DROP_APPROVALS = "retention/drop_approvals.sql",
    RETENTION_DROP_ARTIFACT = "retention/drop_artifact.sql",
    RETENTION_DROP_CLAIMS = "retention/drop_claims.sql",
    RETENTION_DROP_CONTENT = "retention/drop_content.sql",
    RETENTION_DROP_DEFINITION = "retention/drop_definition.sql",
    RETENTION_DROP_DURATIONS = "retention/drop_durations.sql",
    RETENTION_DROP_EDGES_FROM = "retention/drop_edges_from.sql",
    RETENTION_DROP_EDGES_FROM_CONTENT = "retention/drop_edges_from_content.sql",
    RETENTION_DROP_EDGES_TO = "retention/drop_edges_to.sql",
    RETENTION_DROP_EDGES_TO_CONTENT = "retention/drop_edges_to_content.sql",
    RETENTION_DROP_EDGES_TO_UNREAD = "retention/drop_edges_to_unread.sql",
    RETENTION_DROP_EVENTS = "retention/drop_events.sql",
    RETENTION_DROP_FIRINGS = "retention/drop_firings.sql",
    RETENTION_DROP_FEATURE_WRITES = "retention/drop_feature_writes.sql",
    RETENTION_DROP_KEYS = "retention/drop_keys.sql",
    RETENTION_DROP_NODE = "retention/drop_node.sql",
    RETENTION_DROP_QUEUE = "retention/drop_queue.sql",
    RETENTION_DROP_RESULT = "retention/drop_result.sql",
    RETENTION_DROP_REUSES = "retention/drop_reuses.sql",
    RETENTION_DROP_RUN = "retention/drop_run.sql",
    RETENTION_DROP_RUN_NODE = "retention/drop_run_node.sql",
    RETENTION_DROP_UNREAD = "retention/drop_unread.sql",
    RETENTION_FIND_REMOVED = "retention/find_removed.sql",
    RETENTION_FORGET = "retention/forget.sql",
    RETENTION_GET_REMOVED = "retention/get_removed.sql",
    RETENTION_HOLD = "retention/hold.sql",
    RETENTION_LOCK_LINEAGE = "retention/lock_lineage.sql",
    RETENTION_LOOSEN_FIRINGS = "retention/loosen_firings.sql",
    RETENTION_OLD = "retention/old.sql",
    RETENTION_REMOVED = "retention/removed.sql",
    RETENTION_REST = "retention/rest.sql",
    RETENTION_SETTLE = "retention/settle.sql",
    RETENTION_STEPS = "retention/steps.sql",
    RETENTION_STILL = "retention/still.sql",
    RETENTION_VERSIONS_READ = "retention/versions_read.sql",
    RUN_ADVANCE = "run/advance.sql",
    RUN_COUNT = "run/count.sql",
    RUN_DEFINITION = "run/definition.sql",
    RUN_ENDED_SINCE = "run/ended_since.sql",
    RUN_FIND_BY_PREFIX = "run/find_by_prefix.sql",
    RUN_FIND_BY_SHORT_ID = "run/find_by_short_id.sql",
    RUN_FIND_BY_SUFFIX = "run/find_by_suffix.sql",
    RUN_HOLD = "run/hold.sql",
    RUN_ID = "run/id.sql",
    RUN_INSERT = "run/insert.sql",
    RUN_INSERT_DEFINITION = "run/insert_definition.sql",
    RUN_INSERT_REUSE = "run/insert_reuse.sql",
    RUN_LIST = "run/list.sql",
    RUN_LIST_BY_PIPELINE = "run/list_by_pipeline.sql",
    RUN_LIST_BY_PIPELINE_AND_STATUS = "run/list_by_pipeline_and_status.sql",
    RUN_LIST_BY_STATUS = "run/list_by_status.sql",
    RUN_NUMBER = "run/number.sql",
    RUN_POSITION = "run/position.sql",
    RUN_PREVIOUS = "run/previous.sql",
    RUN_SUMMARY = "run/summary.sql",
    TOKEN_LIST = "token/list.sql",
    TOKEN_PUT = "token/put.sql",
    TOKEN_REVOKE = "token/revoke.sql",
    TRIGGER_GET = "trigger/get.sql",
    TRIGGER_PUT = "trigger/put.sql",
    USAGE_ADD = "usage/add.sql",
    USAGE_OF_MONTH = "usage/of_month.sql",
    USAGE_UNDER_WAY = "usage/under_way.sql",
}

/// Statements of PostgreSQL alone.
pub(crate) mod postgres {
    queries! {
        ARTIFACTS_PUT = "postgres/artifacts_put.sql",
        CLOCK = "postgres/clock.sql",
        DAMAGED_RUNS = "postgres/damaged_runs.sql",
        DATA_VERSION = "postgres/data_version.sql",
        EVENTS_INSERT = "postgres/events_insert.sql",
        LINEAGE_PUT_EDGES = "postgres/lineage_put_edges.sql",
        LINEAGE_PUT_NODES = "postgres/lineage_put_nodes.sql",
        POOL_HOLD = "postgres/pool_hold.sql",
        QUEUE_ALONE = "postgres/queue_alone.sql",
        RESULTS_PUT = "postgres/results_put.sql",
        RETENTION_HOLD = "postgres/retention_hold.sql",
        RETENTION_LOCK_LINEAGE = "postgres/retention_lock_lineage.sql",
        RETENTION_REST = "postgres/retention_rest.sql",
        RUN_FIND_BY_SHORT_ID = "postgres/run_find_by_short_id.sql",
        RUN_FIND_BY_SUFFIX = "postgres/run_find_by_suffix.sql",
        SETTINGS = "postgres/settings.sql",
        SIZE = "postgres/size.sql",
    }

    /// Said otherwise than on SQLite.
    pub(crate) const INSTEAD: &[(&str, &str)] = &[
        (super::POOL_HOLD, POOL_HOLD),
        (super::QUEUE_ALONE, QUEUE_ALONE),
        (super::RETENTION_HOLD, RETENTION_HOLD),
        (super::RETENTION_LOCK_LINEAGE, RETENTION_LOCK_LINEAGE),
        (super::RETENTION_REST, RETENTION_REST),
        (super::RUN_FIND_BY_SHORT_ID, RUN_FIND_BY_SHORT_ID),
        (super::RUN_FIND_BY_SUFFIX, RUN_FIND_BY_SUFFIX),
    ];

    /// What is queued for one row and sent for many: each parameter then is an array. Lineage is sent
    /// by name, so that no id of a node has to be asked for.
    pub(crate) const MANY: &[(&str, &str)] = &[
        (super::EVENT_INSERT, EVENTS_INSERT),
        (super::RESULT_PUT, RESULTS_PUT),
        (super::ARTIFACT_PUT, ARTIFACTS_PUT),
        (LINEAGE_PUT_NODES, LINEAGE_PUT_NODES),
        (LINEAGE_PUT_EDGES, LINEAGE_PUT_EDGES),
    ];
}

#[cfg(test)]
mod tests {
    use super::{ALL, postgres};
    use crate::Store;
    use crate::database::Database;
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    #[test]
    fn every_statement_prepares_against_a_fresh_database() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("state.db")).unwrap();
        let Database::Sqlite(sqlite) = &store.database else {
            panic!("another database")
        };
        let connection = sqlite.connection("prepare").unwrap();
        for (path, sql) in ALL {
            connection
                .prepare(sql)
                .map_err(|error| format!("{path}: {error}"))
                .unwrap();
        }
    }

    #[test]
    fn every_file_is_used() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("queries");
        let mut files = BTreeSet::new();
        for noun in fs::read_dir(&folder).unwrap() {
            for file in fs::read_dir(noun.unwrap().path()).unwrap() {
                let path = file.unwrap().path();
                files.insert(path.strip_prefix(&folder).unwrap().to_str().unwrap().to_owned());
            }
        }
        let used = ALL.iter().chain(postgres::ALL);
        assert_eq!(files, used.map(|(path, _)| (*path).to_owned()).collect());
    }
}
