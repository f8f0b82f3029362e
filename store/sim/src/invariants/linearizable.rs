//! What the clients saw of each key is what one register would have shown them.

use super::Outcome;
use crate::history::Operation;
use crate::linearizability::{Verdict, check};
use crate::workload::KEYS;

pub(super) fn judge(outcome: &Outcome) -> Result<(), String> {
    for key in 0..KEYS {
        let of_key: Vec<Operation> =
            outcome.operations.iter().filter(|operation| operation.key == key).copied().collect();
        match check(&of_key) {
            Verdict::Linearizable => {}
            Verdict::Illegal { explained } => {
                return Err(format!(
                    "key {key}: no order explains more than {explained} of {} operations; around there: {:#?}",
                    of_key.len(),
                    &of_key[explained.saturating_sub(3)..(explained + 3).min(of_key.len())]
                ));
            }
            Verdict::Unknown => return Err(format!("key {key}: {} operations were not decided", of_key.len())),
        }
    }
    Ok(())
}
