//! Builds a [`Value`] from any self-describing format, bounding depth and collecting duplicate fields.

use std::cell::{Cell, RefCell};
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use super::NESTING_DEPTH_MAX;

/// What one decode found beside the value.
#[derive(Default)]
pub(super) struct Findings {
    /// Paths of fields given twice, such as `spec.containers[0].name`.
    duplicates: RefCell<Vec<String>>,
    too_deep: Cell<bool>,
}

impl Findings {
    pub(super) fn into_duplicates(self) -> Vec<String> {
        self.duplicates.into_inner().into_iter().map(|path| path.trim_start_matches('.').to_string()).collect()
    }

    pub(super) fn too_deep(&self) -> bool {
        self.too_deep.get()
    }

    fn count(&self) -> usize {
        self.duplicates.borrow().len()
    }

    /// Duplicates are found at the leaf; each level on the way up puts its own step in front. Documents without
    /// duplicates pay one comparison a field.
    fn prefix(&self, since: usize, step: impl Fn() -> String) {
        let mut duplicates = self.duplicates.borrow_mut();
        if duplicates.len() > since {
            let step = step();
            for path in &mut duplicates[since..] {
                path.insert_str(0, &step);
            }
        }
    }
}

/// Deserializes one value at a depth.
pub(super) struct Seed<'a> {
    pub(super) findings: &'a Findings,
    pub(super) depth: usize,
}

impl Seed<'_> {
    fn below<E: Error>(&self) -> Result<Seed<'_>, E> {
        if self.depth >= NESTING_DEPTH_MAX {
            self.findings.too_deep.set(true);
            return Err(E::custom("exceeded max depth"));
        }
        Ok(Seed { findings: self.findings, depth: self.depth + 1 })
    }
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut out = Vec::new();
        loop {
            let since = self.findings.count();
            let Some(item) = items.next_element_seed(self.below()?)? else { return Ok(Value::Array(out)) };
            self.findings.prefix(since, || format!("[{}]", out.len()));
            out.push(item);
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Value, A::Error> {
        let mut out = Map::new();
        while let Some(key) = fields.next_key_seed(Key)? {
            let since = self.findings.count();
            let value = fields.next_value_seed(self.below()?)?;
            self.findings.prefix(since, || format!(".{key}"));
            if out.contains_key(&key) {
                self.findings.duplicates.borrow_mut().push(format!(".{key}"));
            }
            out.insert(key, value);
        }
        Ok(Value::Object(out))
    }
}

/// A map key: always a string in JSON; in YAML any scalar, which becomes its text.
struct Key;

impl<'de> DeserializeSeed<'de> for Key {
    type Value = String;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<String, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Visitor<'_> for Key {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a scalar key")
    }

    fn visit_str<E>(self, value: &str) -> Result<String, E> {
        Ok(value.to_owned())
    }

    fn visit_string<E>(self, value: String) -> Result<String, E> {
        Ok(value)
    }

    fn visit_bool<E>(self, value: bool) -> Result<String, E> {
        Ok(value.to_string())
    }

    fn visit_i64<E>(self, value: i64) -> Result<String, E> {
        Ok(value.to_string())
    }

    fn visit_u64<E>(self, value: u64) -> Result<String, E> {
        Ok(value.to_string())
    }

    fn visit_f64<E>(self, value: f64) -> Result<String, E> {
        Ok(value.to_string())
    }
}
