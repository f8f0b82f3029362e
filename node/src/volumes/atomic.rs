//! Replaces the files of a folder at once: they are links through `..data`, which is a link to a dated folder, and one
//! rename turns it (upstream: `pkg/volume/util/atomic_writer.go`).

use rand::Rng;
use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{PermissionsExt, chown, lchown, symlink};
use std::path::Path;

use super::payload::{File, Payload};

const DATA: &str = "..data";
const NEW_DATA: &str = "..data_tmp";
/// Everybody may list and enter; the files have modes of their own.
const FOLDER_MODE: u32 = 0o755;
/// What the volume's group may do with its files, and its folders; new files belong to the folder's group.
const GROUP_READS: u32 = 0o440;
const GROUP_ENTERS: u32 = 0o2110;

/// Writes the payload; does nothing when it is there already. `group` gets read access to every file.
///
/// # Errors
/// The folder cannot be written.
pub fn write(target: &Path, payload: &Payload, group: Option<u32>) -> io::Result<()> {
    let data = target.join(DATA);
    let old = fs::read_link(&data).ok();
    if old.is_some() && is_current(&data, payload, group)? {
        return Ok(());
    }
    let stamp = jiff::Timestamp::now().strftime("..%Y_%m_%d_%H_%M_%S");
    let folder_name = format!("{stamp}.{}", rand::rng().random_range(0..u32::MAX));
    let folder = target.join(&folder_name);
    fs::create_dir(&folder)?;
    set_mode(&folder, FOLDER_MODE)?;
    for (path, file) in payload {
        write_file(&folder, path, file, group)?;
    }
    let new_data = target.join(NEW_DATA);
    remove_link(&new_data)?;
    symlink(&folder_name, &new_data)?;
    fs::rename(&new_data, &data)?;
    let firsts: BTreeSet<&str> = payload.keys().filter_map(|path| path.split('/').next()).collect();
    for first in &firsts {
        let link = target.join(first);
        if fs::symlink_metadata(&link).is_err() {
            symlink(Path::new(DATA).join(first), &link)?;
        }
    }
    for entry in fs::read_dir(target)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if !name.starts_with("..") && !firsts.contains(name.as_ref()) {
            remove_link(&entry.path())?;
        }
    }
    if let Some(old) = old {
        fs::remove_dir_all(target.join(old))?;
    }
    group.map_or(Ok(()), |group| give(target, group))
}

/// Gives the folder and all that is in it to the group, which may read it (upstream: `SetVolumeOwnership`).
fn give(path: &Path, group: u32) -> io::Result<()> {
    lchown(path, None, Some(group))?;
    let found = fs::symlink_metadata(path)?;
    if found.is_symlink() {
        return Ok(());
    }
    let mode = found.permissions().mode();
    if !found.is_dir() {
        return set_mode(path, mode | GROUP_READS);
    }
    set_mode(path, mode | GROUP_READS | GROUP_ENTERS)?;
    fs::read_dir(path)?.try_for_each(|entry| give(&entry?.path(), group))
}

fn write_file(folder: &Path, path: &str, file: &File, group: Option<u32>) -> io::Result<()> {
    let path = folder.join(path);
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
        set_mode(parent, FOLDER_MODE)?;
    }
    fs::write(&path, &file.data)?;
    if file.owner.is_some() {
        chown(&path, file.owner, None)?;
    }
    set_mode(&path, mode(file, group))
}

fn mode(file: &File, group: Option<u32>) -> u32 {
    if group.is_some() { file.mode | GROUP_READS } else { file.mode }
}

fn is_current(data: &Path, payload: &Payload, group: Option<u32>) -> io::Result<bool> {
    let mut found = BTreeSet::new();
    list(data, "", &mut found)?;
    if found.iter().ne(payload.keys()) {
        return Ok(false);
    }
    for (path, file) in payload {
        let path = data.join(path);
        if fs::metadata(&path)?.permissions().mode() & 0o7777 != mode(file, group) || fs::read(&path)? != file.data {
            return Ok(false);
        }
    }
    Ok(true)
}

fn list(folder: &Path, prefix: &str, found: &mut BTreeSet<String>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            list(&entry.path(), &format!("{name}/"), found)?;
        } else {
            found.insert(name);
        }
    }
    Ok(())
}

fn set_mode(path: &Path, mode: u32) -> io::Result<()> {
    fs::set_permissions(path, Permissions::from_mode(mode))
}

fn remove_link(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt;

    fn payload(files: &[(&str, &str)]) -> Payload {
        let file = |text: &str| File { data: text.as_bytes().to_vec(), mode: 0o640, owner: None };
        files.iter().map(|(path, text)| ((*path).to_owned(), file(text))).collect()
    }

    #[test]
    fn files_are_replaced_at_once_and_old_ones_disappear() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        write(root, &payload(&[("a", "1"), ("d/b", "2"), ("d/c", "3")]), None).unwrap();
        assert_eq!(fs::read_to_string(root.join("a")).unwrap(), "1");
        assert_eq!(fs::read_to_string(root.join("d/b")).unwrap(), "2");
        assert_eq!(fs::read_link(root.join("a")).unwrap(), Path::new("..data/a"));
        assert_eq!(fs::metadata(root.join("a")).unwrap().permissions().mode() & 0o777, 0o640);
        let first = fs::read_link(root.join("..data")).unwrap();

        write(root, &payload(&[("a", "1"), ("d/b", "2"), ("d/c", "3")]), None).unwrap();
        assert_eq!(fs::read_link(root.join("..data")).unwrap(), first, "nothing changed, nothing is written");

        write(root, &payload(&[("a", "9"), ("e", "5")]), None).unwrap();
        assert_eq!(fs::read_to_string(root.join("a")).unwrap(), "9");
        assert!(fs::symlink_metadata(root.join("d")).is_err(), "a file that is gone leaves no link");
        assert!(!root.join(first).exists(), "the old folder is removed");
        assert_eq!(fs::read_dir(root).unwrap().count(), 4, "a, e, ..data and one dated folder");
    }

    #[test]
    fn a_group_owns_folders_files_and_links_and_reads_them() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let group = rustix::process::getgid().as_raw();
        let file = File { data: b"1".to_vec(), mode: 0o600, owner: None };
        write(root, &[("d/a".to_owned(), file)].into(), Some(group)).unwrap();
        let mode = |name: &str| fs::metadata(root.join(name)).unwrap().permissions().mode() & 0o7777;
        assert_eq!((mode("d/a"), mode("d"), mode("..data"), mode("") & 0o2550), (0o640, 0o2755, 0o2755, 0o2550));
        assert_eq!(fs::symlink_metadata(root.join("d")).unwrap().gid(), group);
    }
}
