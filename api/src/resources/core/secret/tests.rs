use super::*;
use crate::resources::testing::{created, errors_of, messages, row, updated};
use serde_json::json;

fn secret(kind: &str, data: Value) -> Value {
    json!({"metadata": {"name": "s", "creationTimestamp": "2026-01-01T00:00:00Z"}, "type": kind, "data": data})
}

// proves: AM-33
#[test]
fn plain_strings_become_data_and_the_type_is_opaque() {
    let given =
        json!({"metadata": {"name": "s"}, "stringData": {"a": "hello", "b": ""}, "data": {"a": "eA==", "c": "eQ=="}});
    let want = json!({"metadata": {"name": "s"}, "type": "Opaque", "data": {"a": "aGVsbG8=", "b": "", "c": "eQ=="}});
    assert_eq!(created(&Secret, given), want);
}

// proves: AM-33
#[test]
fn types_want_their_keys() {
    for (kind, data, want) in [
        ("kubernetes.io/tls", json!({"tls.crt": ""}), "data[tls.key]: Required value"),
        ("kubernetes.io/ssh-auth", json!({}), "data[ssh-privatekey]: Required value"),
        ("kubernetes.io/basic-auth", json!({}), "data[username]: Required value, data[password]: Required value"),
        ("kubernetes.io/basic-auth", json!({"password": ""}), ""),
        ("kubernetes.io/dockercfg", json!({}), "data[.dockercfg]: Required value"),
        ("kubernetes.io/dockerconfigjson", json!({".dockerconfigjson": "e30="}), ""),
        (
            "kubernetes.io/dockerconfigjson",
            json!({".dockerconfigjson": ""}),
            "data[.dockerconfigjson]: Invalid value: \"<secret contents redacted>\": unexpected end of JSON input",
        ),
        (
            "kubernetes.io/service-account-token",
            json!({}),
            "metadata.annotations[kubernetes.io/service-account.name]: Required value",
        ),
        ("anything", json!({}), ""),
    ] {
        assert_eq!(errors_of(&Secret, secret(kind, data)).join(", "), want, "{kind}");
    }
}

// proves: AM-33
#[test]
fn the_type_stays_and_may_be_left_out() {
    let old = created(&Secret, secret("kubernetes.io/tls", json!({"tls.crt": "", "tls.key": ""})));
    let mut new = old.clone();
    new["type"] = json!("Opaque");
    assert_eq!(messages(Secret.validate_update(&new, &old)), ["type: Invalid value: \"Opaque\": field is immutable"]);
    assert_eq!(updated(&Secret, old.clone(), &old), old);
}

// proves: AM-13, AM-30
#[test]
fn a_row_and_the_fields_show_the_type() {
    let object = created(&Secret, secret("Opaque", json!({"a": "eA=="})));
    assert_eq!(row(&Secret, &object, "2026-01-09T00:00:00Z"), "s | Opaque | 1 | 8d");
    assert_eq!(Secret.fields(&object).to_vec(), [("type", "Opaque".to_owned())]);
}

#[test]
fn certificates_that_are_none_are_warned_of() {
    let of = |certificate: &str| {
        let data = json!({"tls.crt": BASE64_STANDARD.encode(certificate), "tls.key": "YQ=="});
        Secret.warnings(&json!({"type": "kubernetes.io/tls", "data": data}), None)
    };
    assert_eq!(of("a"), ["tls: failed to find any PEM data in certificate input"]);
    assert_eq!(of("-----BEGIN CERTIFICATE-----"), ["tls: failed to find any PEM data in key input"]);
    assert_eq!(Secret.warnings(&json!({"type": "Opaque", "data": {"tls.crt": "YQ=="}}), None), [""; 0]);
}
