//! JSON patch (RFC 6902) with bounds on operations, copied bytes and depth.

use json_patch::PatchOperation;
use json_patch::jsonptr::Pointer;
use serde_json::Value;

use crate::codec::NESTING_DEPTH_MAX;
use crate::gvk::GroupResource;
use crate::status::Status;

/// More operations are a 413.
pub const OPERATIONS_MAX: usize = 10_000;
/// Bytes that the copy operations of one patch may copy together; more is a 422. Copies double what they copy.
pub const COPIED_BYTES_MAX: usize = 3 * 1024 * 1024;

/// A parsed JSON patch.
#[derive(Clone, Debug)]
pub(super) struct Operations(Result<Vec<PatchOperation>, ()>);

impl Operations {
    /// An unknown or incomplete operation is found only when it is applied, as upstream does.
    pub(super) fn parse(value: Value) -> Result<Operations, Status> {
        let Value::Array(items) = &value else {
            let found = match value {
                Value::Object(_) => "object",
                Value::String(_) => "string",
                Value::Number(_) => "number",
                Value::Bool(_) => "bool",
                _ => return Ok(Operations(Ok(Vec::new()))),
            };
            return Err(Status::bad_request(format!(
                "error decoding patch: json: cannot unmarshal {found} into Go value of type []interface {{}}"
            )));
        };
        if items.len() > OPERATIONS_MAX {
            return Err(Status::request_entity_too_large(format!(
                "The allowed maximum operations in a JSON patch is {OPERATIONS_MAX}, got {}",
                items.len()
            )));
        }
        if let Some(other) = items.iter().find(|item| !item.is_object()) {
            let found = match other {
                Value::Array(_) => "array",
                Value::String(_) => "string",
                Value::Number(_) => "number",
                _ => "bool",
            };
            return Err(Status::bad_request(format!(
                "json: cannot unmarshal {found} into Go value of type jsonpatch.Operation"
            )));
        }
        Ok(Operations(serde_json::from_value::<Vec<PatchOperation>>(value).map_err(|_| ())))
    }

    pub(super) fn apply(&self, original: &Value) -> Result<Value, Status> {
        let operations = self.0.as_ref().map_err(|()| rejected())?;
        let mut object = original.clone();
        let mut copied = 0;
        for operation in operations {
            bound(operation, &object, &mut copied).ok_or_else(rejected)?;
            json_patch::patch_unsafe(&mut object, std::slice::from_ref(operation)).map_err(|_| rejected())?;
        }
        Ok(object)
    }
}

/// Upstream's answer to a patch that cannot be applied; it does not say why.
fn rejected() -> Status {
    Status::generic_server_response(422, "", GroupResource { group: "", resource: "" }, "", "", false)
}

/// `None` if the operation would make the object too deep, or copies too much.
fn bound(operation: &PatchOperation, object: &Value, copied: &mut usize) -> Option<()> {
    let fits = |path: &Pointer, value: &Value| path.count() + depth(value) <= NESTING_DEPTH_MAX;
    let ok = match operation {
        PatchOperation::Add(one) => fits(&one.path, &one.value),
        PatchOperation::Replace(one) => fits(&one.path, &one.value),
        PatchOperation::Move(one) => fits(&one.path, one.from.resolve(object).ok()?),
        PatchOperation::Copy(one) => {
            let value = one.from.resolve(object).ok()?;
            *copied += size(value);
            fits(&one.path, value) && *copied <= COPIED_BYTES_MAX
        }
        PatchOperation::Remove(_) | PatchOperation::Test(_) => true,
    };
    ok.then_some(())
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
