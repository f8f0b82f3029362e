//! Files that must not be half written or readable by others.

use anyhow::{Context, Result, bail};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// Readable and writable by the owner alone.
pub(crate) const PRIVATE_FILE_MODE: u32 = 0o600;
const PUBLIC_FILE_MODE: u32 = 0o644;
const PRIVATE_FOLDER_MODE: u32 = 0o700;

/// Creates a folder, and those above it, that only the owner may enter.
pub(crate) fn create_private_folder(path: &Path) -> Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(PRIVATE_FOLDER_MODE)
        .create(path)
        .with_context(|| format!("cannot create {}", path.display()))
}

/// Writes a secret: complete or not at all, mode 0600, durable.
pub(crate) fn write_private(path: &Path, content: &[u8]) -> Result<()> {
    write(path, content, PRIVATE_FILE_MODE)
}

/// Writes a file that everybody may read: complete or not at all, durable.
pub(crate) fn write_public(path: &Path, content: &[u8]) -> Result<()> {
    write(path, content, PUBLIC_FILE_MODE)
}

/// Reads a secret; refuses one that others can read.
pub(crate) fn read_private(path: &Path) -> Result<String> {
    let mode = fs::metadata(path).with_context(|| format!("cannot read {}", path.display()))?.permissions().mode();
    if mode & 0o077 != 0 {
        bail!("{} can be read by others (mode {:04o}): chmod 600 it", path.display(), mode & 0o7777);
    }
    read(path)
}

/// Reads a text file.
pub(crate) fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

fn write(path: &Path, content: &[u8], mode: u32) -> Result<()> {
    let folder = path.parent().context("a file lies in a folder")?;
    let part = path.with_extension("part");
    let written = (|| -> std::io::Result<()> {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(&part)?;
        file.write_all(content)?;
        file.set_permissions(fs::Permissions::from_mode(mode))?;
        file.sync_all()?;
        fs::rename(&part, path)?;
        File::open(folder)?.sync_all()
    })();
    written.with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    // proves: SE-20
    #[test]
    fn a_secret_that_others_can_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        write_private(&path, b"secret").unwrap();
        assert_eq!(read_private(&path).unwrap(), "secret");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let error = read_private(&path).unwrap_err().to_string();
        assert!(error.ends_with("can be read by others (mode 0644): chmod 600 it"), "{error}");
    }
}
