//! The volumes of a pod, as folders below `ROOT/pods/UID/volumes/kubernetes.io~KIND/NAME`.
//!
//! What a volume holds is computed first ([`payload`], pure) and then written so that a container sees either the old
//! files or the new ones ([`atomic`]). Secrets live in memory file systems. A pod's folder is removed only when no mount
//! is left below it: removing through a mount would delete what belongs to the host ([`mounts`]).

pub mod atomic;
pub mod host_path;
pub mod mounts;
pub mod payload;
pub mod sub_path;
pub mod tokens;

use std::path::{Path, PathBuf};

/// The folder of one pod.
pub fn pod_folder(root: &Path, uid: &str) -> PathBuf {
    root.join("pods").join(uid)
}

/// The folder of one volume.
pub fn volume_folder(root: &Path, uid: &str, kind: &str, name: &str) -> PathBuf {
    pod_folder(root, uid).join("volumes").join(format!("kubernetes.io~{kind}")).join(name)
}
