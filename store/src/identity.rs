//! Who this member is.
//!
//! Ids are derived from the configuration, as etcd does: a member's id from its name, its peer URLs and the cluster
//! token, the cluster's from its members' ids.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::config::Config;

/// The ids of a member, as they stand in every response header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Same for all members.
    pub cluster_id: u64,
    /// This one.
    pub member_id: u64,
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
