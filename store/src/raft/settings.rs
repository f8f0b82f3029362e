//! openraft's settings, derived from the member's configuration.

use std::sync::Arc;

use crate::config::Config;
use crate::error::StartError;

/// Entries in one message to a follower; the byte limit of a read is usually met first.
const ENTRIES_PER_MESSAGE_MAX: u64 = 256;
/// Entries in one write of the log.
const ENTRIES_PER_APPEND_MAX: u64 = 4_096;
/// How long sending and installing one whole snapshot may take.
const SNAPSHOT_TIMEOUT_MS: u64 = 10 * 60 * 1_000;

/// Pre-vote and check-quorum on; snapshots and purges are the background flush's business, not openraft's.
pub(crate) fn settings(config: &Config, cluster_id: u64) -> Result<Arc<openraft::Config>, StartError> {
    let election_timeout_max = config.election_timeout.as_millis() as u64;
    let settings = openraft::Config {
        cluster_name: format!("{cluster_id:x}"),
        heartbeat_interval: config.heartbeat_interval.as_millis() as u64,
        election_timeout_min: election_timeout_max / 2,
        election_timeout_max,
        enable_pre_vote: Some(true),
        // Followers may hold, and have committed, entries that the leader sent before its own disk had them. A leader that
        // lost those in a crash and went on in the same term would write others in their place.
        enable_leader_restore: Some(false),
        // A leader that lost its quorum falls silent, so that the others may elect; shortest value that is allowed.
        quorum_loss_probe_interval: Some(2 * election_timeout_max),
        install_snapshot_timeout: SNAPSHOT_TIMEOUT_MS,
        max_payload_entries: ENTRIES_PER_MESSAGE_MAX,
        max_append_entries: Some(ENTRIES_PER_APPEND_MAX),
        snapshot_policy: openraft::SnapshotPolicy::Never,
        max_in_snapshot_log_to_keep: config.catch_up_entries,
        ..Default::default()
    };
    settings.validate().map(Arc::new).map_err(|error| StartError::Config(error.to_string()))
}
