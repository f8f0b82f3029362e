//! Who this member is, and the proof that its data directory is its own.
//!
//! Ids are derived from the configuration, as etcd does: a member's id from its name, its peer URLs and the cluster
//! token, the cluster's from its members' ids. They are written down at the first start; a data directory of another
//! member or cluster is refused ever after.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use crate::config::Config;
use crate::error::StartError;

const IDENTITY_FILE: &str = "identity.json";
const LOCK_FILE: &str = "lock";
/// Version of the data directory as a whole.
const FORMAT: u32 = 1;

/// The ids of a member, as they stand in every response header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Same for all members.
    pub cluster_id: u64,
    /// This one.
    pub member_id: u64,
}

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

/// The id of a member.
pub(crate) fn member_id(name: &str, peer_urls: &[String], token: &str) -> u64 {
    let mut urls: Vec<&str> = peer_urls.iter().map(String::as_str).collect();
    urls.sort_unstable();
    let mut hash = Sha256::new();
    for part in [name].into_iter().chain(urls).chain([token]) {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    first_eight(hash)
}

/// The ids that a configuration stands for.
pub(crate) fn derive(config: &Config) -> Identity {
    let ids: Vec<(String, u64)> = config
        .members()
        .into_iter()
        .map(|(name, urls)| {
            let id = member_id(&name, &urls, &config.initial_cluster_token);
            (name, id)
        })
        .collect();
    let mut sorted: Vec<u64> = ids.iter().map(|(_, id)| *id).collect();
    sorted.sort_unstable();
    let mut hash = Sha256::new();
    for id in sorted {
        hash.update(id.to_be_bytes());
    }
    let member_id = ids.iter().find(|(name, _)| *name == config.name).map_or(0, |(_, id)| *id);
    Identity { cluster_id: first_eight(hash), member_id }
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

/// Clients take 0 for "none".
fn first_eight(hash: Sha256) -> u64 {
    let digest = hash.finalize();
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&digest[..8]);
    u64::from_be_bytes(bytes).max(1)
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

    #[test]
    fn ids_depend_on_the_members_and_not_on_their_order() {
        let mut config = Config::single("/nowhere");
        config.name = "a".into();
        let pair = |name: &str| (name.to_owned(), format!("http://{name}:1"));
        config.initial_cluster = vec![pair("a"), pair("b")];
        let one = derive(&config);
        config.initial_cluster.reverse();
        assert_eq!(derive(&config), one);
        config.name = "b".into();
        assert_eq!(derive(&config).cluster_id, one.cluster_id);
        assert_ne!(derive(&config).member_id, one.member_id);
    }
}
