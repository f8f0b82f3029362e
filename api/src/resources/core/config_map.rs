//! ConfigMap: text and bytes by key, at most 1 MiB, frozen where it says so.

use crate::registry::strategy::{ALL_VERBS, Column, KindInfo, NameRule, Strategy};
use crate::resources::cells;
use crate::resources::check;
use crate::resources::value::{base64_len, flag, has, name, pairs, same, size};
use api_machinery::field::{Error, ErrorList, Path};
use jiff::Timestamp;
use serde_json::Value;

/// Most bytes all values of a ConfigMap or Secret may have together; more is refused.
pub(crate) const DATA_BYTES_MAX: usize = 1024 * 1024;

const FROZEN: &str = "field is immutable when `immutable` is set";

static INFO: KindInfo = KindInfo {
    group: "",
    version: "v1",
    kind: "ConfigMap",
    resource: "configmaps",
    singular: "configmap",
    short_names: &["cm"],
    categories: &[],
    namespaced: true,
    verbs: ALL_VERBS,
    subresources: &[],
    name_rule: NameRule::Subdomain,
    stored: true,
};

/// The strategy of ConfigMaps.
#[derive(Debug)]
pub struct ConfigMap;

impl Strategy for ConfigMap {
    fn info(&self) -> &'static KindInfo {
        &INFO
    }

    fn validate(&self, object: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        let mut bytes = 0;
        for (key, value) in pairs(object, "data") {
            let path = Path::root("data").key(key);
            check::config_key(key, &path, &mut errors);
            if has(&object["binaryData"], key) {
                errors.push(Error::invalid(&path, key, "duplicate of key present in binaryData"));
            }
            bytes += value.as_str().map_or(0, str::len);
        }
        for (key, value) in pairs(object, "binaryData") {
            check::config_key(key, &Path::root("binaryData").key(key), &mut errors);
            bytes += base64_len(value);
        }
        if bytes > DATA_BYTES_MAX {
            errors.push(Error::too_long(&Path::root(""), DATA_BYTES_MAX));
        }
        errors
    }

    fn validate_update(&self, new: &Value, old: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        validate_frozen(new, old, &["data", "binaryData"], &mut errors);
        errors.append(self.validate(new));
        errors
    }

    fn columns(&self) -> &'static [Column] {
        const COLUMNS: &[Column] = &[Column::NAME, Column::new("Data", "string"), Column::AGE];
        COLUMNS
    }

    fn row(&self, object: &Value, now: Timestamp) -> Vec<Value> {
        let entries = size(object, "data") + size(object, "binaryData");
        vec![name(object).into(), entries.into(), cells::age(object, now)]
    }
}

/// What `immutable: true` freezes: itself and `keys`.
pub(crate) fn validate_frozen(new: &Value, old: &Value, keys: &[&'static str], errors: &mut ErrorList) {
    if !flag(old, "immutable") {
        return;
    }
    if !flag(new, "immutable") {
        errors.push(Error::forbidden(&Path::root("immutable"), FROZEN));
    }
    for &key in keys {
        if !same(&new[key], &old[key]) {
            errors.push(Error::forbidden(&Path::root(key), FROZEN));
        }
    }
}

#[cfg(test)]
mod tests;
