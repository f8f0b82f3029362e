//! Validation of a pod's volumes.

use crate::resources::check;
use crate::resources::pod_spec::projected::validate_projected;
use crate::resources::pod_spec::volume_files::{required, validate_downward_file, validate_key_files, validate_mode};
use crate::resources::value::{has, int, list, name, pairs, quantity, text};
use api_machinery::field::{Error, ErrorList, Path};
use api_machinery::names;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Volumes that passed validation, by name: what mounts may refer to.
pub(crate) type Volumes<'a> = BTreeMap<&'a str, &'a Value>;

const ONE_SOURCE: &str = "may not specify more than 1 volume type";

/// Sources in the order upstream looks at them: the first one counts, further ones are forbidden. The second name is
/// the one upstream's error uses.
const SOURCES: &[(&str, &str)] = &[
    ("emptyDir", "emptyDir"),
    ("hostPath", "hostPath"),
    ("gitRepo", "gitRepo"),
    ("gcePersistentDisk", "gcePersistentDisk"),
    ("awsElasticBlockStore", "awsElasticBlockStore"),
    ("secret", "secret"),
    ("nfs", "nfs"),
    ("iscsi", "iscsi"),
    ("glusterfs", "glusterfs"),
    ("flocker", "flocker"),
    ("persistentVolumeClaim", "persistentVolumeClaim"),
    ("rbd", "rbd"),
    ("cinder", "cinder"),
    ("cephfs", "cephFS"),
    ("quobyte", "quobyte"),
    ("downwardAPI", "downwarAPI"),
    ("fc", "fc"),
    ("flexVolume", "flexVolume"),
    ("configMap", "configMap"),
    ("azureFile", "azureFile"),
    ("vsphereVolume", "vsphereVolume"),
    ("photonPersistentDisk", "photonPersistentDisk"),
    ("portworxVolume", "portworxVolume"),
    ("azureDisk", "azureDisk"),
    ("storageos", "storageos"),
    ("projected", "projected"),
    ("scaleIO", "scaleIO"),
    ("csi", "csi"),
    ("ephemeral", "ephemeral"),
    ("image", "image"),
];

/// Checks every volume and returns those without an error. `pod` is the Pod itself, absent for templates.
pub(crate) fn validate_volumes<'a>(
    spec: &'a Value,
    pod: Option<&Value>,
    path: &Path,
    errors: &mut ErrorList,
) -> Volumes<'a> {
    let mut volumes = Volumes::new();
    let pod_name = pod.map_or("", name);
    let created_claims: BTreeSet<String> = list(spec, "volumes")
        .iter()
        .filter(|volume| !pod_name.is_empty() && has(volume, "ephemeral"))
        .map(|volume| format!("{pod_name}-{}", text(volume, "name")))
        .collect();
    for (index, volume) in list(spec, "volumes").iter().enumerate() {
        let path = path.index(index);
        let name = text(volume, "name");
        let mut found = ErrorList::new();
        validate_source(volume, pod_name, &path, &mut found);
        if name.is_empty() {
            found.push(Error::required(&path.child("name"), ""));
        } else {
            check::dns_label(name, &path.child("name"), &mut found);
        }
        if volumes.contains_key(name) {
            found.push(Error::duplicate(&path.child("name"), name));
        }
        if found.is_empty() {
            volumes.insert(name, volume);
        } else {
            errors.append(found);
        }
        let claim = text(&volume["persistentVolumeClaim"], "claimName");
        if created_claims.contains(claim) {
            errors.push(Error::invalid(
                &path.child("persistentVolumeClaim").child("claimName"),
                claim,
                "must not reference a PVC that gets created for an ephemeral volume",
            ));
        }
    }
    volumes
}

fn validate_source(volume: &Value, pod_name: &str, path: &Path, errors: &mut ErrorList) {
    let mut seen = false;
    for &(key, reported) in SOURCES {
        if !has(volume, key) {
            continue;
        }
        if seen {
            errors.push(Error::forbidden(&path.child(reported), ONE_SOURCE));
            continue;
        }
        seen = true;
        let source = &volume[key];
        let source_path = path.child(key);
        match key {
            "emptyDir" => {
                if let Some(limit) = quantity(&source["sizeLimit"])
                    && limit.is_negative()
                {
                    let text = "SizeLimit field must be a valid resource quantity";
                    errors.push(Error::forbidden(&source_path.child("sizeLimit"), text));
                }
            }
            "hostPath" => validate_host_path(source, &source_path, errors),
            "gitRepo" => {
                required(source, &["repository"], &source_path, errors);
                check::descending_path(text(source, "directory"), &source_path.child("directory"), errors);
            }
            "secret" => {
                required(source, &["secretName"], &source_path, errors);
                validate_key_files(source, &source_path, errors);
            }
            "configMap" => {
                required(source, &["name"], &source_path, errors);
                validate_key_files(source, &source_path, errors);
            }
            "downwardAPI" => {
                validate_mode(source, "defaultMode", &source_path, errors);
                for file in list(source, "items") {
                    validate_downward_file(file, &source_path, errors);
                }
            }
            "projected" => validate_projected(source, &source_path, errors),
            "nfs" => {
                required(source, &["server", "path"], &source_path, errors);
                let target = text(source, "path");
                if !target.starts_with('/') {
                    errors.push(Error::invalid(&source_path.child("path"), target, "must be an absolute path"));
                }
            }
            "ephemeral" => validate_ephemeral(volume, pod_name, path, errors),
            "flexVolume" => validate_flex(source, &source_path, errors),
            "iscsi" => validate_iscsi(source, &source_path, errors),
            "awsElasticBlockStore" => {
                required(source, &["volumeID"], &source_path, errors);
                validate_partition(source, &source_path, errors);
            }
            "gcePersistentDisk" => {
                let source_path = path.child("persistentDisk");
                required(source, &["pdName"], &source_path, errors);
                validate_partition(source, &source_path, errors);
            }
            "csi" => {
                required(source, &["driver"], &source_path, errors);
                let reference = &source["nodePublishSecretRef"];
                if !reference.is_null() {
                    required(reference, &["name"], &source_path.child("nodePublishSecretRef"), errors);
                }
            }
            "rbd" => required_lists(source, &["monitors"], &["image"], &source_path, errors),
            "cephfs" => required_lists(source, &["monitors"], &[], &source_path, errors),
            "glusterfs" => required(source, &["endpoints", "path"], &source_path, errors),
            "persistentVolumeClaim" => required(source, &["claimName"], &source_path, errors),
            "cinder" => required(source, &["volumeID"], &source_path, errors),
            "quobyte" => required(source, &["registry", "volume"], &source_path, errors),
            "azureFile" => required(source, &["secretName", "shareName"], &source_path, errors),
            "azureDisk" => required(source, &["diskName", "diskURI"], &source_path, errors),
            "vsphereVolume" => required(source, &["volumePath"], &source_path, errors),
            "photonPersistentDisk" => required(source, &["pdID"], &source_path, errors),
            "portworxVolume" => required(source, &["volumeID"], &source_path, errors),
            "scaleIO" => required(source, &["gateway", "system", "volumeName"], &source_path, errors),
            "image" => validate_image(source, &source_path, errors),
            _ => {}
        }
    }
    if !seen {
        errors.push(Error::required(path, "must specify a volume type"));
    }
}

fn required_lists(source: &Value, lists: &[&'static str], texts: &[&'static str], path: &Path, errors: &mut ErrorList) {
    for key in lists {
        if list(source, key).is_empty() {
            errors.push(Error::required(&path.child(*key), ""));
        }
    }
    required(source, texts, path, errors);
}

fn validate_host_path(source: &Value, path: &Path, errors: &mut ErrorList) {
    let target = text(source, "path");
    if target.is_empty() {
        errors.push(Error::required(&path.child("path"), ""));
        return;
    }
    check::no_backsteps(target, &path.child("path"), errors);
    let kinds = ["", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket"];
    check::one_of(text(source, "type"), &kinds, &path.child("type"), errors);
}

fn validate_ephemeral(volume: &Value, pod_name: &str, path: &Path, errors: &mut ErrorList) {
    let template_path = path.child("ephemeral").child("volumeClaimTemplate");
    let template = &volume["ephemeral"]["volumeClaimTemplate"];
    if template.is_null() {
        errors.push(Error::required(&template_path, ""));
    } else if list(&template["spec"], "accessModes").is_empty() {
        let text = "at least 1 access mode is required";
        errors.push(Error::required(&template_path.child("spec").child("accessModes"), text));
    }
    let name = text(volume, "name");
    if !pod_name.is_empty() && !name.is_empty() {
        let claim = format!("{pod_name}-{name}");
        for message in names::is_dns1123_subdomain(&claim) {
            let text = format!("PVC name {claim:?}: {message}");
            errors.push(Error::invalid(&path.child("name"), name, text));
        }
    }
}

fn validate_flex(source: &Value, path: &Path, errors: &mut ErrorList) {
    required(source, &["driver"], path, errors);
    for (key, _) in pairs(source, "options") {
        let namespace = format!(".{}", key.split('/').next().unwrap_or(key).to_ascii_lowercase());
        if key.contains('/') && (namespace.ends_with(".kubernetes.io") || namespace.ends_with(".k8s.io")) {
            let text = "kubernetes.io and k8s.io namespaces are reserved";
            errors.push(Error::invalid(&path.child("options").key(key), key, text));
        }
    }
}

fn validate_iscsi(source: &Value, path: &Path, errors: &mut ErrorList) {
    required(source, &["targetPortal", "iqn"], path, errors);
    let iqn = text(source, "iqn");
    if !iqn.is_empty() && !["iqn", "eui", "naa"].iter().any(|prefix| iqn.starts_with(prefix)) {
        let text = "must be valid format starting with iqn, eui, or naa";
        errors.push(Error::invalid(&path.child("iqn"), iqn, text));
    }
    let lun = int(source, "lun").unwrap_or(0);
    if !(0..=255).contains(&lun) {
        errors.push(Error::invalid(&path.child("lun"), lun, "must be between 0 and 255, inclusive"));
    }
}

fn validate_image(source: &Value, path: &Path, errors: &mut ErrorList) {
    required(source, &["reference"], path, errors);
    check::one_of(text(source, "pullPolicy"), &["Always", "IfNotPresent", "Never"], &path.child("pullPolicy"), errors);
}

fn validate_partition(source: &Value, path: &Path, errors: &mut ErrorList) {
    let partition = int(source, "partition").unwrap_or(0);
    if !(0..=255).contains(&partition) {
        let text = "must be between 1 and 255, inclusive";
        errors.push(Error::invalid(&path.child("partition"), partition, text));
    }
}
