//! The files of ConfigMap, secret, downwardAPI and projected volumes. Pure: objects and tokens are fetched before.

use crate::materials::fields::{self, Addresses};
use crate::materials::sources::{Kind, Sources};
use crate::options::Capacity;
use k8s_openapi::api::core::v1::{DownwardAPIVolumeFile, KeyToPath, Pod, ServiceAccountTokenProjection, Volume};
use std::collections::{BTreeMap, BTreeSet};

/// Mode of files that no mode is given for (the API server writes the same default).
const DEFAULT_MODE: i32 = 0o644;
/// Mode of a token that only its user or group may read.
const TOKEN_MODE: u32 = 0o600;

/// Files by their path in the volume.
pub type Payload = BTreeMap<String, File>;

/// One file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct File {
    /// Content.
    pub data: Vec<u8>,
    /// Permissions.
    pub mode: u32,
    /// Numeric user; `None` for the agent's.
    pub owner: Option<u32>,
}

/// Everything that volumes are made from.
pub struct Inputs<'a> {
    /// The pod.
    pub pod: &'a Pod,
    /// ConfigMaps and secrets.
    pub sources: &'a Sources,
    /// Tokens by volume and path.
    pub tokens: &'a BTreeMap<(String, String), String>,
    /// Addresses of pod and node.
    pub addresses: &'a Addresses,
    /// What the node offers.
    pub capacity: &'a Capacity,
}

/// ConfigMaps and secrets that the pod's volumes refer to.
pub fn wanted(pod: &Pod) -> BTreeSet<(Kind, String)> {
    let mut wanted = BTreeSet::new();
    for volume in pod.spec.iter().flat_map(|spec| spec.volumes.iter().flatten()) {
        wanted.extend(volume.config_map.iter().map(|one| (Kind::ConfigMap, one.name.clone())));
        wanted.extend(volume.secret.iter().filter_map(|one| Some((Kind::Secret, one.secret_name.clone()?))));
        for source in volume.projected.iter().flat_map(|projected| projected.sources.iter().flatten()) {
            wanted.extend(source.config_map.iter().map(|one| (Kind::ConfigMap, one.name.clone())));
            wanted.extend(source.secret.iter().map(|one| (Kind::Secret, one.name.clone())));
        }
    }
    wanted
}

/// The tokens that the pod's volumes want, with their volumes' names.
pub fn wanted_tokens(pod: &Pod) -> Vec<(String, ServiceAccountTokenProjection)> {
    let volumes = pod.spec.iter().flat_map(|spec| spec.volumes.iter().flatten());
    volumes
        .flat_map(|volume| {
            let sources = volume.projected.iter().flat_map(|projected| projected.sources.iter().flatten());
            sources.filter_map(|source| Some((volume.name.clone(), source.service_account_token.clone()?)))
        })
        .collect()
}

/// The files of a volume; `None` for a volume that is not made of objects.
///
/// # Errors
/// Something is missing; upstream's words, without the volume's name.
pub fn payload(inputs: &Inputs<'_>, volume: &Volume) -> Option<Result<Payload, String>> {
    let mut files = Payload::new();
    let made = if let Some(source) = &volume.config_map {
        let (mode, optional) = (mode(source.default_mode), source.optional.unwrap_or(false));
        keys(&mut files, inputs.sources, Kind::ConfigMap, &source.name, source.items.as_deref(), optional, mode)
    } else if let Some(source) = &volume.secret {
        let (mode, optional) = (mode(source.default_mode), source.optional.unwrap_or(false));
        let name = source.secret_name.as_deref().unwrap_or_default();
        keys(&mut files, inputs.sources, Kind::Secret, name, source.items.as_deref(), optional, mode)
    } else if let Some(source) = &volume.downward_api {
        downward(&mut files, inputs, source.items.as_deref(), mode(source.default_mode))
    } else if volume.projected.is_some() {
        projected(&mut files, inputs, volume)
    } else {
        return None;
    };
    Some(made.map(|()| files))
}

fn projected(files: &mut Payload, inputs: &Inputs<'_>, volume: &Volume) -> Result<(), String> {
    let Some(projected) = &volume.projected else { return Ok(()) };
    let default = mode(projected.default_mode);
    for source in projected.sources.iter().flatten() {
        if let Some(one) = &source.config_map {
            let optional = one.optional.unwrap_or(false);
            keys(files, inputs.sources, Kind::ConfigMap, &one.name, one.items.as_deref(), optional, default)?;
        }
        if let Some(one) = &source.secret {
            let optional = one.optional.unwrap_or(false);
            keys(files, inputs.sources, Kind::Secret, &one.name, one.items.as_deref(), optional, default)?;
        }
        if let Some(one) = &source.downward_api {
            downward(files, inputs, one.items.as_deref(), default)?;
        }
        if let Some(one) = &source.service_account_token {
            let token = inputs.tokens.get(&(volume.name.clone(), one.path.clone()));
            let token = token.ok_or_else(|| "failed to fetch token: none was given".to_owned())?;
            let owner = common_user(inputs.pod);
            let has_group =
                inputs.pod.spec.as_ref().and_then(|spec| spec.security_context.as_ref()?.fs_group).is_some();
            let mode = if owner.is_some() || has_group { TOKEN_MODE } else { default };
            files.insert(one.path.clone(), File { data: token.clone().into_bytes(), mode, owner });
        }
    }
    Ok(())
}

fn keys(
    files: &mut Payload,
    sources: &Sources,
    kind: Kind,
    name: &str,
    items: Option<&[KeyToPath]>,
    optional: bool,
    default_mode: u32,
) -> Result<(), String> {
    let Some(data) = sources.data(kind, name, optional)? else { return Ok(()) };
    let Some(items) = items.filter(|items| !items.is_empty()) else {
        let all =
            data.iter().map(|(key, data)| (key.clone(), File { data: data.clone(), mode: default_mode, owner: None }));
        files.extend(all);
        return Ok(());
    };
    for item in items {
        match data.get(&item.key) {
            Some(data) => {
                let mode = item.mode.map_or(default_mode, |own| mode(Some(own)));
                files.insert(item.path.clone(), File { data: data.clone(), mode, owner: None });
            }
            None if optional => {}
            None if kind == Kind::ConfigMap => {
                return Err(format!("configmap references non-existent config key: {}", item.key));
            }
            None => return Err(format!("references non-existent secret key: {}", item.key)),
        }
    }
    Ok(())
}

fn downward(
    files: &mut Payload,
    inputs: &Inputs<'_>,
    items: Option<&[DownwardAPIVolumeFile]>,
    default_mode: u32,
) -> Result<(), String> {
    for item in items.unwrap_or_default() {
        let text = match (&item.field_ref, &item.resource_field_ref) {
            (Some(field), _) => fields::field(inputs.pod, inputs.addresses, &field.field_path)?,
            (None, Some(resource)) => fields::resource(inputs.pod, "", resource, inputs.capacity)?,
            (None, None) => continue,
        };
        let mode = item.mode.map_or(default_mode, |own| mode(Some(own)));
        files.insert(item.path.clone(), File { data: text.into_bytes(), mode, owner: None });
    }
    Ok(())
}

/// The user that all containers run as, if they say so.
fn common_user(pod: &Pod) -> Option<u32> {
    let spec = pod.spec.as_ref()?;
    let of_pod = spec.security_context.as_ref().and_then(|context| context.run_as_user);
    let containers = spec.containers.iter().chain(spec.init_containers.iter().flatten());
    let users: BTreeSet<Option<i64>> = containers
        .map(|container| container.security_context.as_ref().and_then(|context| context.run_as_user).or(of_pod))
        .collect();
    match users.len() {
        1 => users.first().copied().flatten().and_then(|user| u32::try_from(user).ok()),
        _ => None,
    }
}

fn mode(mode: Option<i32>) -> u32 {
    u32::try_from(mode.unwrap_or(DEFAULT_MODE)).unwrap_or(0) & 0o777
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn run(volume: Value) -> Result<String, String> {
        let mut volume = volume;
        volume["name"] = json!("v");
        let pod: Pod =
            serde_json::from_value(json!({"metadata": {"name": "p", "namespace": "ns", "labels": {"a": "b"}},
            "spec": {"containers": [{"name": "c", "securityContext": {"runAsUser": 7}}], "volumes": [volume]}}))
            .unwrap();
        let mut sources = Sources::default();
        let config = json!({"data": {"k": "v"}, "binaryData": {"b": "AAE="}});
        sources.insert_config_map("cm", Some(serde_json::from_value(config).unwrap()));
        sources.insert_config_map("gone", None);
        sources.insert_secret("s", Some(serde_json::from_value(json!({"data": {"pw": "eA=="}})).unwrap()));
        sources.insert_secret("gone", None);
        let tokens = [(("v".to_owned(), "token".to_owned()), "t0k".to_owned())].into();
        let capacity = Capacity { milli_cpu: 2000, memory_bytes: 1, ephemeral_storage_bytes: 1, pods: 1 };
        let inputs = Inputs {
            pod: &pod,
            sources: &sources,
            tokens: &tokens,
            addresses: &Addresses::default(),
            capacity: &capacity,
        };
        let volume = &pod.spec.as_ref().unwrap().volumes.as_ref().unwrap()[0];
        let files = payload(&inputs, volume).unwrap()?;
        let one = |(path, file): (&String, &File)| {
            format!("{path}={}:{:o}", String::from_utf8_lossy(&file.data).escape_debug(), file.mode)
        };
        Ok(files.iter().map(one).collect::<Vec<_>>().join(" "))
    }

    // proves: KL-08
    #[test]
    fn volumes_hold_what_their_sources_say() {
        for (volume, want) in [
            (json!({"configMap": {"name": "cm"}}), "b=\\0\\u{1}:644 k=v:644"),
            (
                json!({"configMap": {"name": "cm", "defaultMode": 256, "items": [{"key": "k", "path": "x/y"}]}}),
                "x/y=v:400",
            ),
            (json!({"configMap": {"name": "gone", "optional": true}}), ""),
            (json!({"secret": {"secretName": "s", "items": [{"key": "pw", "path": "p", "mode": 384}]}}), "p=x:600"),
            (
                json!({"downwardAPI": {"items": [{"path": "l", "fieldRef": {"fieldPath": "metadata.labels"}},
                {"path": "cpu", "resourceFieldRef": {"containerName": "c", "resource": "limits.cpu"}}]}}),
                "cpu=2:644 l=a=\\\"b\\\":644",
            ),
            (
                json!({"projected": {"sources": [{"serviceAccountToken": {"path": "token"}},
                {"configMap": {"name": "cm", "items": [{"key": "k", "path": "ca.crt"}]}},
                {"downwardAPI": {"items": [{"path": "namespace", "fieldRef": {"fieldPath": "metadata.namespace"}}]}}]}}),
                "ca.crt=v:644 namespace=ns:644 token=t0k:600",
            ),
        ] {
            assert_eq!(run(volume.clone()).unwrap(), want, "{volume}");
        }
    }

    #[test]
    fn what_is_missing_is_named_as_upstream_names_it() {
        let item = json!([{"key": "no", "path": "p"}]);
        for (volume, want) in [
            (json!({"configMap": {"name": "gone"}}), "configmap \"gone\" not found"),
            (json!({"secret": {"secretName": "gone"}}), "secret \"gone\" not found"),
            (json!({"configMap": {"name": "cm", "items": item}}), "configmap references non-existent config key: no"),
            (json!({"secret": {"secretName": "s", "items": item}}), "references non-existent secret key: no"),
        ] {
            assert_eq!(run(volume.clone()).unwrap_err(), want, "{volume}");
        }
    }
}
