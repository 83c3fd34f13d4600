//! The queue's contract on every database at hand.

use super::JobState;
use crate::contract::{databases, jobs as contract};

macro_rules! on_every_database {
    ($($name:ident,)*) => {$(
        #[tokio::test]
        async fn $name() {
            for test in databases().await {
                contract::$name(test.db.clone()).await;
            }
        }
    )*};
}

on_every_database! {
    statements_prepare,
    enqueue_belongs_to_the_transaction,
    a_job_runs_when_due_and_leaves_its_result,
    a_dedup_key_is_unique_while_pending,
    failures_are_tried_again_with_growing_pauses,
    each_job_is_claimed_by_one,
    an_expired_lease_lets_another_node_resume,
    a_lost_lease_changes_nothing,
    cancellation,
    a_worker_wakes_up_and_stops,
    schedules_repeat,
    again_is_no_failure,
    purge_removes_what_ended_long_ago,
}

#[test]
fn states_are_read_as_they_are_written() {
    for state in
        [JobState::Queued, JobState::Running, JobState::Succeeded, JobState::Failed, JobState::Cancelled]
    {
        assert_eq!(state.to_string().parse(), Ok(state));
    }
    assert!("done".parse::<JobState>().is_err());
}
