//! One revision of history as watchers share it.

use bytes::{BufMut, Bytes, BytesMut};
use prost::Message;
use std::io;
use std::sync::{Arc, OnceLock};
use store_mvcc::{Change, Revision, Values};
use store_types::Event;

/// Tag of field 11 (`events`) of etcd's watch response, length-delimited.
const EVENTS_TAG: u8 = 11 << 3 | 2;

/// All changes of one revision. Events and their encodings are made when the first watcher wants them.
pub(crate) struct Changes {
    revision: i64,
    events: Arc<[Event]>,
    previous: Box<[Option<Revision>]>,
    weight_bytes: usize,
    with_previous: OnceLock<Arc<[Event]>>,
    encoded: OnceLock<Arc<[Bytes]>>,
    encoded_with_previous: OnceLock<Arc<[Bytes]>>,
}

impl Changes {
    /// The changes of one revision, in order; at least one.
    pub(crate) fn new(changes: impl IntoIterator<Item = Change>) -> Self {
        let mut revision = 0;
        let mut weight_bytes = size_of::<Self>();
        let (events, previous): (Vec<Event>, Vec<Option<Revision>>) = changes
            .into_iter()
            .map(|change| {
                revision = change.revision.main;
                weight_bytes += size_of::<Event>() + change.kv().key.len() + change.kv().value.len();
                (change.event, change.previous)
            })
            .unzip();
        Self {
            revision,
            events: events.into(),
            previous: previous.into(),
            weight_bytes,
            with_previous: OnceLock::new(),
            encoded: OnceLock::new(),
            encoded_with_previous: OnceLock::new(),
        }
    }

    pub(crate) fn revision(&self) -> i64 {
        self.revision
    }

    /// Memory that this revision holds, about.
    pub(crate) fn weight_bytes(&self) -> usize {
        self.weight_bytes
    }

    /// The events, without previous values.
    pub(crate) fn events(&self) -> &Arc<[Event]> {
        &self.events
    }

    /// The events with their previous values, as far as compaction has left those.
    pub(crate) fn events_with_previous<V: Values<Error = io::Error>>(&self, values: &V) -> io::Result<&Arc<[Event]>> {
        if let Some(events) = self.with_previous.get() {
            return Ok(events);
        }
        if self.previous.iter().all(Option::is_none) {
            return Ok(&self.events);
        }
        let mut events = Vec::with_capacity(self.events.len());
        for (event, previous) in self.events.iter().zip(&self.previous) {
            let mut event = event.clone();
            if let Some(previous) = previous {
                event.prev_kv = values.get(*previous)?;
            }
            events.push(event);
        }
        Ok(self.with_previous.get_or_init(|| events.into()))
    }

    /// Each event as a field of a watch response, ready to be copied onto the wire.
    pub(crate) fn encoded(&self) -> &Arc<[Bytes]> {
        self.encoded.get_or_init(|| encode_all(&self.events))
    }

    /// [`Self::encoded`] of [`Self::events_with_previous`].
    pub(crate) fn encoded_with_previous<V: Values<Error = io::Error>>(&self, values: &V) -> io::Result<&Arc<[Bytes]>> {
        if let Some(encoded) = self.encoded_with_previous.get() {
            return Ok(encoded);
        }
        let events = self.events_with_previous(values)?;
        if Arc::ptr_eq(events, &self.events) {
            return Ok(self.encoded());
        }
        Ok(self.encoded_with_previous.get_or_init(|| encode_all(events)))
    }
}

fn encode_all(events: &[Event]) -> Arc<[Bytes]> {
    events.iter().map(encode_field).collect()
}

fn encode_field(event: &Event) -> Bytes {
    let length = event.encoded_len();
    let mut field = BytesMut::with_capacity(1 + prost::length_delimiter_len(length) + length);
    field.put_u8(EVENTS_TAG);
    event.encode_length_delimited(&mut field).expect("the buffer grows");
    field.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use store_mvcc::Record;
    use store_types::{KeyValue, etcdserverpb::WatchResponse, mvccpb::event::EventType};

    fn kv(value: &'static str, revision: i64) -> KeyValue {
        KeyValue { key: "k".into(), value: value.into(), mod_revision: revision, ..Default::default() }
    }

    /// Stored puts, with the error type of a disk.
    struct Stored(BTreeMap<Revision, Record>);

    impl Values for Stored {
        type Error = io::Error;

        fn get(&self, revision: Revision) -> io::Result<Option<KeyValue>> {
            Ok(Values::get(&self.0, revision).expect("memory does not fail"))
        }
    }

    #[test]
    fn encoded_events_are_fields_of_etcds_watch_response() {
        let change = Change {
            revision: Revision::new(7, 0),
            event: Event { r#type: EventType::Put as i32, kv: Some(kv("new", 7)), prev_kv: None },
            previous: Some(Revision::new(3, 0)),
        };
        let stored = Stored(BTreeMap::from([(Revision::new(3, 0), Record::Put(kv("old", 3)))]));
        let changes = Changes::new([change]);
        let plain = WatchResponse::decode(changes.encoded()[0].clone()).unwrap();
        assert_eq!(plain.events, changes.events().to_vec());
        let full = WatchResponse::decode(changes.encoded_with_previous(&stored).unwrap()[0].clone()).unwrap();
        assert_eq!(full.events[0].prev_kv, Some(kv("old", 3)));
    }
}
