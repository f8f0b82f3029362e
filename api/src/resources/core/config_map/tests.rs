use super::*;
use crate::resources::testing::{errors_of, messages, row};
use serde_json::json;

fn config(data: Value) -> Value {
    json!({"metadata": {"name": "a", "namespace": "b", "creationTimestamp": "2026-01-01T00:00:00Z"}, "data": data})
}

// proves: AM-33
#[test]
fn keys_are_checked_and_belong_to_one_map() {
    assert_eq!(errors_of(&ConfigMap, config(json!({"a.b_c-D": "x"}))), [""; 0]);
    let mut twice = config(json!({"k": "x", "b/d": "y", "..": "z"}));
    twice["binaryData"] = json!({"k": "eA=="});
    assert_eq!(
        errors_of(&ConfigMap, twice),
        [
            "data[..]: Invalid value: \"..\": must not be '..'",
            "data[b/d]: Invalid value: \"b/d\": a valid config key must consist of alphanumeric characters, '-', '_' \
             or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')",
            "data[k]: Invalid value: \"k\": duplicate of key present in binaryData",
        ]
    );
}

// proves: AM-33
#[test]
fn a_mebibyte_fits_and_no_byte_more() {
    let of = |bytes: usize| errors_of(&ConfigMap, config(json!({"k": "x".repeat(bytes)})));
    assert_eq!(of(DATA_BYTES_MAX), [""; 0]);
    assert_eq!(of(DATA_BYTES_MAX + 1), ["[]: Too long: may not be more than 1048576 bytes"]);
}

// proves: AM-33
#[test]
fn what_is_immutable_stays() {
    let mut old = config(json!({"k": "1"}));
    old["immutable"] = json!(true);
    assert_eq!(messages(ConfigMap.validate_update(&old, &old)), [""; 0]);
    assert_eq!(
        messages(ConfigMap.validate_update(&config(json!({"k": "2"})), &old)),
        [
            "immutable: Forbidden: field is immutable when `immutable` is set",
            "data: Forbidden: field is immutable when `immutable` is set",
        ]
    );
}

// proves: AM-30
#[test]
fn a_row_counts_entries_of_both_maps() {
    let mut object = config(json!({"a": "1", "b": "2"}));
    object["binaryData"] = json!({"c": "eA=="});
    assert_eq!(row(&ConfigMap, &object, "2026-01-03T00:00:00Z"), "a | 3 | 2d");
}
