//! How much storage a pod uses, and whether that is more than it may (upstream: local storage eviction).

use super::storage::empty_dir_folder;
use super::{Materials, config};
use crate::pods::observed::{Observed, is_sidecar, uid};
use crate::quantity;
use k8s_openapi::api::core::v1::{Container, Pod, Volume};
use node_cri::{ContainerState, Runtime};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

const EPHEMERAL_STORAGE: &str = "ephemeral-storage";
/// What `st_blocks` counts in, whatever the file system.
const BLOCK_BYTES: u64 = 512;

/// Bytes in use.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Of emptyDir volumes, by name.
    pub volumes: BTreeMap<String, u64>,
    /// Of containers: their own layer of files and their logs, by name.
    pub containers: BTreeMap<String, u64>,
}

/// Whether anything about the pod's storage is limited.
pub fn is_limited(pod: &Pod) -> bool {
    let Some(spec) = &pod.spec else { return false };
    let containers = spec.containers.iter().chain(spec.init_containers.iter().flatten());
    spec.volumes.iter().flatten().any(|volume| size_limit(volume).is_some())
        || containers.into_iter().any(|container| limit(container).is_some())
}

/// The words of the eviction of a pod that uses more than it may. Pure.
pub fn excess(pod: &Pod, usage: &Usage) -> Option<String> {
    let spec = pod.spec.as_ref()?;
    for volume in spec.volumes.iter().flatten() {
        let Some((limit, text)) = size_limit(volume) else { continue };
        if usage.volumes.get(&volume.name).is_some_and(|used| i128::from(*used) > limit) {
            return Some(format!("Usage of EmptyDir volume {:?} exceeds the limit {text:?}. ", volume.name));
        }
    }
    let in_memory =
        |volume: &Volume| volume.empty_dir.as_ref().is_some_and(|one| one.medium.as_deref() == Some("Memory"));
    let on_disk = spec.volumes.iter().flatten().filter(|volume| !in_memory(volume));
    let of_volumes: u64 = on_disk.filter_map(|volume| usage.volumes.get(&volume.name)).sum();
    let used: u64 = of_volumes + usage.containers.values().sum::<u64>();
    if let Some((limit, text)) = pod_limit(pod)
        && i128::from(used) > limit
    {
        return Some(format!("Pod ephemeral local storage usage exceeds the total limit of containers {text}. "));
    }
    spec.containers.iter().chain(spec.init_containers.iter().flatten()).find_map(|container| {
        let (limit, text) = limit(container)?;
        let used = usage.containers.get(&container.name)?;
        (i128::from(*used) > limit)
            .then(|| format!("Container {} exceeded its local ephemeral storage limit {text:?}. ", container.name))
    })
}

impl Materials {
    /// Measures the pod. What cannot be measured counts as nothing: a container may end at any time.
    pub async fn usage(&self, pod: &Pod, observed: &Observed, runtime: &dyn Runtime) -> Usage {
        let mut usage = Usage::default();
        for one in observed.containers.iter().filter(|one| one.state == ContainerState::Running) {
            let layer = runtime.writable_layer_bytes(&one.id).await.unwrap_or_default();
            usage.containers.insert(one.name.clone(), layer);
        }
        let root = self.settings().root.clone();
        let volumes = pod.spec.iter().flat_map(|spec| spec.volumes.iter().flatten());
        let volumes: Vec<(String, PathBuf)> = volumes
            .filter(|volume| volume.empty_dir.is_some())
            .map(|volume| (volume.name.clone(), empty_dir_folder(&root, uid(pod), &volume.name)))
            .collect();
        let logs = PathBuf::from(config::log_directory(&root, pod));
        let measured = tokio::task::spawn_blocking(move || {
            usage.volumes.extend(volumes.into_iter().map(|(name, folder)| (name, disk_usage(&folder))));
            usage.containers.iter_mut().for_each(|(name, bytes)| *bytes += disk_usage(&logs.join(name)));
            usage
        });
        measured.await.unwrap_or_default()
    }
}

/// Bytes that a folder takes on its file system, and on no other; a file with several names counts once.
fn disk_usage(folder: &Path) -> u64 {
    let Ok(top) = fs::symlink_metadata(folder) else { return 0 };
    let mut bytes = top.blocks() * BLOCK_BYTES;
    let mut seen = BTreeSet::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let Ok(meta) = entry.metadata() else { continue };
            if meta.dev() != top.dev() || (meta.nlink() > 1 && meta.is_file() && !seen.insert(meta.ino())) {
                continue;
            }
            bytes += meta.blocks() * BLOCK_BYTES;
            if meta.is_dir() {
                folders.push(entry.path());
            }
        }
    }
    bytes
}

fn size_limit(volume: &Volume) -> Option<(i128, &str)> {
    let text = volume.empty_dir.as_ref()?.size_limit.as_ref()?.0.as_str();
    quantity::units(text).filter(|limit| *limit > 0).map(|limit| (limit, text))
}

fn limit(container: &Container) -> Option<(i128, &str)> {
    let text = container.resources.as_ref()?.limits.as_ref()?.get(EPHEMERAL_STORAGE)?.0.as_str();
    quantity::units(text).map(|limit| (limit, text))
}

/// What all containers together may use: those that run side by side, or a single init container that may use more.
fn pod_limit(pod: &Pod) -> Option<(i128, String)> {
    let spec = pod.spec.as_ref()?;
    let init = || spec.init_containers.iter().flatten();
    let side_by_side: Vec<(i128, &str)> =
        spec.containers.iter().chain(init().filter(|container| is_sidecar(container))).filter_map(limit).collect();
    let alone = init().filter(|container| !is_sidecar(container)).filter_map(limit).max();
    let sum = side_by_side.iter().map(|(limit, _)| limit).sum::<i128>();
    let like = side_by_side.first().copied().or(alone)?.1;
    let limit = sum.max(alone.map_or(0, |(limit, _)| limit));
    Some((limit, quantity::format(limit, like)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn pod(limits: [Value; 2], volume: Value) -> Pod {
        let container = |name: &str, limit: &Value| json!({"name": name, "resources": {"limits": limit}});
        serde_json::from_value(json!({"metadata": {"uid": "u"}, "spec": {
            "containers": [container("a", &limits[0]), container("b", &limits[1])],
            "volumes": [{"name": "v", "emptyDir": volume}]}}))
        .unwrap()
    }

    #[test]
    fn a_pod_that_uses_more_than_it_may_is_told_what() {
        let used = |volume: u64, container: u64| Usage {
            volumes: [("v".to_owned(), volume << 20)].into(),
            containers: [("a".to_owned(), container << 20)].into(),
        };
        let none = || json!({});
        let limit = |text: &str| json!({ "ephemeral-storage": text });
        let limited = pod([none(), none()], json!({"sizeLimit": "3Mi"}));
        assert!(is_limited(&limited) && !is_limited(&pod([none(), none()], none())));
        assert_eq!(excess(&limited, &used(3, 9)), None);
        let words = "Usage of EmptyDir volume \"v\" exceeds the limit \"3Mi\". ";
        assert_eq!(excess(&limited, &used(4, 0)).as_deref(), Some(words));
        let both = pod([limit("3Mi"), limit("2Mi")], none());
        let words = "Pod ephemeral local storage usage exceeds the total limit of containers 5Mi. ";
        assert_eq!(excess(&both, &used(4, 2)).as_deref(), Some(words));
        let words = "Container a exceeded its local ephemeral storage limit \"3Mi\". ";
        assert_eq!(excess(&both, &used(0, 4)).as_deref(), Some(words));
        assert_eq!(excess(&both, &used(2, 3)), None);
        let memory = pod([limit("3Mi"), none()], json!({"medium": "Memory"}));
        assert_eq!(excess(&memory, &used(9, 1)), None, "memory is not storage");
    }

    #[test]
    fn a_folder_takes_what_its_files_take() {
        let folder = tempfile::tempdir().unwrap();
        let empty = disk_usage(folder.path());
        fs::create_dir(folder.path().join("d")).unwrap();
        fs::write(folder.path().join("d/f"), vec![1; 1 << 20]).unwrap();
        fs::hard_link(folder.path().join("d/f"), folder.path().join("g")).unwrap();
        let used = disk_usage(folder.path()) - empty;
        assert!((1 << 20..(1 << 20) + (64 << 10)).contains(&used), "{used}");
        assert_eq!(disk_usage(&folder.path().join("none")), 0);
    }
}
