//! Ends leases in time, by the same revocation that a client would send.

use super::state::Shared;
use std::sync::Weak;
use store_types::command::Operation;
use store_types::etcdserverpb as pb;

/// Leases that one pass ends before it looks again; more are only later.
const EXPIRIES_PER_PASS_MAX: usize = 1_000;

/// Runs until the store is gone.
pub(super) async fn run(store: Weak<Shared>) {
    loop {
        let Some(shared) = store.upgrade() else { return };
        let now = shared.now();
        let (due, next) = {
            let state = shared.state.lock();
            (state.deadlines.due(now, EXPIRIES_PER_PASS_MAX), state.deadlines.next())
        };
        for id in &due {
            // Refused if a client was quicker; the lease is gone either way.
            let _ = shared.commit(Operation::LeaseRevoke(pb::LeaseRevokeRequest { id: *id }));
        }
        if !due.is_empty() {
            continue;
        }
        let moved = shared.deadlines_moved.notified();
        match next {
            Some(end) => tokio::select! {
                () = tokio::time::sleep(end.saturating_sub(now)) => {}
                () = moved => {}
            },
            None => moved.await,
        }
    }
}
