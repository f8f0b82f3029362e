//! `$setElementOrder`: the order that a patch wants a list to have.

use serde_json::Value;

use crate::gotext::{self, quote};

use super::order::{normalize, same};
use super::{Fields, Known, SET_ELEMENT_ORDER, StrategicError, clean, lists, no_merge_key};

/// Carries out every `$setElementOrder/<field>` together with the list of that field in the patch, and takes both out.
pub(super) fn apply(original: &mut Fields, patch: &mut Fields, known: Known) -> Result<(), StrategicError> {
    const MALFORMED: StrategicError = StrategicError::Malformed("invalid patch format of setElementOrder list");
    let directives: Vec<String> = patch.keys().filter(|key| key.starts_with(SET_ELEMENT_ORDER)).cloned().collect();
    for directive in directives {
        let Some(Value::Array(order)) = patch.remove(&directive) else { return Err(MALFORMED) };
        let name = directive[SET_ELEMENT_ORDER.len()..].strip_prefix('/').ok_or(MALFORMED)?;
        if let Known::Fields(definition) = known
            && definition.field(name).is_none()
        {
            let text = format!(
                "unable to find api field in struct {} for the json field {}",
                definition.short_name(),
                quote(name)
            );
            return Err(StrategicError::Unfit(text));
        }
        let change = match patch.get(name) {
            None => None,
            Some(Value::Array(_)) => match patch.remove(name) {
                Some(Value::Array(items)) => Some(items),
                _ => None,
            },
            Some(_) => return Err(wrong_kind()),
        };
        let before = match original.get_mut(name) {
            None => None,
            Some(Value::Array(items)) => Some(std::mem::take(items)),
            Some(_) => return Err(wrong_kind()),
        };
        let field = known.field(name);
        let key = field.and_then(|field| field.patch_key.as_deref());
        check(change.as_deref().unwrap_or_default(), &order, key)?;
        let server_order = before.clone().unwrap_or_default();
        let merged = match (before, change) {
            (None, None) => continue,
            (Some(before), None) => before,
            (None, Some(change)) => change.into_iter().filter_map(clean).collect(),
            (Some(before), Some(change)) => lists::merge(before, change, field, false)?,
        };
        let ordered = normalize(merged, &order, &server_order, key)?;
        original.insert(name.to_string(), Value::Array(ordered));
    }
    Ok(())
}

fn check(patch: &[Value], order: &[Value], key: Option<&str>) -> Result<(), StrategicError> {
    let mut rest = order.iter();
    let items = patch.iter().filter(|item| item.get(super::DIRECTIVE).is_none());
    for item in items {
        if let Some(key) = key
            && item.get(key).is_none()
        {
            return Err(no_merge_key(item, key));
        }
        if !rest.any(|one| same(one, item, key)) {
            let text = |list: &[Value]| gotext::plain(&Value::Array(list.to_vec()));
            return Err(StrategicError::Unfit(format!(
                "The order in patch list:\n{}\n doesn't match {SET_ELEMENT_ORDER} list:\n{}\n",
                text(patch),
                text(order)
            )));
        }
    }
    Ok(())
}

fn wrong_kind() -> StrategicError {
    StrategicError::Unfit("expected a list, but received another kind of value".into())
}
