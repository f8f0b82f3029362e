//! The exam that every [`Store`] passes: what the etcd v3 API promises, one named check per promise.
//!
//! A check works below a prefix of its own and counts revisions from where the store stands, so all of them can run one
//! after the other on one store that already holds data. Nobody else may write meanwhile: several checks count
//! revisions. A check fails by panicking with what it saw. Waits are bounded by [`WAIT_SECONDS_MAX`], in tokio's time.
//!
//! The suite itself is held against a stock etcd with `cargo run -p store-client --example conformance -- URL`. Where
//! releases differ it asks for the corrected behaviour of the newest one and names the bug: etcd 3.4.23 fails
//! `unknown_sort_options_are_refused`, `a_tombstone_at_the_compaction_is_still_delivered` and
//! `a_tombstone_survives_its_creation`, and passes all others.

mod compaction;
mod errors;
mod kv;
mod lease;
mod range;
mod scope;
mod txn;
mod watch;
mod watch_edges;

use crate::Store;
use futures::future::BoxFuture;
use std::sync::Arc;

pub use scope::Scope;

/// How long a check waits for something that must come.
pub const WAIT_SECONDS_MAX: u64 = 60;

/// One promise and how it is examined.
pub struct Check {
    /// Area and name, as in `watch::filters_leave_events_out`.
    pub name: &'static str,
    run: fn(Scope) -> BoxFuture<'static, ()>,
}

impl Check {
    /// Examines `store`; panics if it breaks the promise.
    pub async fn run(&self, store: Arc<dyn Store>) {
        let scope = Scope::new(store, self.name).await;
        (self.run)(scope).await;
    }
}

impl std::fmt::Debug for Check {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.name)
    }
}

/// Runs every check on a store that `factory` makes for it; it may make the same one each time.
pub async fn run_all<Make, Made>(factory: Make)
where
    Make: Fn() -> Made,
    Made: Future<Output = Arc<dyn Store>>,
{
    for check in CHECKS {
        eprintln!("conformance: {}", check.name);
        check.run(factory().await).await;
    }
}

/// The check of this name.
pub fn find(name: &str) -> Option<&'static Check> {
    CHECKS.iter().find(|check| check.name == name)
}

macro_rules! checks {
    ($($area:ident: $($name:ident)*;)*) => {
        /// Every check.
        pub const CHECKS: &[Check] = &[$($(Check {
            name: concat!(stringify!($area), "::", stringify!($name)),
            run: |scope| Box::pin($area::$name(scope)),
        }),*),*];
    };
}

checks! {
    kv:
        a_put_creates_and_then_versions_a_key
        every_write_is_one_revision
        old_values_are_read_at_their_revision
        a_deleted_key_starts_over
        deleting_nothing_makes_no_revision
        previous_values_come_back_if_asked_for
        value_or_lease_can_be_kept
        keys_and_values_are_any_bytes
        the_member_tells_about_itself;
    range:
        ranges_are_half_open_prefix_or_open_ended
        a_limit_tells_more_and_the_whole_count
        pages_at_one_revision_miss_and_repeat_nothing
        only_keys_or_only_the_count
        every_order_and_target_sorts
        revision_filters_apply_before_the_limit
        a_serializable_read_answers_too;
    txn:
        every_comparison_of_every_target
        an_absent_key_compares_as_zero_and_never_by_value
        a_compare_over_a_range_holds_for_all_or_not
        a_transaction_is_one_revision
        reads_see_the_writes_before_them
        nested_compares_see_the_state_before
        without_a_write_there_is_no_revision
        a_refused_operation_undoes_all
        an_unreadable_revision_refuses_the_writes_too
        optimistic_updates_as_an_api_server_makes_them;
    errors:
        malformed_requests_have_their_own_errors
        malformed_transactions_have_their_own_errors
        unknown_sort_options_are_refused
        a_future_revision_is_refused
        a_large_request_is_refused;
    lease:
        a_lease_is_granted_listed_and_revoked
        a_revocation_deletes_the_attached_keys_in_one_revision
        a_key_belongs_to_its_last_lease
        an_expired_lease_takes_its_keys
        a_renewed_lease_lives
        unknown_leases_have_their_own_answers;
    compaction:
        below_is_refused_and_the_revision_itself_is_readable
        live_values_survive
        the_revision_never_falls
        only_the_past_can_be_compacted_and_once;
    watch:
        from_now_on_without_a_start
        from_a_start_revision_on
        a_revision_is_delivered_whole
        a_deletion_has_the_key_and_its_revision
        previous_values_belong_to_the_event
        filters_leave_events_out
        a_range_is_watched_as_it_is_read
        a_lost_watch_is_resumed_after_its_last_revision
        progress_never_overtakes_events
        an_idle_watch_answers_every_progress_request
        many_watches_opened_during_writes_miss_nothing
        a_reader_that_stalls_loses_nothing;
    watch_edges:
        a_compacted_start_is_canceled_with_the_first_watchable_revision
        the_compaction_revision_itself_can_be_watched
        a_tombstone_at_the_compaction_is_still_delivered
        a_tombstone_survives_its_creation
        the_first_event_after_a_compaction_has_no_previous_value
        a_future_watch_is_silent_until_its_start
        a_negative_start_is_refused
        an_empty_range_is_refused;
}
