//! At most one leader in a term.

use std::collections::BTreeMap;

use super::Invariant;
use crate::observation::Observation;

/// Who led in which term.
#[derive(Default)]
pub(super) struct ElectionSafety {
    leaders: BTreeMap<u64, u64>,
}

impl Invariant for ElectionSafety {
    fn name(&self) -> &'static str {
        "one leader in a term"
    }

    fn check(&mut self, observation: &Observation) -> Result<(), String> {
        for seen in observation.iter().filter(|seen| seen.status.is_leader) {
            let leader = *self.leaders.entry(seen.status.term).or_insert(seen.status.leader);
            if leader != seen.status.leader {
                return Err(format!("term {}: {leader:x} and {:x} led", seen.status.term, seen.status.leader));
            }
        }
        Ok(())
    }
}
