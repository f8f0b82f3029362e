//! Reads of the local state, in two steps: choose rows under a short lock, fetch them without it.

use std::sync::Arc;
use store_client::{Error, Result};
use store_mvcc::RangePlan;
use store_mvcc::range::FetchError;
use store_types::etcdserverpb as pb;

use super::{State, broken, refusal};

/// Keys chosen before others get the lock.
const CHOOSE_KEYS_MAX: usize = 2_000;
/// Ranges that may be larger than this are read on a thread for blocking work, so that requests behind them do not wait.
const INLINE_KEYS_MAX: usize = 64;

impl State {
    /// Reads the local state; whether it is current enough was settled before.
    pub(crate) async fn range(self: &Arc<Self>, request: pb::RangeRequest) -> Result<pb::RangeResponse> {
        let small = request.range_end.is_empty() || (1..=INLINE_KEYS_MAX as i64).contains(&request.limit);
        if small && !request.count_only {
            return self.range_now(&request);
        }
        let state = Arc::clone(self);
        tokio::task::spawn_blocking(move || state.range_now(&request)).await.map_err(|_| Error::STOPPED)?
    }

    /// [`Self::range`] on this thread.
    pub(crate) fn range_now(&self, request: &pb::RangeRequest) -> Result<pb::RangeResponse> {
        loop {
            let plan = self.choose_now(request)?;
            let at = plan.at();
            // Not before the rows are chosen: a snapshot may have brought rows that the old database does not have.
            match plan.fetch(&*self.generation()) {
                Ok(response) => return Ok(response),
                Err(FetchError::Missing(_)) if self.mvcc().check_revision(at).is_err() => {
                    if request.revision > 0 {
                        return Err(Error::COMPACTED);
                    }
                }
                Err(error) => return Err(broken(&error)),
            }
        }
    }

    /// Chooses all rows of a read.
    pub(crate) fn choose_now(&self, request: &pb::RangeRequest) -> Result<RangePlan> {
        store_mvcc::check::range(request).map_err(refusal)?;
        loop {
            let mut mvcc = self.mvcc();
            let mut plan = mvcc.plan_range(request).map_err(refusal)?;
            loop {
                match plan.choose(&mvcc, CHOOSE_KEYS_MAX) {
                    Ok(true) => return Ok(plan),
                    Ok(false) => parking_lot::RwLockReadGuard::bump(&mut mvcc),
                    // A read of the newest state does not care which revision that was.
                    Err(store_mvcc::Error::Compacted) if request.revision <= 0 => break,
                    Err(error) => return Err(refusal(error)),
                }
            }
        }
    }

    /// Fetches a part of what was chosen.
    pub(crate) fn fetch_now(&self, plan: RangePlan) -> Result<pb::RangeResponse> {
        let at = plan.at();
        match plan.fetch(&*self.generation()) {
            Ok(response) => Ok(response),
            Err(FetchError::Missing(_)) if self.mvcc().check_revision(at).is_err() => Err(Error::COMPACTED),
            Err(error) => Err(broken(&error)),
        }
    }
}
