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

/// Mode of folders made on the way, until they have the volume's.
const FOLDER_MODE: u32 = 0o700;

/// Opens `path` in the volume; folders that are missing are made, with the mode of the volume's folder.
///
/// # Errors
/// The path leads out of the volume, or cannot be made.
pub fn open(volume: &Path, path: &str) -> io::Result<OwnedFd> {
    let beneath = |at: &OwnedFd, path: &Path| {
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        openat2(at, path, flags, Mode::empty(), ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS)
    };
    let root = fs::File::open(volume)?;
    let mode = root.metadata()?.permissions();
    let root: OwnedFd = root.into();
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
            Err(rustix::io::Errno::NOENT) => {
                mkdirat(beneath(&root, parent)?, name, Mode::from_raw_mode(FOLDER_MODE))?;
                fs::set_permissions(by_descriptor(&beneath(&root, &done.join(name))?), mode.clone())?;
            }
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
    let name = by_descriptor(source);
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

/// A path to what is open, whatever lies under its name by now.
fn by_descriptor(open: &OwnedFd) -> String {
    format!("/proc/self/fd/{}", open.as_raw_fd())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    #[test]
    fn paths_inside_are_made_and_links_out_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let volume = folder.path().join("v");
        fs::create_dir(&volume).unwrap();
        fs::write(folder.path().join("secret"), "x").unwrap();
        open(&volume, "a/b").unwrap();
        assert!(volume.join("a/b").is_dir());
        fs::set_permissions(&volume, fs::Permissions::from_mode(0o1777)).unwrap();
        open(&volume, "all/of").unwrap();
        let mode = |path: &str| fs::metadata(volume.join(path)).unwrap().permissions().mode() & 0o7777;
        assert_eq!((mode("all"), mode("all/of")), (0o1777, 0o1777));
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
