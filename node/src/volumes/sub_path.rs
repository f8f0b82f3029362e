//! A part of a volume, held by a bind mount so that a link which a container puts there later leads nowhere.
//!
//! The kernel resolves the path and refuses to leave the volume (`RESOLVE_BENEATH`); the mount is made of the open file,
//! not of its name.

use rustix::fs::{Mode, OFlags, ResolveFlags, mkdirat, openat2};
use rustix::mount::mount_bind;
use std::fs;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Component, Path};

/// Mode of folders made on the way.
const FOLDER_MODE: u32 = 0o755;

/// Opens `path` in the volume; folders that are missing are made.
///
/// # Errors
/// The path leads out of the volume, or cannot be made.
pub fn open(volume: &Path, path: &str) -> io::Result<OwnedFd> {
    let beneath = |at: &OwnedFd, path: &Path| {
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        openat2(at, path, flags, Mode::empty(), ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS)
    };
    let root: OwnedFd = fs::File::open(volume)?.into();
    let mut done = std::path::PathBuf::new();
    for component in Path::new(path).components() {
        let name = match component {
            Component::Normal(name) => name,
            Component::CurDir => continue,
            _ => return Err(io::Error::new(io::ErrorKind::InvalidInput, "subPath leads out of the volume")),
        };
        let parent = if done.as_os_str().is_empty() { Path::new(".") } else { done.as_path() };
        match beneath(&root, &done.join(name)) {
            Ok(_) => {}
            Err(rustix::io::Errno::NOENT) => mkdirat(beneath(&root, parent)?, name, Mode::from_raw_mode(FOLDER_MODE))?,
            Err(error) => return Err(error.into()),
        }
        done.push(name);
    }
    let path = if done.as_os_str().is_empty() { Path::new(".") } else { done.as_path() };
    Ok(beneath(&root, path)?)
}

/// Mounts what [`open`] found on `target`, which is made.
///
/// # Errors
/// The kernel refused.
pub fn bind(source: &OwnedFd, target: &Path) -> io::Result<()> {
    let name = format!("/proc/self/fd/{}", source.as_raw_fd());
    if let Some(parent) = target.parent() {
        fs::create_dir_all(parent)?;
    }
    if fs::metadata(&name)?.is_dir() {
        fs::create_dir_all(target)?;
    } else if !target.exists() {
        fs::File::create_new(target)?;
    }
    Ok(mount_bind(name.as_str(), target)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn paths_inside_are_made_and_links_out_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let volume = folder.path().join("v");
        fs::create_dir(&volume).unwrap();
        fs::write(folder.path().join("secret"), "x").unwrap();
        open(&volume, "a/b").unwrap();
        assert!(volume.join("a/b").is_dir());
        symlink("a", volume.join("inside")).unwrap();
        open(&volume, "inside/b").unwrap();
        symlink("../secret", volume.join("relative")).unwrap();
        symlink("/etc", volume.join("absolute")).unwrap();
        for path in ["relative", "absolute/passwd", "absolute/new", "../secret", "a/../../secret"] {
            assert!(open(&volume, path).is_err(), "{path}");
        }
        assert!(!Path::new("/etc/new").exists());
    }
}
