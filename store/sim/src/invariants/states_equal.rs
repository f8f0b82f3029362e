//! Members that have applied the same index hold the same state, at whatever time each of them was there.

use std::collections::BTreeMap;

use super::Invariant;
use crate::observation::Observation;

/// The state seen at each applied index.
#[derive(Default)]
pub(super) struct StatesEqual {
    states: BTreeMap<u64, (usize, u64)>,
}

impl Invariant for StatesEqual {
    fn name(&self) -> &'static str {
        "states are equal at equal index"
    }

    fn check(&mut self, observation: &Observation) -> Result<(), String> {
        for seen in observation {
            let Some(state) = seen.state else { continue };
            let index = seen.status.applied_index;
            let (first, known) = *self.states.entry(index).or_insert((seen.member, state));
            if known != state {
                return Err(format!("members {first} and {} differ at applied index {index}", seen.member));
            }
        }
        Ok(())
    }
}
