//! What a command changed, key by key.

use crate::Revision;
use crate::record;
use store_types::{Event, KeyValue};

/// One changed key.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// Key of the row.
    pub revision: Revision,
    /// What watchers see; `kv` is always set. `prev_kv` as [`Mvcc::set_load_previous`] says.
    pub event: Event,
    /// Where the previous value is, if the key existed.
    pub previous: Option<Revision>,
}

impl Change {
    /// Appends the row to be stored under [`Revision::to_key`].
    pub fn encode_row(&self, row: &mut Vec<u8>) {
        record::encode_event(&self.event, row);
    }

    /// The put value, or the deleted key.
    pub fn kv(&self) -> &KeyValue {
        self.event.kv.as_ref().expect("apply sets kv in every event")
    }
}
