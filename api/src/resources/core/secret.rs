//! Secret: bytes by key, at most 1 MiB, with keys required by type, frozen where it says so.

use crate::registry::strategy::{ALL_VERBS, Column, Cx, KindInfo, NameRule, SelectableFields, Strategy};
use crate::resources::core::config_map::{DATA_BYTES_MAX, validate_frozen};
use crate::resources::value::{
    annotation, base64_len, child, default_zero, has, keep, name, pairs, remove, set, size, text,
};
use crate::resources::{cells, check};
use api_machinery::codec::{self, DecodeError};
use api_machinery::field::{Error, ErrorList, Path};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use jiff::Timestamp;
use serde_json::Value;
use smallvec::smallvec;

const ACCOUNT_NAME: &str = "kubernetes.io/service-account.name";
const REDACTED: &str = "<secret contents redacted>";

static INFO: KindInfo = KindInfo {
    group: "",
    version: "v1",
    kind: "Secret",
    resource: "secrets",
    singular: "secret",
    short_names: &[],
    categories: &[],
    namespaced: true,
    verbs: ALL_VERBS,
    subresources: &[],
    name_rule: NameRule::Subdomain,
    stored: true,
};

/// The strategy of Secrets.
#[derive(Debug)]
pub struct Secret;

impl Strategy for Secret {
    fn info(&self) -> &'static KindInfo {
        &INFO
    }

    /// `stringData` is for writing only: it ends up in `data`.
    fn default(&self, object: &mut Value) {
        let plain = object["stringData"].clone();
        if let Value::Object(plain) = plain
            && !plain.is_empty()
            && let Some(data) = child(object, "data")
        {
            for (key, value) in plain {
                set(data, &key, BASE64_STANDARD.encode(value.as_str().unwrap_or("")));
            }
        }
        remove(object, "stringData");
        default_zero(object, "type", "Opaque");
    }

    /// A type that an update leaves out is the stored one.
    fn prepare_for_update(&self, _cx: &Cx<'_>, new: &mut Value, old: &Value) {
        if text(new, "type").is_empty() {
            keep(new, old, "type");
        }
    }

    fn validate(&self, object: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        let path = Path::root("data");
        let mut bytes = 0;
        for (key, value) in pairs(object, "data") {
            check::config_key(key, &path.key(key), &mut errors);
            bytes += base64_len(value);
        }
        if bytes > DATA_BYTES_MAX {
            errors.push(Error::too_long(&path, DATA_BYTES_MAX));
        }
        validate_type(object, &path, &mut errors);
        errors
    }

    fn validate_update(&self, new: &Value, old: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        check::immutable(&new["type"], &old["type"], &Path::root("type"), &mut errors);
        validate_frozen(new, old, &["data"], &mut errors);
        errors.append(self.validate(new));
        errors
    }

    fn field_labels(&self) -> &'static [&'static str] {
        &["type"]
    }

    fn fields(&self, object: &Value) -> SelectableFields {
        smallvec![("type", text(object, "type").to_owned())]
    }

    fn warnings(&self, object: &Value, _old: Option<&Value>) -> Vec<String> {
        tls_warning(object).into_iter().collect()
    }

    fn columns(&self) -> &'static [Column] {
        const COLUMNS: &[Column] =
            &[Column::NAME, Column::new("Type", "string"), Column::new("Data", "string"), Column::AGE];
        COLUMNS
    }

    fn row(&self, object: &Value, now: Timestamp) -> Vec<Value> {
        let kind = text(object, "type");
        vec![name(object).into(), kind.into(), size(object, "data").into(), cells::age(object, now)]
    }
}

/// A certificate or key that is no PEM at all. Upstream loads the pair and says what fails; whether the two fit is not
/// looked at here.
fn tls_warning(object: &Value) -> Option<String> {
    let data = &object["data"];
    let whole = !text(data, "tls.crt").is_empty() && !text(data, "tls.key").is_empty();
    if text(object, "type") != "kubernetes.io/tls" || !whole {
        return None;
    }
    let is_pem = |key: &str| {
        let bytes = BASE64_STANDARD.decode(text(data, key)).unwrap_or_default();
        memchr::memmem::find(&bytes, b"-----BEGIN ").is_some()
    };
    let which = [("tls.crt", "certificate"), ("tls.key", "key")].into_iter().find(|(key, _)| !is_pem(key))?.1;
    Some(format!("tls: failed to find any PEM data in {which} input"))
}

/// Which keys a type wants.
fn validate_type(object: &Value, path: &Path, errors: &mut ErrorList) {
    let mut require = |key: &'static str, present: bool| {
        if !present {
            errors.push(Error::required(&path.key(key), ""));
        }
    };
    let data = &object["data"];
    match text(object, "type") {
        "kubernetes.io/service-account-token" if annotation(object, ACCOUNT_NAME).is_none_or(str::is_empty) => {
            let path = Path::of(&["metadata", "annotations"]).key(ACCOUNT_NAME);
            errors.push(Error::required(&path, ""));
        }
        "kubernetes.io/dockercfg" => validate_json(data, ".dockercfg", path, errors),
        "kubernetes.io/dockerconfigjson" => validate_json(data, ".dockerconfigjson", path, errors),
        "kubernetes.io/basic-auth" => {
            let either = has(data, "username") || has(data, "password");
            require("username", either);
            require("password", either);
        }
        "kubernetes.io/ssh-auth" => require("ssh-privatekey", !text(data, "ssh-privatekey").is_empty()),
        "kubernetes.io/tls" => {
            require("tls.crt", has(data, "tls.crt"));
            require("tls.key", has(data, "tls.key"));
        }
        _ => {}
    }
}

fn validate_json(data: &Value, key: &'static str, path: &Path, errors: &mut ErrorList) {
    let path = path.key(key);
    if !has(data, key) {
        errors.push(Error::required(&path, ""));
        return;
    }
    let bytes = BASE64_STANDARD.decode(text(data, key)).unwrap_or_default();
    match codec::decode_json(&bytes) {
        Ok(Value::Object(_) | Value::Null) => {}
        Ok(_) => {
            let text = "json: cannot unmarshal into Go value of type map[string]interface {}";
            errors.push(Error::invalid(&path, REDACTED, text));
        }
        Err(DecodeError::Json(text) | DecodeError::Yaml(text) | DecodeError::Kind(text)) => {
            errors.push(Error::invalid(&path, REDACTED, text));
        }
    }
}

#[cfg(test)]
mod tests;
