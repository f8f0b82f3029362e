//! The order of merged lists.
//!
//! Items that the patch names keep the patch's order, the others the object's; the two are interleaved by their places in
//! the object.

use serde_json::Value;

use super::{StrategicError, no_merge_key};

/// Orders a merged list: what is in `patch_order` by it, the rest by `server_order`.
pub(super) fn normalize(
    merged: Vec<Value>,
    patch_order: &[Value],
    server_order: &[Value],
    key: Option<&str>,
) -> Result<Vec<Value>, StrategicError> {
    if let Some(key) = key
        && let Some(item) = merged.iter().find(|item| item.get(key).is_none())
    {
        return Err(no_merge_key(item, key));
    }
    let place = |item: &Value, order: &[Value]| order.iter().position(|one| same(one, item, key));
    let (mut named, mut others): (Vec<Value>, Vec<Value>) =
        merged.into_iter().partition(|item| place(item, patch_order).is_some());
    named.sort_by_key(|item| place(item, patch_order));
    others.sort_by_key(|item| place(item, server_order).unwrap_or(usize::MAX));
    let mut out = Vec::with_capacity(named.len() + others.len());
    let (mut named, mut others) = (named.into_iter().peekable(), others.into_iter().peekable());
    loop {
        match (others.peek(), named.peek()) {
            (Some(other), Some(one)) => {
                let earlier = match (place(other, server_order), place(one, server_order)) {
                    (Some(other), Some(one)) => other < one,
                    _ => false,
                };
                out.extend(if earlier { others.next() } else { named.next() });
            }
            (Some(_), None) => out.extend(others.next()),
            (None, Some(_)) => out.extend(named.next()),
            (None, None) => return Ok(out),
        }
    }
}

/// Every item of the patch must be in the order list, in the same order.
/// Whether two items of a list stand for the same.
pub(super) fn same(a: &Value, b: &Value, key: Option<&str>) -> bool {
    match key {
        Some(key) => a.get(key).is_some() && a.get(key) == b.get(key),
        None => a == b,
    }
}
