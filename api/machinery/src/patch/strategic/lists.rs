//! Merging a list of a patch into a list of the object.

use serde_json::Value;

use super::{DIRECTIVE, Known, StrategicError, clean, merge_map, no_merge_key, order};
use crate::gotext::plain;
use crate::schema::{Field, Shape};

/// Merges by the field's strategy; `deletes` says that the patch lists primitives to take away.
pub(super) fn merge(
    original: Vec<Value>,
    patch: Vec<Value>,
    field: Option<&'static Field>,
    deletes: bool,
) -> Result<Vec<Value>, StrategicError> {
    if deletes {
        return Ok(original.into_iter().filter(|item| !patch.contains(item)).collect());
    }
    if !field.is_some_and(|field| field.patch.merge) {
        return Ok(patch.into_iter().filter_map(clean).collect());
    }
    if original.is_empty() && patch.is_empty() {
        return Ok(original);
    }
    let maps = same_kind(&original, &patch)?;
    let server_order = original.clone();
    if !maps {
        let mut merged = original;
        for item in &patch {
            if !merged.contains(item) {
                merged.push(item.clone());
            }
        }
        return order::normalize(merged, &patch, &server_order, None);
    }
    let key = field.and_then(|field| field.patch_key.as_deref()).ok_or_else(|| {
        StrategicError::Unfit("cannot merge lists without merge key for the type of this field".into())
    })?;
    let (mut merged, patch) = apply_item_directives(original, patch, key)?;
    let known = field.map_or(Known::Nothing, |field| match &field.shape {
        Shape::List(item) => Known::of(Some(item)),
        _ => Known::Nothing,
    });
    let patch_order = patch.clone();
    for item in patch {
        let wanted = item.get(key).ok_or_else(|| no_merge_key(&item, key))?.clone();
        let mut found = None;
        for (index, one) in merged.iter().enumerate() {
            if *one.get(key).ok_or_else(|| no_merge_key(one, key))? == wanted {
                found = Some(index);
                break;
            }
        }
        match (found, item) {
            (Some(index), Value::Object(change)) => {
                let Value::Object(before) = std::mem::take(&mut merged[index]) else { continue };
                merged[index] = Value::Object(merge_map(before, change, known)?);
            }
            (_, item) => merged.extend(clean(item)),
        }
    }
    order::normalize(merged, &patch_order, &server_order, Some(key))
}

/// Whether the items are maps. Lists of lists, and mixed ones, are refused.
fn same_kind(original: &[Value], patch: &[Value]) -> Result<bool, StrategicError> {
    let mut items = original.iter().chain(patch);
    let maps = items.clone().next().is_some_and(Value::is_object);
    if items.clone().any(Value::is_array) {
        return Err(StrategicError::Unfit("lists of lists are not supported".into()));
    }
    if items.any(|item| item.is_object() != maps) {
        return Err(StrategicError::Unfit("list element types are not identical".into()));
    }
    Ok(maps)
}

/// Carries out `$patch` in items, and returns what remains of both lists.
fn apply_item_directives(
    mut original: Vec<Value>,
    patch: Vec<Value>,
    key: &str,
) -> Result<(Vec<Value>, Vec<Value>), StrategicError> {
    let mut rest = Vec::with_capacity(patch.len());
    let mut replace = false;
    for item in patch {
        let Some(directive) = item.get(DIRECTIVE) else {
            rest.push(item);
            continue;
        };
        match directive.as_str() {
            Some("delete") => {
                let unwanted = item.get(key).ok_or_else(|| no_merge_key(&item, key))?;
                original.retain(|one| one.get(key) != Some(unwanted));
            }
            Some("replace") => replace = true,
            Some("merge") => {
                return Err(StrategicError::Unfit("merging lists cannot yet be specified in the patch".into()));
            }
            _ => {
                let text = format!("unknown patch type: {} in map: {}", plain(directive), plain(&item));
                return Err(StrategicError::Unfit(text));
            }
        }
    }
    if replace { Ok((rest.into_iter().filter_map(clean).collect(), Vec::new())) } else { Ok((original, rest)) }
}
