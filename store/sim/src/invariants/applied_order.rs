//! Within a life of a member, term, applied index and revision never go back; what is purged was applied, and the log
//! is not behind what is purged.

use std::collections::BTreeMap;

use store::Status;

use super::Invariant;
use crate::observation::Observation;

/// The last status of each life.
#[derive(Default)]
pub(super) struct AppliedOrder {
    last: BTreeMap<(usize, u64), Status>,
}

impl Invariant for AppliedOrder {
    fn name(&self) -> &'static str {
        "applied never goes back, and purged <= applied"
    }

    fn check(&mut self, observation: &Observation) -> Result<(), String> {
        for seen in observation {
            let now = &seen.status;
            if seen.purged.is_some_and(|purged| purged > now.applied_index) {
                return Err(format!("member {} purged {:?}, applied {}", seen.member, seen.purged, now.applied_index));
            }
            let Some(before) = self.last.insert((seen.member, seen.life), now.clone()) else { continue };
            let positions = |status: &Status| [status.term, status.applied_index, status.revision as u64];
            if positions(now).iter().zip(positions(&before)).any(|(now, before)| *now < before) {
                return Err(format!("member {} went from {before:?} back to {now:?}", seen.member));
            }
        }
        Ok(())
    }
}
