//! `raftsman store`: a member of the store alone, with etcd's flag names and defaults.

use crate::config;
use anyhow::{Result, bail};
use clap::Args;
use daemon::{Supervisor, logs, signals};
use std::path::PathBuf;
use std::time::Duration;

/// How long tasks may take to end after a signal.
const SHUTDOWN_MAX: Duration = Duration::from_secs(10);

/// etcd's default quota.
const QUOTA_BYTES: u64 = 2 << 30;

/// Flags of `raftsman store`.
#[derive(Args)]
pub(crate) struct Arguments {
    /// This member's name
    #[arg(long, default_value = "default")]
    name: String,
    /// The data directory [default: NAME.etcd]
    #[arg(long)]
    data_dir: Option<PathBuf>,
    /// Where to serve clients, comma-separated
    #[arg(long, default_value = "http://localhost:2379")]
    listen_client_urls: String,
    /// Where to serve /metrics and /health besides the client URLs, comma-separated
    #[arg(long)]
    listen_metrics_urls: Option<String>,
    /// What clients are told about this member, comma-separated [default: the client URLs]
    #[arg(long)]
    advertise_client_urls: Option<String>,
    /// Where to serve the other members, comma-separated
    #[arg(long, default_value = "http://localhost:2380")]
    listen_peer_urls: String,
    /// Where the others reach this member, comma-separated [default: as in --initial-cluster]
    #[arg(long)]
    initial_advertise_peer_urls: Option<String>,
    /// All members: NAME=URL,...
    #[arg(long)]
    initial_cluster: Option<String>,
    /// Keeps apart clusters that have the same members
    #[arg(long, default_value = "etcd-cluster")]
    initial_cluster_token: String,
    /// Only `new` is known: membership does not change yet
    #[arg(long, default_value = "new")]
    initial_cluster_state: String,
    /// Interval of heartbeats, milliseconds
    #[arg(long, default_value_t = 100)]
    heartbeat_interval: u64,
    /// Without a heartbeat for this long another leader is elected, milliseconds
    #[arg(long, default_value_t = 1000)]
    election_timeout: u64,
    /// History to keep: a time such as 5m or 1h, or a number of revisions; 0 turns compaction off
    #[arg(long, default_value = "5m")]
    auto_compaction_retention: String,
    /// Whether the retention is a time (periodic) or a number of revisions (revision)
    #[arg(long, default_value = "periodic")]
    auto_compaction_mode: String,
    /// Bytes of the state at which writes are refused; 0 for etcd's default of 2 GiB, negative for no limit
    #[arg(long, default_value_t = 0, allow_negative_numbers = true)]
    quota_backend_bytes: i64,
    /// Certificate for clients
    #[arg(long)]
    cert_file: Option<PathBuf>,
    /// Its key
    #[arg(long)]
    key_file: Option<PathBuf>,
    /// The authority of clients' certificates
    #[arg(long)]
    trusted_ca_file: Option<PathBuf>,
    /// Clients must show a certificate: always so where TLS is on
    #[arg(long)]
    client_cert_auth: bool,
    /// Certificate for peers
    #[arg(long)]
    peer_cert_file: Option<PathBuf>,
    /// Its key
    #[arg(long)]
    peer_key_file: Option<PathBuf>,
    /// The authority of peers' certificates
    #[arg(long)]
    peer_trusted_ca_file: Option<PathBuf>,
    /// Peers must show a certificate: always so where TLS is on
    #[arg(long)]
    peer_client_cert_auth: bool,
    /// How log lines look: text or json
    #[arg(long)]
    log_format: Option<String>,
}

pub(crate) fn run(arguments: Arguments) -> Result<()> {
    logs::init(config::parse_format(arguments.log_format.as_deref())?, crate::server::DEFAULT_LOG_FILTER);
    let config = arguments.resolve()?;
    crate::server::runtime()?.block_on(async {
        let supervisor = Supervisor::new();
        let member = store::start(config, &supervisor).await?;
        for address in member.client_addresses() {
            tracing::info!(%address, "serving clients");
        }
        signals::shut_down_on_signal(&supervisor).await?;
        member.shut_down().await;
        let late = supervisor.wait(SHUTDOWN_MAX).await;
        if !late.is_empty() {
            tracing::warn!(?late, "tasks did not end in time");
        }
        match supervisor.failure() {
            Some(failure) => bail!(failure),
            None => Ok(()),
        }
    })
}

impl Arguments {
    fn resolve(self) -> Result<store::Config> {
        if self.initial_cluster_state != "new" {
            bail!("--initial-cluster-state: only new is supported; members cannot join a running cluster yet");
        }
        let (retention, revisions) = retention(&self.auto_compaction_mode, &self.auto_compaction_retention)?;
        let data_dir = self.data_dir.unwrap_or_else(|| format!("{}.etcd", self.name).into());
        let list = |text: Option<String>| text.as_deref().map(config::list).unwrap_or_default();
        Ok(store::Config {
            name: self.name,
            listen_client_urls: config::list(&self.listen_client_urls),
            listen_metrics_urls: list(self.listen_metrics_urls),
            advertise_client_urls: list(self.advertise_client_urls),
            listen_peer_urls: config::list(&self.listen_peer_urls),
            initial_advertise_peer_urls: list(self.initial_advertise_peer_urls),
            initial_cluster: self
                .initial_cluster
                .as_deref()
                .map(config::parse_cluster)
                .transpose()?
                .unwrap_or_default(),
            initial_cluster_token: self.initial_cluster_token,
            client_tls: tls("", self.cert_file, self.key_file, self.trusted_ca_file)?,
            peer_tls: tls("peer-", self.peer_cert_file, self.peer_key_file, self.peer_trusted_ca_file)?,
            heartbeat_interval: Duration::from_millis(self.heartbeat_interval),
            election_timeout: Duration::from_millis(self.election_timeout),
            auto_compaction_retention: retention,
            auto_compaction_revisions: revisions,
            quota_bytes: match self.quota_backend_bytes {
                0 => QUOTA_BYTES,
                limit => u64::try_from(limit).unwrap_or(0),
            },
            ..store::Config::single(data_dir)
        })
    }
}

fn tls(prefix: &str, cert: Option<PathBuf>, key: Option<PathBuf>, ca: Option<PathBuf>) -> Result<Option<store::Tls>> {
    match (cert, key, ca) {
        (None, None, None) => Ok(None),
        (Some(cert_file), Some(key_file), Some(trusted_ca_file)) => {
            Ok(Some(store::Tls { cert_file, key_file, trusted_ca_file }))
        }
        _ => bail!("--{prefix}cert-file, --{prefix}key-file and --{prefix}trusted-ca-file go together"),
    }
}

/// Time and number of revisions to keep; one of them is 0, which is off.
fn retention(mode: &str, text: &str) -> Result<(Duration, i64)> {
    match mode {
        "periodic" => Ok((duration(text)?, 0)),
        "revision" => match text.parse::<i64>() {
            Ok(revisions) if revisions >= 0 => Ok((Duration::ZERO, revisions)),
            _ => bail!("--auto-compaction-retention: {text:?} is not a number of revisions"),
        },
        _ => bail!("--auto-compaction-mode: {mode:?} is neither periodic nor revision"),
    }
}

/// Reads `5m`, `1h30m`, `300s`; a bare number means hours, as etcd's flag does.
fn duration(text: &str) -> Result<Duration> {
    if let Ok(hours) = text.parse::<u64>() {
        return Ok(Duration::from_secs(hours * 3600));
    }
    let (mut total, mut number) = (0, String::new());
    for character in text.chars() {
        let unit_seconds = match character {
            '0'..='9' => {
                number.push(character);
                continue;
            }
            'h' => 3600,
            'm' => 60,
            's' => 1,
            _ => bail!("--auto-compaction-retention: {text:?} is not a duration such as 5m"),
        };
        match number.parse::<u64>() {
            Ok(count) => total += count * unit_seconds,
            Err(_) => bail!("--auto-compaction-retention: {text:?} is not a duration such as 5m"),
        }
        number.clear();
    }
    if !number.is_empty() {
        bail!("--auto-compaction-retention: {text:?} lacks a unit at its end");
    }
    Ok(Duration::from_secs(total))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retentions_are_durations_or_hours() {
        for (text, seconds) in [("5m", 300), ("1h30m", 5400), ("0", 0), ("2", 7200), ("45s", 45)] {
            assert_eq!(duration(text).unwrap(), Duration::from_secs(seconds), "{text}");
        }
        for text in ["5x", "m", "5m3"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_retention_is_a_time_or_a_number_of_revisions() {
        assert_eq!(retention("periodic", "1h").unwrap(), (Duration::from_secs(3600), 0));
        assert_eq!(retention("revision", "1000").unwrap(), (Duration::ZERO, 1000));
        for (mode, text) in [("revision", "5m"), ("revision", "-1"), ("sometimes", "1")] {
            assert!(retention(mode, text).is_err(), "{mode} {text}");
        }
    }

    #[test]
    fn half_of_a_tls_configuration_is_refused() {
        assert!(tls("peer-", Some("a".into()), None, None).unwrap_err().to_string().contains("--peer-key-file"));
        assert_eq!(tls("", None, None, None).unwrap(), None);
    }
}
