//! Memory file systems, and the removal of a pod's folder with everything that is mounted below it.

use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use std::ffi::CString;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

const MOUNTS: &str = "/proc/self/mountinfo";

/// Mounts a memory file system on the folder, unless one is there.
///
/// # Errors
/// The kernel refused.
pub fn memory(folder: &Path, mode: u32, bytes_max: Option<u64>) -> io::Result<()> {
    if below(&fs::read_to_string(MOUNTS)?, folder).iter().any(|one| one == folder) {
        return Ok(());
    }
    let size = bytes_max.map(|bytes| format!(",size={bytes}")).unwrap_or_default();
    let options = CString::new(format!("mode={mode:o}{size}")).map_err(io::Error::other)?;
    let flags = MountFlags::NOSUID | MountFlags::NODEV;
    Ok(mount("tmpfs", folder, "tmpfs", flags, options.as_c_str())?)
}

/// Unmounts everything below the folder and then removes it. What is mounted there is never followed.
///
/// # Errors
/// Something stays mounted (nothing is removed then), or cannot be removed.
pub fn remove(folder: &Path) -> io::Result<()> {
    // Deepest first. Mounts can lie on one another: look until none is left, at most once for each that was there.
    let mut left = below(&fs::read_to_string(MOUNTS)?, folder);
    for _ in 0..=left.len() {
        left.sort_by_key(|path| std::cmp::Reverse(path.components().count()));
        for path in &left {
            unmount(path, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW)?;
        }
        left = below(&fs::read_to_string(MOUNTS)?, folder);
        if left.is_empty() {
            break;
        }
    }
    if let Some(path) = left.first() {
        return Err(io::Error::other(format!("{} is still mounted", path.display())));
    }
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// The mount points at and below a folder, from the kernel's list.
fn below(list: &str, folder: &Path) -> Vec<PathBuf> {
    let points = list.lines().filter_map(|line| line.split(' ').nth(4)).map(unescape);
    points.filter(|point| point.starts_with(folder)).collect()
}

/// The kernel writes blanks and the like as three octal digits.
fn unescape(text: &str) -> PathBuf {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let code = (bytes[at] == b'\\').then(|| text.get(at + 1..at + 4)).flatten();
        match code.and_then(|code| u8::from_str_radix(code, 8).ok()) {
            Some(byte) => {
                out.push(byte);
                at += 4;
            }
            None => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    PathBuf::from(std::ffi::OsString::from_vec(out))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mount_points_are_found_by_whole_names() {
        let list = "30 1 0:5 / /a rw - tmpfs tmpfs rw\n31 1 0:5 / /a/b\\040c rw - x x rw\n32 1 0:5 / /ab rw - x x rw\n";
        assert_eq!(below(list, Path::new("/a")), [PathBuf::from("/a"), PathBuf::from("/a/b c")]);
    }

    #[test]
    fn removal_of_a_folder_that_is_gone_succeeds() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("x/y")).unwrap();
        remove(&folder.path().join("x")).unwrap();
        remove(&folder.path().join("x")).unwrap();
        assert!(!folder.path().join("x").exists());
    }
}
