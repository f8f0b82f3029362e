//! Makes a pod's volumes, keeps them current, mounts them into containers, and removes them.

use super::Materials;
use super::environment::expand;
use super::sources::Sources;
use crate::pods::config;
use crate::pods::observed::uid;
use crate::quantity;
use crate::volumes::payload::{self, Payload};
use crate::volumes::tokens::Tokens;
use crate::volumes::{atomic, host_path, mounts, pod_folder, sub_path, volume_folder};
use k8s_openapi::api::core::v1::{Container, EmptyDirVolumeSource, Pod, Volume, VolumeMount};
use node_cri::{Mount, Propagation};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How old the files of ConfigMaps, secrets and tokens may be (upstream's default is one minute, too).
pub const REFRESH: Duration = Duration::from_secs(60);
const EMPTY_DIR: &str = "empty-dir";
/// Anybody may write into a volume's folder.
const FOLDER_MODE: u32 = 0o777;
/// In memory nobody may remove what is another's: the mode of a file system's root there.
const MEMORY_FOLDER_MODE: u32 = 0o1777;
/// The pod's group may do everything in an emptyDir.
const GROUP_MODE: u32 = 0o770;
/// New files belong to the folder's group.
const SET_GID: u32 = 0o2000;

/// The volumes of one pod.
#[derive(Debug, Default)]
pub struct State {
    tokens: Tokens,
    made_at: Option<Instant>,
    made_of: Shown,
}

/// What of the pod's own object can change and is seen in volumes: labels and annotations.
type Shown = [Option<BTreeMap<String, String>>; 2];

fn shown(pod: &Pod) -> Shown {
    [pod.metadata.labels.clone(), pod.metadata.annotations.clone()]
}

impl State {
    /// When the volumes have to be looked at again; `None` when they never change.
    pub fn refresh_in(&self, pod: &Pod) -> Option<Duration> {
        let changes = pod.spec.iter().flat_map(|spec| spec.volumes.iter().flatten()).any(|volume| {
            volume.config_map.is_some()
                || volume.secret.is_some()
                || volume.projected.is_some()
                || volume.downward_api.is_some()
        });
        changes.then(|| self.made_at.map_or(Duration::ZERO, |at| REFRESH.saturating_sub(at.elapsed())))
    }

    /// Whether all volumes were made at least once.
    pub fn is_made(&self) -> bool {
        self.made_at.is_some()
    }
}

impl Materials {
    /// Makes the volumes that are missing and writes what changed.
    ///
    /// # Errors
    /// A volume cannot be made: the event's message.
    pub async fn ensure_volumes(&self, pod: &Pod, pod_ips: &[String], state: &mut State) -> Result<(), String> {
        let is_current = match state.refresh_in(pod) {
            // A pod that changed is seen to at once, as upstream does.
            Some(left) => !left.is_zero() && state.made_of == shown(pod),
            None => state.is_made(),
        };
        if is_current {
            return Ok(());
        }
        let namespace = pod.metadata.namespace.as_deref().unwrap_or_default();
        let of_volume = |name: &str, error: String| format!("MountVolume.SetUp failed for volume {name:?} : {error}");
        for (volume, projection) in payload::wanted_tokens(pod) {
            let one = [(volume, projection)];
            let got = state.tokens.ensure(self.client(), pod, &one).await;
            got.map_err(|error| of_volume(&one[0].0, error))?;
        }
        let sources = Sources::fetch(self.client(), namespace, &payload::wanted(pod)).await;
        let sources = sources.map_err(|error| format!("MountVolume.SetUp failed: {error}"))?;
        let addresses = self.addresses(pod, pod_ips);
        let inputs = payload::Inputs {
            pod,
            sources: &sources,
            tokens: &state.tokens.values(),
            addresses: &addresses,
            capacity: &self.options().capacity,
        };
        let group = pod.spec.as_ref().and_then(|spec| spec.security_context.as_ref()?.fs_group);
        let group = group.and_then(|group| u32::try_from(group).ok());
        let mut jobs = Vec::new();
        for volume in pod.spec.iter().flat_map(|spec| spec.volumes.iter().flatten()) {
            let files = payload::payload(&inputs, volume).transpose();
            let files = files.map_err(|error| of_volume(&volume.name, error))?;
            jobs.push((volume.clone(), files));
        }
        let (root, in_memory, uid) =
            (self.settings().root.clone(), self.settings().secrets_in_memory, uid(pod).to_owned());
        let made = tokio::task::spawn_blocking(move || {
            for (volume, files) in jobs {
                make(&root, &uid, &volume, files.as_ref(), in_memory, group)
                    .map_err(|error| of_volume(&volume.name, error))?;
            }
            Ok::<(), String>(())
        });
        made.await.map_err(|error| error.to_string())??;
        (state.made_at, state.made_of) = (Some(Instant::now()), shown(pod));
        Ok(())
    }

    /// Unmounts and removes everything that was made for the pod, its logs too.
    ///
    /// # Errors
    /// Something is still mounted, or cannot be removed.
    pub async fn remove(&self, pod: &Pod) -> io::Result<()> {
        let folder = pod_folder(&self.settings().root, uid(pod));
        let logs = PathBuf::from(config::log_directory(&self.settings().root, pod));
        let removed = tokio::task::spawn_blocking(move || mounts::remove(&folder).and_then(|()| mounts::remove(&logs)));
        removed.await.map_err(io::Error::other)?
    }

    /// Removes the folders of all other pods: what an agent left that was not running when they went.
    ///
    /// # Errors
    /// Something is still mounted, or cannot be removed; the rest is.
    pub async fn remove_others(&self, known: BTreeSet<String>) -> io::Result<()> {
        let root = self.settings().root.clone();
        tokio::task::spawn_blocking(move || remove_others(&root, &known)).await.map_err(io::Error::other)?
    }
}

fn remove_others(root: &Path, known: &BTreeSet<String>) -> io::Result<()> {
    let mut outcome = Ok(());
    for parent in [pod_folder(root, ""), root.join(config::LOGS)] {
        for entry in fs::read_dir(&parent).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            // Folders of logs are called NAMESPACE_NAME_UID.
            let uid = name.rsplit('_').next().unwrap_or_default();
            if known.contains(uid) {
                continue;
            }
            tracing::info!(folder = %entry.path().display(), "removing a folder without a pod");
            if let Err(error) = mounts::remove(&entry.path()) {
                outcome = Err(error);
            }
        }
    }
    outcome
}

/// What of the pod's volumes is seen in a container.
///
/// # Errors
/// A mount names no volume, or a path that leads out of it; the message of `CreateContainerConfigError`.
pub async fn mounts(
    root: &Path,
    pod: &Pod,
    container: &Container,
    lookup: impl Fn(&str) -> Option<String> + Copy,
) -> Result<Vec<Mount>, String> {
    let mut list = Vec::new();
    let volumes = pod.spec.iter().flat_map(|spec| spec.volumes.iter().flatten());
    for (index, mount) in container.volume_mounts.iter().flatten().enumerate() {
        let volume = volumes.clone().find(|volume| volume.name == mount.name);
        let volume = volume.ok_or_else(|| format!("volume {:?} is not in the pod", mount.name))?;
        let (mut host, is_made_of_objects) = place(root, uid(pod), volume);
        if let Some(part) = part(mount, lookup)? {
            let target = pod_folder(root, uid(pod)).join("volume-subpaths").join(&mount.name);
            let target = target.join(&container.name).join(index.to_string());
            // Why exactly would tell the pod's user about the host.
            let step = if host.join(&part).exists() { "prepare subPath" } else { "create subPath directory" };
            let of_mount = |error: &dyn std::fmt::Display| {
                let failed =
                    format!("failed to {step} for volumeMount {:?} of container {:?}", mount.name, container.name);
                tracing::warn!(pod = pod.metadata.name, %error, "{failed}");
                failed
            };
            let (volume_path, bound) = (host.clone(), target.clone());
            let prepared = tokio::task::spawn_blocking(move || {
                mounts::remove(&bound)?;
                sub_path::bind(&sub_path::open(&volume_path, &part)?, &bound)
            });
            prepared.await.map_err(|error| of_mount(&error))?.map_err(|error| of_mount(&error))?;
            host = target;
        }
        list.push(Mount {
            container_path: absolute(&mount.mount_path),
            host_path: host.to_string_lossy().into_owned(),
            readonly: mount.read_only == Some(true) || is_made_of_objects,
            propagation: match mount.mount_propagation.as_deref() {
                Some("HostToContainer") => Propagation::HostToContainer,
                Some("Bidirectional") => Propagation::Bidirectional,
                _ => Propagation::Private,
            },
        });
    }
    Ok(list)
}

fn absolute(path: &str) -> String {
    if path.starts_with('/') { path.to_owned() } else { format!("/{path}") }
}

/// The part of the volume that is asked for.
fn part(mount: &VolumeMount, lookup: impl Fn(&str) -> Option<String>) -> Result<Option<String>, String> {
    if let Some(expression) = mount.sub_path_expr.as_deref().filter(|text| !text.is_empty()) {
        let missing = RefCell::new(BTreeSet::new());
        let text = expand(expression, |name| {
            let found = lookup(name).filter(|value| !value.is_empty());
            if found.is_none() {
                missing.borrow_mut().insert(name.to_owned());
            }
            found
        });
        let missing = Vec::from_iter(missing.into_inner()).join(", ");
        return if missing.is_empty() { Ok(Some(text)) } else { Err(format!("missing value for {missing}")) };
    }
    Ok(mount.sub_path.clone().filter(|path| !path.is_empty()))
}

/// Where a volume is on the host, and whether it is made of objects and so read-only.
fn place(root: &Path, uid: &str, volume: &Volume) -> (PathBuf, bool) {
    match &volume.host_path {
        Some(source) => (PathBuf::from(&source.path), false),
        None => {
            let kind = kind(volume);
            (volume_folder(root, uid, kind, &volume.name), kind != EMPTY_DIR)
        }
    }
}

/// Where an emptyDir is.
pub(super) fn empty_dir_folder(root: &Path, uid: &str, name: &str) -> PathBuf {
    volume_folder(root, uid, EMPTY_DIR, name)
}

fn kind(volume: &Volume) -> &'static str {
    if volume.config_map.is_some() {
        "configmap"
    } else if volume.secret.is_some() {
        "secret"
    } else if volume.projected.is_some() {
        "projected"
    } else if volume.downward_api.is_some() {
        "downward-api"
    } else {
        EMPTY_DIR
    }
}

fn make(
    root: &Path,
    uid: &str,
    volume: &Volume,
    files: Option<&Payload>,
    in_memory: bool,
    group: Option<u32>,
) -> Result<(), String> {
    if let Some(source) = &volume.host_path {
        return host_path::check(Path::new(&source.path), source.type_.as_deref().unwrap_or_default());
    }
    let folder = volume_folder(root, uid, kind(volume), &volume.name);
    let written = || -> io::Result<()> {
        fs::create_dir_all(&folder)?;
        let Some(files) = files else {
            return empty_dir(&folder, volume.empty_dir.as_ref(), group);
        };
        if in_memory && volume.config_map.is_none() {
            mounts::memory(&folder, MEMORY_FOLDER_MODE, None)?;
        } else {
            fs::set_permissions(&folder, Permissions::from_mode(FOLDER_MODE))?;
        }
        atomic::write(&folder, files, group)
    };
    written().map_err(|error| error.to_string())
}

fn empty_dir(folder: &Path, source: Option<&EmptyDirVolumeSource>, group: Option<u32>) -> io::Result<()> {
    let asked = source.and_then(|source| source.mode).and_then(|mode| u32::try_from(mode).ok());
    let mut mode = asked.unwrap_or(FOLDER_MODE);
    match source.and_then(|source| source.medium.as_deref()).unwrap_or_default() {
        "" => {}
        "Memory" => {
            let limit = source.and_then(|source| quantity::units(&source.size_limit.as_ref()?.0));
            let limit = limit.filter(|bytes| *bytes > 0).and_then(|bytes| u64::try_from(bytes).ok());
            mode = asked.unwrap_or(MEMORY_FOLDER_MODE);
            mounts::memory(folder, mode, limit)?;
        }
        // Refused before.
        other => return Err(io::Error::other(format!("unknown medium {other:?}"))),
    }
    if group.is_some() {
        chown(folder, None, group)?;
    }
    let mode = if group.is_some() { mode | GROUP_MODE | SET_GID } else { mode };
    fs::set_permissions(folder, Permissions::from_mode(mode))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn pod(volumes: Value, mounts: Value) -> Pod {
        serde_json::from_value(json!({"metadata": {"name": "p", "namespace": "n", "uid": "u1"},
            "spec": {"containers": [{"name": "c", "volumeMounts": mounts}], "volumes": volumes}}))
        .unwrap()
    }

    #[test]
    fn folders_of_pods_that_nobody_knows_are_removed_and_the_others_stay() {
        let root = tempfile::tempdir().unwrap();
        let folders =
            ["pods/u1/volumes", "pods/u2/volumes", "logs/n_p_u1/c", "logs/n_q_u2/c"].map(|one| root.path().join(one));
        folders.iter().for_each(|folder| fs::create_dir_all(folder).unwrap());
        remove_others(root.path(), &["u2".to_owned()].into()).unwrap();
        assert_eq!(folders.map(|folder| folder.exists()), [false, true, false, true]);
    }

    #[tokio::test]
    async fn mounts_lead_to_the_volumes_and_objects_are_read_only() {
        let pod = pod(
            json!([{"name": "cm", "configMap": {"name": "x"}}, {"name": "e", "emptyDir": {}},
                {"name": "h", "hostPath": {"path": "/srv"}}]),
            json!([{"name": "cm", "mountPath": "/a"}, {"name": "e", "mountPath": "b"},
                {"name": "h", "mountPath": "/c", "readOnly": true, "mountPropagation": "HostToContainer"}]),
        );
        let container = &pod.spec.as_ref().unwrap().containers[0];
        let list = mounts(Path::new("/r"), &pod, container, |_| None).await.unwrap();
        let text: Vec<String> = list
            .iter()
            .map(|one| format!("{} {} {} {:?}", one.container_path, one.host_path, one.readonly, one.propagation))
            .collect();
        assert_eq!(
            text,
            [
                "/a /r/pods/u1/volumes/kubernetes.io~configmap/cm true Private",
                "/b /r/pods/u1/volumes/kubernetes.io~empty-dir/e false Private",
                "/c /srv true HostToContainer",
            ]
        );
    }

    #[test]
    fn sub_paths_are_expanded_and_unknown_names_refused() {
        let mount = |key: &str, value: &str| -> VolumeMount {
            serde_json::from_value(json!({"name": "v", "mountPath": "/", key: value})).unwrap()
        };
        let lookup = |name: &str| (name == "A").then(|| "x".to_owned());
        assert_eq!(part(&mount("subPath", "$(A)"), lookup), Ok(Some("$(A)".to_owned())));
        assert_eq!(part(&mount("subPathExpr", "$(A)/y"), lookup), Ok(Some("x/y".to_owned())));
        assert_eq!(part(&mount("subPathExpr", "$(B)"), lookup), Err("missing value for B".to_owned()));
        assert_eq!(part(&mount("subPathExpr", "$(C)/$(B)"), lookup), Err("missing value for B, C".to_owned()));
    }

    #[test]
    fn an_empty_dir_is_made_for_everybody_or_for_the_group() {
        let root = tempfile::tempdir().unwrap();
        let volume: Volume = serde_json::from_value(json!({"name": "e", "emptyDir": {}})).unwrap();
        make(root.path(), "u", &volume, None, false, None).unwrap();
        let folder = volume_folder(root.path(), "u", "empty-dir", "e");
        assert_eq!(fs::metadata(&folder).unwrap().permissions().mode() & 0o7777, 0o777);
        let unknown = serde_json::from_value(json!({"name": "e", "emptyDir": {"medium": "HugePages"}})).unwrap();
        assert_eq!(make(root.path(), "u", &unknown, None, false, None).unwrap_err(), "unknown medium \"HugePages\"");
    }
}
