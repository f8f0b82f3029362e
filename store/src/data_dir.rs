//! The data directory of a member: locked while it runs, and only ever its own.
//!
//! The member's ids are written down at the first start; a data directory of another member or cluster is refused ever
//! after.

use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use crate::error::StartError;
use crate::identity::Identity;

const IDENTITY_FILE: &str = "identity.json";
const LOCK_FILE: &str = "lock";
/// Version of the data directory as a whole.
const FORMAT: u32 = 1;

#[derive(Serialize, Deserialize)]
struct Stored {
    format: u32,
    #[serde(flatten)]
    identity: Identity,
}

/// Holds the lock of a data directory until it is dropped.
#[derive(Debug)]
pub(crate) struct DirectoryLock {
    _file: File,
}

/// Creates and locks the data directory and checks whose it is.
pub(crate) fn claim(directory: &Path, expected: Identity) -> Result<DirectoryLock, StartError> {
    let failed = |error| StartError::DataDir { path: directory.to_owned(), error };
    fs::create_dir_all(directory).map_err(failed)?;
    restrict(directory).map_err(failed)?;
    let file =
        File::options().create(true).truncate(false).write(true).open(directory.join(LOCK_FILE)).map_err(failed)?;
    match rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(rustix::io::Errno::WOULDBLOCK) => return Err(StartError::DataDirInUse(directory.to_owned())),
        Err(error) => return Err(failed(error.into())),
    }
    let path = directory.join(IDENTITY_FILE);
    match fs::read(&path) {
        Ok(text) => {
            let stored: Stored = serde_json::from_slice(&text)
                .map_err(|error| failed(std::io::Error::new(std::io::ErrorKind::InvalidData, error)))?;
            if stored.format != FORMAT {
                return Err(StartError::DataDirFormat {
                    path: directory.to_owned(),
                    found: stored.format,
                    known: FORMAT,
                });
            }
            if stored.identity != expected {
                return Err(StartError::DataDirOfOther {
                    path: directory.to_owned(),
                    found: stored.identity,
                    expected,
                });
            }
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let text = serde_json::to_vec(&Stored { format: FORMAT, identity: expected }).expect("plain numbers");
            write_durably(&path, &text).map_err(failed)?;
        }
        Err(error) => return Err(failed(error)),
    }
    Ok(DirectoryLock { _file: file })
}

/// Writes a small file so that a crash leaves the old or the new content, never a mixture.
pub(crate) fn write_durably(path: &Path, content: &[u8]) -> std::io::Result<()> {
    let temporary = path.with_extension("tmp");
    let mut file = File::create(&temporary)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    sync_directory(path.parent().unwrap_or(Path::new(".")))
}

pub(crate) fn sync_directory(path: &Path) -> std::io::Result<()> {
    File::open(path)?.sync_all()
}

fn restrict(directory: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(directory, fs::Permissions::from_mode(0o700))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(member_id: u64) -> Identity {
        Identity { cluster_id: 1, member_id }
    }

    #[test]
    fn a_data_directory_is_refused_while_in_use_and_to_others() {
        let directory = tempfile::tempdir().unwrap();
        let lock = claim(directory.path(), identity(1)).unwrap();
        assert!(matches!(claim(directory.path(), identity(1)), Err(StartError::DataDirInUse(_))));
        drop(lock);
        assert!(matches!(claim(directory.path(), identity(2)), Err(StartError::DataDirOfOther { .. })));
        claim(directory.path(), identity(1)).unwrap();
    }
}
