//! The current objects of a resource: all of them by key, and per value of each indexed field.

use crate::stored::Stored;
use bytes::Bytes;
use imbl::OrdMap;
use std::collections::HashMap;
use std::sync::Arc;

type Map = OrdMap<Bytes, Arc<Stored>>;

/// Persistent maps: a clone is a snapshot and costs nothing.
pub(crate) struct Objects {
    all: Map,
    indexed_fields: &'static [&'static str],
    by_field: Vec<HashMap<Box<str>, Map>>,
}

impl Objects {
    pub(crate) fn new(indexed_fields: &'static [&'static str]) -> Self {
        Self { all: Map::new(), indexed_fields, by_field: indexed_fields.iter().map(|_| HashMap::new()).collect() }
    }

    pub(crate) fn all(&self) -> &Map {
        &self.all
    }

    /// The objects with one value of the indexed field at position `index`.
    pub(crate) fn with_field(&self, index: usize, value: &str) -> Map {
        self.by_field[index].get(value).cloned().unwrap_or_default()
    }

    /// Stores an object; returns the one it replaces.
    pub(crate) fn put(&mut self, object: Arc<Stored>) -> Option<Arc<Stored>> {
        let previous = self.all.insert(object.key().clone(), Arc::clone(&object));
        for (field, values) in self.indexed_fields.iter().zip(&mut self.by_field) {
            let value = object.field(field).unwrap_or_default();
            let before = previous.as_deref().map(|previous| previous.field(field).unwrap_or_default());
            if let Some(before) = before.filter(|before| *before != value) {
                take_out(values, before, object.key());
            }
            match values.get_mut(value) {
                Some(map) => drop(map.insert(object.key().clone(), Arc::clone(&object))),
                None => {
                    drop(values.insert(value.into(), Map::unit(object.key().clone(), Arc::clone(&object))));
                }
            }
        }
        previous
    }

    /// Removes an object and returns it.
    pub(crate) fn delete(&mut self, key: &[u8]) -> Option<Arc<Stored>> {
        let previous = self.all.remove(key)?;
        for (field, values) in self.indexed_fields.iter().zip(&mut self.by_field) {
            take_out(values, previous.field(field).unwrap_or_default(), key);
        }
        Some(previous)
    }
}

fn take_out(values: &mut HashMap<Box<str>, Map>, value: &str, key: &[u8]) {
    if let Some(map) = values.get_mut(value) {
        map.remove(key);
        if map.is_empty() {
            values.remove(value);
        }
    }
}
