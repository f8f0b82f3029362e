//! JSON patch (RFC 6902) as upstream's library reads it, with bounds on operations, copied bytes and depth.
//!
//! Where the library is more lenient than the RFC, so is this: `replace` takes a key that is not there, `copy` of one
//! copies a null, an operation without a value means null, negative indices count from the end, and whatever stands
//! before the first slash of a path is passed over.

use serde_json::{Map, Value};

use crate::codec::NESTING_DEPTH_MAX;
use crate::gvk::GroupResource;
use crate::status::{Details, Status};
use crate::value::type_of;

/// More operations are a 413.
pub const OPERATIONS_MAX: usize = 10_000;
/// Bytes that the copy operations of one patch may copy together; more is a 422. Copies double what they copy.
pub const COPIED_BYTES_MAX: usize = 3 * 1024 * 1024;

/// A parsed JSON patch.
#[derive(Clone, Debug)]
pub(super) struct Operations {
    operations: Vec<Map<String, Value>>,
    /// Complaints about fields that no operation has.
    pub(super) unknown: Vec<String>,
}

impl Operations {
    /// An unknown or incomplete operation is found only when it is applied, as upstream does.
    pub(super) fn parse(value: Value) -> Result<Operations, Status> {
        let refuse = |found: &str, wanted: &str| {
            Err(Status::bad_request(format!("error decoding patch: json: cannot unmarshal {found} into Go {wanted}")))
        };
        let items = match value {
            Value::Array(items) => items,
            Value::Null => Vec::new(),
            other => return refuse(type_of(&other), "value of type []handlers.jsonPatchOp"),
        };
        let (mut operations, mut unknown) = (Vec::with_capacity(items.len()), Vec::new());
        for (index, item) in items.into_iter().enumerate() {
            let operation = match item {
                Value::Object(operation) => operation,
                Value::Null => Map::new(),
                other => return refuse(type_of(&other), "value of type handlers.jsonPatchOp"),
            };
            for (name, field) in &operation {
                match name.as_str() {
                    "op" | "path" | "from" if !field.is_string() && !field.is_null() => {
                        let field_type = format!("struct field jsonPatchOp.{name} of type string");
                        return refuse(type_of(field), &field_type);
                    }
                    "op" | "path" | "from" | "value" => {}
                    _ => unknown.push(format!("json patch unknown field \"[{index}].{name}\"")),
                }
            }
            operations.push(operation);
        }
        if operations.len() > OPERATIONS_MAX {
            return Err(Status::request_entity_too_large(format!(
                "The allowed maximum operations in a JSON patch is {OPERATIONS_MAX}, got {}",
                operations.len()
            )));
        }
        Ok(Operations { operations, unknown })
    }

    pub(super) fn apply(&self, original: &Value) -> Result<Value, Status> {
        let mut object = original.clone();
        let mut copied = 0;
        for operation in &self.operations {
            apply_one(operation, &mut object, &mut copied).ok_or_else(rejected)?;
        }
        Ok(object)
    }
}

/// Upstream's answer to a patch that cannot be applied; it does not say why.
fn rejected() -> Status {
    Status::generic_server_response(422, "", GroupResource { group: "", resource: "" }, "", "", false)
        .with_details(Details::default())
}

/// `None` if the operation cannot be applied, would make the object too deep, or copies too much.
fn apply_one(operation: &Map<String, Value>, object: &mut Value, copied: &mut usize) -> Option<()> {
    let text = |name: &str| operation.get(name).and_then(Value::as_str);
    let value = || operation.get("value").cloned().unwrap_or(Value::Null);
    let path = || text("path");
    match text("op")? {
        "add" => add(object, path()?, value()),
        "remove" => remove(object, path()?).map(drop),
        "replace" if path()?.is_empty() => {
            let value = value();
            (value.is_object() || value.is_array()).then(|| *object = value)
        }
        "replace" => replace(object, path()?, value()),
        "move" => {
            let value = remove(object, text("from")?)?;
            add(object, path()?, value)
        }
        "copy" => {
            let value = get(object, text("from")?)?;
            *copied += size(&value);
            if *copied > COPIED_BYTES_MAX {
                return None;
            }
            add(object, path()?, value)
        }
        "test" if path()?.is_empty() => (*object == value()).then_some(()),
        "test" => (get(object, path()?)? == value()).then_some(()),
        _ => None,
    }
}

/// The container that a path leads into, and the key in it.
fn find<'a>(object: &'a mut Value, path: &str) -> Option<(&'a mut Value, String)> {
    let (_, path) = path.split_once('/')?;
    let mut parts: Vec<String> = path.split('/').map(|part| part.replace("~1", "/").replace("~0", "~")).collect();
    let key = parts.pop()?;
    let mut at = object;
    for part in parts {
        at = match at {
            Value::Object(fields) => fields.get_mut(&part)?,
            Value::Array(items) => {
                let index = index(&part, items.len())?;
                items.get_mut(index)?
            }
            _ => return None,
        };
    }
    (at.is_object() || at.is_array()).then_some((at, key))
}

/// The index that a key means in a list of this length; a negative one counts from the end.
fn index(key: &str, len: usize) -> Option<usize> {
    let index: i64 = key.parse().ok()?;
    let len = i64::try_from(len).ok()?;
    usize::try_from(if index < 0 { index + len } else { index }).ok()
}

fn get(object: &mut Value, path: &str) -> Option<Value> {
    match find(object, path)? {
        (Value::Object(fields), key) => Some(fields.get(&key).cloned().unwrap_or(Value::Null)),
        (Value::Array(items), key) => items.get(index(&key, items.len())?).cloned(),
        _ => None,
    }
}

fn add(object: &mut Value, path: &str, value: Value) -> Option<()> {
    fits(path, &value)?;
    match find(object, path)? {
        (Value::Object(fields), key) => {
            fields.insert(key, value);
            Some(())
        }
        (Value::Array(items), key) => {
            let at = if key == "-" { items.len() } else { index(&key, items.len() + 1)? };
            (at <= items.len()).then(|| items.insert(at, value))
        }
        _ => None,
    }
}

fn replace(object: &mut Value, path: &str, value: Value) -> Option<()> {
    fits(path, &value)?;
    match find(object, path)? {
        (Value::Object(fields), key) => {
            fields.insert(key, value);
            Some(())
        }
        (Value::Array(items), key) => {
            let at = index(&key, items.len())?;
            *items.get_mut(at)? = value;
            Some(())
        }
        _ => None,
    }
}

fn remove(object: &mut Value, path: &str) -> Option<Value> {
    match find(object, path)? {
        (Value::Object(fields), key) => fields.remove(&key),
        (Value::Array(items), key) => {
            let at = index(&key, items.len())?;
            (at < items.len()).then(|| items.remove(at))
        }
        _ => None,
    }
}

fn fits(path: &str, value: &Value) -> Option<()> {
    (path.matches('/').count() + depth(value) <= NESTING_DEPTH_MAX).then_some(())
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or_default(),
        Value::Object(fields) => 1 + fields.values().map(depth).max().unwrap_or_default(),
        _ => 0,
    }
}

/// About the bytes of the encoded value.
fn size(value: &Value) -> usize {
    match value {
        Value::Array(items) => 2 + items.iter().map(|item| 1 + size(item)).sum::<usize>(),
        Value::Object(fields) => 2 + fields.iter().map(|(name, field)| 4 + name.len() + size(field)).sum::<usize>(),
        Value::String(text) => 2 + text.len(),
        _ => 4,
    }
}
