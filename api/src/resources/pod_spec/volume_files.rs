//! Validation of the files that volumes of keys and fields become.

use crate::resources::check;
use crate::resources::pod_spec::env::{VOLUME_FIELD_PATHS, validate_field_ref, validate_resource_field_ref};
use crate::resources::value::{has, int, list, text};
use api_machinery::field::{Error, ErrorList, Path};
use serde_json::Value;

/// Text for a file mode out of range.
const FILE_MODE: &str = "must be a number between 0 and 0777 (octal), both inclusive";

/// `defaultMode` and `items` of a secret or config map volume.
pub(crate) fn validate_key_files(source: &Value, path: &Path, errors: &mut ErrorList) {
    validate_mode(source, "defaultMode", path, errors);
    for (index, item) in list(source, "items").iter().enumerate() {
        validate_key_file(item, &path.child("items").index(index), errors);
    }
}

/// One key of a secret or config map and the file it becomes.
pub(crate) fn validate_key_file(item: &Value, path: &Path, errors: &mut ErrorList) {
    required(item, &["key", "path"], path, errors);
    check::local_path(text(item, "path"), &path.child("path"), errors);
    validate_mode(item, "mode", path, errors);
}

/// One file of a downward API volume; upstream reports it at the path of the volume source.
pub(crate) fn validate_downward_file(file: &Value, path: &Path, errors: &mut ErrorList) {
    required(file, &["path"], path, errors);
    check::local_path(text(file, "path"), &path.child("path"), errors);
    if has(file, "fieldRef") {
        validate_field_ref(&file["fieldRef"], VOLUME_FIELD_PATHS, &path.child("fieldRef"), errors);
        if has(file, "resourceFieldRef") {
            let text = "fieldRef and resourceFieldRef can not be specified simultaneously";
            errors.push(Error::invalid(path, "resource", text));
        }
    } else if has(file, "resourceFieldRef") {
        validate_resource_field_ref(&file["resourceFieldRef"], true, &path.child("resourceFieldRef"), errors);
    } else {
        errors.push(Error::required(path, "one of fieldRef and resourceFieldRef is required"));
    }
    validate_mode(file, "mode", path, errors);
}

/// A file mode between 0 and 0777, where there is one.
pub(crate) fn validate_mode(object: &Value, key: &'static str, path: &Path, errors: &mut ErrorList) {
    if let Some(mode) = int(object, key)
        && !(0..=0o777).contains(&mode)
    {
        errors.push(Error::invalid(&path.child(key), mode, FILE_MODE));
    }
}

/// Reports each of `keys` whose string is empty.
pub(crate) fn required(source: &Value, keys: &[&'static str], path: &Path, errors: &mut ErrorList) {
    for key in keys {
        if text(source, key).is_empty() {
            errors.push(Error::required(&path.child(*key), ""));
        }
    }
}
