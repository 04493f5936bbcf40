//! What every backend must do. Each function takes a way to open connections to one empty store.

pub(crate) mod admission;
pub(crate) mod approvals;
pub(crate) mod backfills;
pub(crate) mod features;
pub(crate) mod files;
pub(crate) mod firings;
pub(crate) mod inbox;
pub(crate) mod leases;
pub(crate) mod lineage;
pub(crate) mod plans;
pub(crate) mod pools;
pub(crate) mod registry;
pub(crate) mod retention;
pub(crate) mod reuse;
pub(crate) mod runs;
pub(crate) mod tokens;
pub(crate) mod turns;
pub(crate) mod usage;

use std::ops::Deref;
use trainyard_contract::Timestamp;
use trainyard_store::Store;

/// Opens one more connection to the store under test.
pub(crate) type Open<'a> = &'a Backend<'a>;

/// One empty store.
pub(crate) struct Backend<'a> {
    pub(crate) open: &'a (dyn Fn() -> Store + Sync),
    /// Sets the clock by which leases end, where that is not the caller's.
    pub(crate) set_clock: &'a (dyn Fn(Timestamp) + Sync),
}

impl Backend<'_> {
    /// The time as callers and store agree on it.
    pub(crate) fn at(&self, micros: i64) -> Timestamp {
        (self.set_clock)(Timestamp(micros));
        Timestamp(micros)
    }
}

impl<'a> Deref for Backend<'a> {
    type Target = dyn Fn() -> Store + Sync + 'a;
    fn deref(&self) -> &Self::Target {
        self.open
    }
}

macro_rules! suite {
    ($($part:ident: $($claim:ident),+;)+) => {
        /// Every claim, under a name of its own, against the backend that `$with` opens.
        macro_rules! conformance {
            ($with:path) => {
                $(mod $part {
                    $(#[test]
                    fn $claim() {
                        $with(&crate::conformance::$part::$claim);
                    })+
                })+
            };
        }
    };
}

suite! {
    admission:
        no_more_runs_of_a_group_start_than_it_allows,
        a_run_too_many_is_turned_away_as_its_group_says,
        the_oldest_run_is_asked_once_to_make_way,
        the_higher_priority_goes_first_and_who_waits_gains_on_it,
        a_storm_never_has_more_runs_at_once_than_its_group_allows;
    pools:
        a_pool_is_shared_by_all_until_an_attempt_is_over,
        a_slot_is_free_when_the_lease_of_its_run_ends,
        an_old_epoch_neither_gets_a_slot_nor_gives_one_back,
        a_rate_counts_the_starts_of_all,
        what_was_declared_last_is_what_a_pool_allows,
        a_run_that_is_over_waits_for_nothing,
        of_many_that_claim_at_once_no_more_get_a_slot_than_there_are;
    backfills:
        a_backfill_reads_back_with_its_ticks_in_its_order,
        a_request_that_is_sent_again_makes_one_backfill,
        what_was_decided_on_an_older_version_is_refused,
        ticks_are_counted_by_what_became_of_their_runs,
        a_tick_that_has_a_good_run_gets_no_other_if_only_missing_ones_are_wanted,
        a_schedule_that_makes_up_for_a_tick_finds_the_run_of_its_backfill,
        servers_that_work_on_one_backfill_start_each_tick_once;
    firings:
        a_run_is_kept_with_its_firing_and_the_state_of_its_trigger_or_none_of_them,
        a_firing_under_a_known_key_is_kept_as_repeated;
    runs:
        a_run_reads_back_as_it_was_written,
        a_run_is_made_once,
        a_run_is_found_by_id_beginning_end_and_latest,
        a_text_that_may_mean_several_runs_names_them,
        runs_are_listed_newest_first_in_pages,
        a_summary_counts_the_states_of_steps,
        a_retry_takes_failed_and_blocked_steps_back,
        events_can_be_followed,
        the_previous_run_is_the_newest_of_its_environment,
        durations_come_from_the_newest_runs;
    turns:
        what_is_appended_reads_back_equal,
        an_append_that_expects_another_number_of_events_is_refused,
        an_append_of_another_epoch_is_refused,
        a_turn_that_failed_keeps_nothing,
        a_turn_that_is_dropped_keeps_nothing,
        one_turn_carries_several_runs,
        a_turn_that_holds_a_run_of_another_is_refused,
        a_turn_whose_answer_was_lost_is_settled;
    leases:
        a_run_has_one_owner,
        a_lease_of_a_dead_process_is_taken_at_once,
        a_lease_of_another_machine_is_taken_when_it_has_expired,
        a_released_run_is_free,
        a_lease_that_was_taken_over_cannot_be_renewed,
        a_lease_of_a_run_that_is_over_goes_when_it_ends,
        a_run_whose_engine_is_gone_is_found,
        a_run_that_was_left_to_others_is_free_at_once,
        a_run_that_is_over_leaves_no_lease,
        of_many_that_want_a_run_one_gets_it;
    reuse:
        a_result_is_found_by_its_key,
        the_newest_result_of_a_key_counts,
        a_key_outlives_the_connection_that_saw_the_attempt_start,
        an_attempt_that_failed_leaves_no_result,
        an_artifact_is_traced_to_the_steps_that_made_it;
    retention:
        an_old_run_goes_with_everything_that_is_its_alone,
        the_last_runs_and_the_last_success_of_each_environment_stay,
        a_run_that_something_needs_stays,
        a_run_stays_as_long_as_its_snapshot_is_the_present_one,
        a_run_whose_result_was_taken_stays_as_long_as_the_run_that_took_it,
        a_result_holds_by_the_ttl_of_its_step,
        what_a_kept_run_has_too_stays,
        a_removal_goes_on_where_it_was_left,
        a_run_that_came_to_be_needed_is_not_removed,
        removed_runs_are_known_by_id_and_end,
        old_firings_go,
        nothing_is_lost_while_many_write_and_remove;
    registry:
        versions_count_from_one,
        the_same_content_keeps_its_version_and_moves_the_alias,
        a_step_instance_registers_once,
        an_effect_without_an_event_is_refused,
        concurrent_writers_leave_no_hole_and_no_double,
        aliases_move_and_go,
        a_version_is_found_by_number_alias_and_latest;
    features:
        snapshots_of_a_version_count_from_one_and_are_found_by_time,
        the_same_content_is_recorded_once,
        a_step_instance_writes_a_view_once,
        a_snapshot_of_an_older_base_is_sent_back,
        what_breaks_readers_is_the_next_version_and_what_does_not_is_not,
        of_many_writers_each_one_is_there_once,
        a_person_records_without_a_run;
    inbox:
        requests_are_taken_once_and_in_order,
        requests_of_a_turn_that_was_dropped_stay,
        another_connection_sees_that_something_changed;
    approvals:
        a_gate_waits_until_enough_people_agree,
        a_refusal_closes_the_gate,
        the_end_of_a_run_closes_its_gates;
    lineage:
        origins_and_consequences_are_found,
        depth_and_number_of_nodes_are_limited,
        an_edge_becomes_derived_and_stays_so,
        a_run_shows_what_its_steps_took_and_gave;
    tokens:
        a_token_keeps_what_its_bearer_may_and_is;
    usage:
        attempts_count_in_the_month_in_which_they_end,
        what_was_not_committed_was_not_used,
        runs_that_are_not_over_are_counted,
        items_take_what_their_step_holds,
        a_report_of_more_than_there_is_keeps_nothing_from_being_written,
        a_retry_counts_what_it_takes_and_nothing_twice;
    plans:
        a_kept_plan_is_found_by_the_beginning_of_its_id;
    files:
        a_file_is_known_until_anything_about_it_changes,
        a_file_written_just_now_is_not_trusted;
}
