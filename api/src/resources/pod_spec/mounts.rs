//! Validation of volume mounts and block devices.

use crate::resources::check;
use crate::resources::pod_spec::volumes::Volumes;
use crate::resources::value::{flag, has, list, text};
use api_machinery::field::{Error, ErrorList, Path};
use serde_json::Value;
use std::collections::BTreeSet;

/// Checks `volumeMounts`.
pub(crate) fn validate_mounts(container: &Value, volumes: &Volumes<'_>, path: &Path, errors: &mut ErrorList) {
    let mut mount_paths = BTreeSet::new();
    let devices = list(container, "volumeDevices");
    for (index, mount) in list(container, "volumeMounts").iter().enumerate() {
        let item = path.index(index);
        let (name, mount_path) = (text(mount, "name"), text(mount, "mountPath"));
        if name.is_empty() {
            errors.push(Error::required(&item.child("name"), ""));
        }
        if !volumes.contains_key(name) {
            errors.push(Error::not_found(&item.child("name"), name));
        }
        if mount_path.is_empty() {
            errors.push(Error::required(&item.child("mountPath"), ""));
        }
        if !mount_paths.insert(mount_path) {
            errors.push(Error::invalid(&item.child("mountPath"), mount_path, "must be unique"));
        }
        if devices.iter().any(|device| text(device, "name") == name) {
            let text = "must not already exist in volumeDevices";
            errors.push(Error::invalid(&item.child("name"), name, text));
        }
        if devices.iter().any(|device| text(device, "devicePath") == mount_path) {
            let text = "must not already exist as a path in volumeDevices";
            errors.push(Error::invalid(&item.child("mountPath"), mount_path, text));
        }
        validate_sub_paths(mount, &item, path, errors);
        validate_propagation(mount, container, path, errors);
        validate_recursive_read_only(mount, &path.child("recursiveReadOnly"), errors);
    }
}

/// Upstream reports the path of a sub-path below the list, not below the mount.
fn validate_sub_paths(mount: &Value, item: &Path, path: &Path, errors: &mut ErrorList) {
    let (sub_path, expression) = (text(mount, "subPath"), text(mount, "subPathExpr"));
    if !sub_path.is_empty() {
        check::descending_path(sub_path, &path.child("subPath"), errors);
    }
    if !expression.is_empty() {
        if !sub_path.is_empty() {
            let text = "subPathExpr and subPath are mutually exclusive";
            errors.push(Error::invalid(&item.child("subPathExpr"), expression, text));
        }
        check::descending_path(expression, &path.child("subPathExpr"), errors);
    }
}

fn validate_propagation(mount: &Value, container: &Value, path: &Path, errors: &mut ErrorList) {
    if !has(mount, "mountPropagation") {
        return;
    }
    let path = path.child("mountPropagation");
    let mode = text(mount, "mountPropagation");
    check::one_of(mode, &["Bidirectional", "HostToContainer", "None"], &path, errors);
    if mode == "Bidirectional" && !flag(&container["securityContext"], "privileged") {
        let text = "Bidirectional mount propagation is available only to privileged containers";
        errors.push(Error::forbidden(&path, text));
    }
}

fn validate_recursive_read_only(mount: &Value, path: &Path, errors: &mut ErrorList) {
    if !has(mount, "recursiveReadOnly") {
        return;
    }
    match text(mount, "recursiveReadOnly") {
        "Disabled" => {}
        "Enabled" | "IfPossible" => {
            if !flag(mount, "readOnly") {
                errors.push(Error::forbidden(path, "may only be specified when readOnly is true"));
            }
            if has(mount, "mountPropagation") && text(mount, "mountPropagation") != "None" {
                let text = "may only be specified when mountPropagation is None or not specified";
                errors.push(Error::forbidden(path, text));
            }
        }
        other => errors.push(Error::not_supported(path, other, &["Disabled", "Enabled", "IfPossible"])),
    }
}

/// Checks `volumeDevices`.
pub(crate) fn validate_devices(container: &Value, volumes: &Volumes<'_>, path: &Path, errors: &mut ErrorList) {
    let mounts = list(container, "volumeMounts");
    let (mut names, mut paths) = (BTreeSet::new(), BTreeSet::new());
    for (index, device) in list(container, "volumeDevices").iter().enumerate() {
        let item = path.index(index);
        let (name, device_path) = (text(device, "name"), text(device, "devicePath"));
        if name.is_empty() {
            errors.push(Error::required(&item.child("name"), ""));
        }
        if names.contains(name) {
            errors.push(Error::invalid(&item.child("name"), name, "must be unique"));
        }
        match volumes.get(name) {
            Some(volume) if has(volume, "persistentVolumeClaim") || has(volume, "ephemeral") => {}
            Some(_) => {
                let text = "can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode";
                errors.push(Error::invalid(&item.child("name"), name, text));
            }
            None => errors.push(Error::not_found(&item.child("name"), name)),
        }
        if device_path.is_empty() {
            errors.push(Error::required(&item.child("devicePath"), ""));
        }
        if paths.contains(device_path) {
            errors.push(Error::invalid(&item.child("devicePath"), device_path, "must be unique"));
        }
        if device_path.split('/').any(|part| part == "..") {
            let text = "can not contain backsteps ('..')";
            errors.push(Error::invalid(&item.child("devicePath"), device_path, text));
        } else {
            paths.insert(device_path);
        }
        if mounts.iter().any(|mount| text(mount, "name") == name) {
            errors.push(Error::invalid(&item.child("name"), name, "must not already exist in volumeMounts"));
        }
        if mounts.iter().any(|mount| text(mount, "mountPath") == device_path) {
            let text = "must not already exist as a path in volumeMounts";
            errors.push(Error::invalid(&item.child("devicePath"), device_path, text));
        }
        if !name.is_empty() {
            names.insert(name);
        }
    }
}
