//! Validation of projected volumes.

use crate::resources::check;
use crate::resources::pod_spec::volume_files::{validate_downward_file, validate_key_file, validate_mode};
use crate::resources::value::{has, int, list, text};
use api_machinery::field::{Error, ErrorList, Path};
use serde_json::Value;
use std::collections::BTreeSet;

/// Shortest life of a projected token.
const TOKEN_SECONDS_MIN: i64 = 600;
/// Longest life of a projected token.
const TOKEN_SECONDS_MAX: i64 = 1 << 32;

const SAME_PATH: &str = "conflicting duplicate paths";

/// Checks the sources of a projected volume; no two may write one file.
pub(crate) fn validate_projected(source: &Value, path: &Path, errors: &mut ErrorList) {
    validate_mode(source, "defaultMode", path, errors);
    let mut files = BTreeSet::new();
    for (index, source) in list(source, "sources").iter().enumerate() {
        let source_path = path.child("sources").index(index);
        let mut count = 0;
        for key in ["secret", "configMap"] {
            if has(source, key) {
                count += 1;
                validate_keys(&source[key], &mut files, &source_path.child(key), path, errors);
            }
        }
        if has(source, "downwardAPI") {
            count += 1;
            for file in list(&source["downwardAPI"], "items") {
                validate_downward_file(file, &source_path.child("downwardAPI"), errors);
                let target = text(file, "path");
                if !target.is_empty() && !files.insert(target) {
                    errors.push(Error::invalid(path, target, SAME_PATH));
                }
            }
        }
        if has(source, "serviceAccountToken") {
            count += 1;
            let token = &source["serviceAccountToken"];
            validate_token(token, &source_path.child("serviceAccountToken"), path, errors);
        }
        if has(source, "clusterTrustBundle") {
            count += 1;
            let bundle = &source["clusterTrustBundle"];
            let bundle_path = source_path.child("clusterTrustBundle");
            validate_trust_bundle(bundle, &bundle_path, errors);
            let target = text(bundle, "path");
            if !files.insert(target) {
                errors.push(Error::invalid(path, target, SAME_PATH));
            }
        }
        if count > 1 {
            let text = "may not specify more than 1 volume type per source";
            errors.push(Error::forbidden(&source_path, text));
        }
    }
}

fn validate_keys<'a>(
    source: &'a Value,
    files: &mut BTreeSet<&'a str>,
    path: &Path,
    volume_path: &Path,
    errors: &mut ErrorList,
) {
    let name = text(source, "name");
    if name.is_empty() {
        errors.push(Error::required(&path.child("name"), ""));
    }
    for (index, item) in list(source, "items").iter().enumerate() {
        validate_key_file(item, &path.child("items").index(index), errors);
        let target = text(item, "path");
        if !target.is_empty() && !files.insert(target) {
            errors.push(Error::invalid(volume_path, name, SAME_PATH));
        }
    }
}

fn validate_token(token: &Value, path: &Path, volume_path: &Path, errors: &mut ErrorList) {
    let seconds = int(token, "expirationSeconds").unwrap_or(0);
    let seconds_path = path.child("expirationSeconds");
    if seconds < TOKEN_SECONDS_MIN {
        errors.push(Error::invalid(&seconds_path, seconds, "may not specify a duration less than 10 minutes"));
    }
    if seconds > TOKEN_SECONDS_MAX {
        errors.push(Error::invalid(&seconds_path, seconds, "may not specify a duration larger than 2^32 seconds"));
    }
    let target = text(token, "path");
    if target.is_empty() {
        errors.push(Error::required(&volume_path.child("path"), ""));
    } else {
        check::local_path(target, &volume_path.child("path"), errors);
    }
}

fn validate_trust_bundle(bundle: &Value, path: &Path, errors: &mut ErrorList) {
    match (has(bundle, "name"), has(bundle, "signerName")) {
        (true, true) => {
            errors.push(Error::invalid(path, bundle.clone(), "only one of name and signerName may be used"));
        }
        (true, false) => {
            if text(bundle, "name").is_empty() {
                errors.push(Error::required(&path.child("name"), "must be a valid object name"));
            }
            if has(bundle, "labelSelector") {
                let text = "labelSelector must be unset if name is specified";
                let selector = bundle["labelSelector"].clone();
                errors.push(Error::invalid(&path.child("labelSelector"), selector, text));
            }
        }
        (false, true) => {
            if text(bundle, "signerName").is_empty() {
                errors.push(Error::required(&path.child("signerName"), "must be a valid signer name"));
            }
            check::label_selector(&bundle["labelSelector"], &path.child("labelSelector"), errors);
        }
        (false, false) => errors.push(Error::required(path, "either name or signerName must be specified")),
    }
    if text(bundle, "path").is_empty() {
        errors.push(Error::required(&path.child("path"), ""));
    }
    check::local_path(text(bundle, "path"), &path.child("path"), errors);
}
