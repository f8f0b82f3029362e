//! If two logs hold an entry with the same index and term, they are the same up to there.

use super::Invariant;
use crate::observation::{Observation, Seen};

/// Looks at durable logs, two by two.
pub(super) struct LogMatching;

impl Invariant for LogMatching {
    fn name(&self) -> &'static str {
        "logs match"
    }

    fn check(&mut self, observation: &Observation) -> Result<(), String> {
        for (number, left) in observation.iter().enumerate() {
            for right in &observation[number + 1..] {
                compare(left, right)?;
            }
        }
        Ok(())
    }
}

fn compare(left: &Seen, right: &Seen) -> Result<(), String> {
    let mut matched = false;
    for (index, (term, payload)) in left.durable.iter().rev() {
        let Some((other_term, other_payload)) = right.durable.get(index) else { continue };
        matched |= term == other_term;
        if matched && (term, payload) != (other_term, other_payload) {
            return Err(format!("entry {index} differs between members {} and {}", left.member, right.member));
        }
    }
    Ok(())
}
