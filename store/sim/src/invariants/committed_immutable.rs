//! An entry that some member has applied was committed: no log ever holds another one in its place, except behind the
//! end of what that log knows to be applied.

use std::collections::BTreeMap;

use super::Invariant;
use crate::observation::Observation;

/// What was once applied, by index: (term, hash).
#[derive(Default)]
pub(super) struct CommittedImmutable {
    committed: BTreeMap<u64, (u64, u64)>,
}

impl Invariant for CommittedImmutable {
    fn name(&self) -> &'static str {
        "committed entries never change"
    }

    fn check(&mut self, observation: &Observation) -> Result<(), String> {
        for seen in observation {
            for (index, entry) in seen.durable.range(..=seen.status.applied_index) {
                let known = *self.committed.entry(*index).or_insert(*entry);
                if known != *entry {
                    return Err(format!(
                        "member {} applied entry {index} of term {}, another was committed in term {}",
                        seen.member, entry.0, known.0
                    ));
                }
            }
        }
        Ok(())
    }
}
