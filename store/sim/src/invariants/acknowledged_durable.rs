//! An acknowledged write is in the history of every member, at the revision that its client was told.

use store_types::Event;

use super::Outcome;
use crate::history::Action;
use crate::workload::{key_name, value_number};

pub(super) fn judge(outcome: &Outcome) -> Result<(), String> {
    for (member, events) in &outcome.watched {
        for operation in outcome.operations.iter().filter(|operation| operation.wrote && operation.answer.is_some()) {
            let value = match operation.action {
                Action::Write { value } | Action::Swap { value, .. } => value,
                Action::Read { .. } => continue,
            };
            let key = key_name(operation.key);
            let is_it = |event: &&Event| {
                event.kv.as_ref().is_some_and(|kv| {
                    let found = if kv.version == 0 { 0 } else { value_number(&kv.value) };
                    kv.mod_revision == operation.revision && kv.key == key && found == value
                })
            };
            if events.iter().find(is_it).is_none() {
                return Err(format!("member {member} lost {operation:?}"));
            }
        }
    }
    Ok(())
}
