//! A watch from the first revision on delivers the same events at every member: in order, no revision twice apart from
//! the parts of one transaction, and with the final value of each key as its last event.

use super::Outcome;
use crate::workload::{key_name, value_number};

pub(super) fn judge(outcome: &Outcome) -> Result<(), String> {
    let mut watched = outcome.watched.iter();
    let Some((first, events)) = watched.next() else { return Err("nobody was watched".into()) };
    for (member, others) in watched {
        if events != others {
            let at = events.iter().zip(others).position(|(left, right)| left != right);
            return Err(format!("the watches of members {first} and {member} differ at event {at:?}"));
        }
    }
    let mut last: Option<(i64, &[u8])> = None;
    for event in events {
        let Some(kv) = &event.kv else { return Err("an event without a key".into()) };
        if last
            .is_some_and(|(revision, key)| kv.mod_revision < revision || (kv.mod_revision, &*kv.key) == (revision, key))
        {
            return Err(format!("revision {} of {:?} comes after {last:?}", kv.mod_revision, kv.key));
        }
        last = Some((kv.mod_revision, &kv.key));
    }
    for (key, value) in &outcome.values {
        let name = key_name(*key);
        let of_key = events.iter().rev().filter_map(|event| event.kv.as_ref()).find(|kv| kv.key == name);
        let told = of_key.map_or(0, |kv| if kv.version == 0 { 0 } else { value_number(&kv.value) });
        if told != *value {
            return Err(format!("the last event of key {key} says {told}, the key holds {value}"));
        }
    }
    Ok(())
}
