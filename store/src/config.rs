//! What a member needs to know to start. Names and defaults are etcd's where etcd has the setting.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::peer::Transport;

/// Where a member without `listen_peer_urls` is said to be; nobody connects to it.
pub const DEFAULT_PEER_URL: &str = "http://localhost:2380";

/// Configuration of one member.
#[derive(Clone)]
pub struct Config {
    /// Name of this member, unique in the cluster; `default` unless set.
    pub name: String,
    /// Directory of everything that must survive; created with mode 0700.
    pub data_dir: PathBuf,
    /// Where to serve the etcd v3 API; may be empty for a store that is only used inside this process.
    pub listen_client_urls: Vec<String>,
    /// Where to serve `/metrics` and `/health` besides the client URLs, which serve them too.
    pub listen_metrics_urls: Vec<String>,
    /// Where to serve the other members; needed as soon as there are any.
    pub listen_peer_urls: Vec<String>,
    /// Where the others reach this member; default: as `initial_cluster` says.
    pub initial_advertise_peer_urls: Vec<String>,
    /// What clients are told about this member; default `listen_client_urls`.
    pub advertise_client_urls: Vec<String>,
    /// All members of the new cluster: name and peer URL, one pair for each URL; empty means this member alone.
    pub initial_cluster: Vec<(String, String)>,
    /// Keeps clusters with the same members apart; part of the cluster id.
    pub initial_cluster_token: String,
    /// TLS for clients; without it only loopback addresses may be listened on.
    pub client_tls: Option<Tls>,
    /// TLS between members; without it only loopback addresses may be listened on.
    pub peer_tls: Option<Tls>,
    /// How much history the automatic compaction keeps; zero turns it off.
    pub auto_compaction_retention: Duration,
    /// How many revisions the automatic compaction keeps, whatever their age; 0 turns that off.
    pub auto_compaction_revisions: i64,
    /// How often revisions are counted for that.
    pub auto_compaction_revisions_interval: Duration,
    /// Bytes of the state at which writes are refused and the alarm for want of space is raised; 0 for no limit.
    pub quota_bytes: u64,
    /// Interval of heartbeats from the leader.
    pub heartbeat_interval: Duration,
    /// Without a heartbeat for this long, followers elect another leader.
    pub election_timeout: Duration,
    /// A watch with `progress_notify` that has been silent this long gets a progress mark.
    pub watch_progress_notify_interval: Duration,
    /// Log entries kept for members that are behind; those further behind get a snapshot.
    pub catch_up_entries: u64,
    /// Applied log bytes after which the state is flushed and the log purged.
    pub flush_log_bytes: u64,
    /// Size of one segment of the log, a multiple of 4 KiB.
    pub segment_bytes: u64,
    /// Replaces gRPC between members: a seam for tests and simulation.
    pub transport: Option<Arc<dyn Transport>>,
    /// Replaces the files, the writer thread and the reaction to failures of the log: a seam for simulation.
    pub log_environment: Option<store_wal::Environment>,
}

/// Key, certificate and the authority whose certificates are accepted, all in PEM; TLS is always mutual.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// Certificate chain of this member.
    pub cert_file: PathBuf,
    /// Its private key; must not be readable by others.
    pub key_file: PathBuf,
    /// Authorities that sign the other side's certificates.
    pub trusted_ca_file: PathBuf,
}

impl Config {
    /// A single member without listeners, for use inside this process.
    pub fn single(data_dir: impl Into<PathBuf>) -> Self {
        Self {
            name: "default".into(),
            data_dir: data_dir.into(),
            listen_client_urls: Vec::new(),
            listen_metrics_urls: Vec::new(),
            listen_peer_urls: Vec::new(),
            initial_advertise_peer_urls: Vec::new(),
            advertise_client_urls: Vec::new(),
            initial_cluster: Vec::new(),
            initial_cluster_token: "etcd-cluster".into(),
            client_tls: None,
            peer_tls: None,
            auto_compaction_retention: Duration::from_secs(300),
            auto_compaction_revisions: 0,
            auto_compaction_revisions_interval: Duration::from_secs(300),
            quota_bytes: 0,
            heartbeat_interval: Duration::from_millis(100),
            election_timeout: Duration::from_millis(1000),
            watch_progress_notify_interval: Duration::from_secs(600),
            catch_up_entries: 5_000,
            flush_log_bytes: 64 << 20,
            segment_bytes: 64 << 20,
            transport: None,
            log_environment: None,
        }
    }

    /// Every member with its peer URLs, this one included, in order of first mention.
    pub(crate) fn members(&self) -> Vec<(String, Vec<String>)> {
        let mut members: Vec<(String, Vec<String>)> = Vec::new();
        for (name, url) in &self.initial_cluster {
            match members.iter_mut().find(|(known, _)| known == name) {
                Some((_, urls)) => urls.push(url.clone()),
                None => members.push((name.clone(), vec![url.clone()])),
            }
        }
        if members.is_empty() {
            let urls = match self.initial_advertise_peer_urls.is_empty() {
                true => vec![DEFAULT_PEER_URL.to_owned()],
                false => self.initial_advertise_peer_urls.clone(),
            };
            members.push((self.name.clone(), urls));
        }
        members
    }

    /// What is wrong with the configuration, if anything.
    ///
    /// # Errors
    /// One sentence for the operator.
    pub fn validate(&self) -> Result<(), String> {
        let members = self.members();
        let Some((_, own_urls)) = members.iter().find(|(name, _)| *name == self.name) else {
            return Err(format!("this member, {:?}, is missing from --initial-cluster", self.name));
        };
        if !self.initial_advertise_peer_urls.is_empty() {
            let sorted = |urls: &[String]| {
                let mut urls = urls.to_vec();
                urls.sort();
                urls
            };
            if sorted(own_urls) != sorted(&self.initial_advertise_peer_urls) {
                return Err(format!(
                    "--initial-cluster has {}={own_urls:?} but --initial-advertise-peer-urls={:?}",
                    self.name, self.initial_advertise_peer_urls
                ));
            }
        }
        if members.len() > 1 && self.listen_peer_urls.is_empty() && self.transport.is_none() {
            return Err("a cluster of several members needs --listen-peer-urls".into());
        }
        for (urls, tls, what) in [
            (&self.listen_client_urls, &self.client_tls, "--listen-client-urls"),
            (&self.listen_peer_urls, &self.peer_tls, "--listen-peer-urls"),
        ] {
            for url in urls {
                let listen = ListenUrl::parse(url).map_err(|reason| format!("{what}: {reason}"))?;
                match (listen.tls, tls) {
                    (true, None) => {
                        return Err(format!("{what}: {url} needs a certificate, a key and a trusted CA file"));
                    }
                    (false, None) if !listen.is_loopback() => {
                        return Err(format!(
                            "{what}: {url} is not a loopback address; plain http is served on loopback only"
                        ));
                    }
                    (false, Some(_)) => return Err(format!("{what}: {url} is http, but TLS files are given")),
                    _ => {}
                }
            }
        }
        for url in &self.listen_metrics_urls {
            let listen = ListenUrl::parse(url).map_err(|reason| format!("--listen-metrics-urls: {reason}"))?;
            if listen.tls && self.client_tls.is_none() {
                return Err(format!("--listen-metrics-urls: {url} needs a certificate, a key and a trusted CA file"));
            }
            if !listen.tls && !listen.is_loopback() {
                return Err(format!(
                    "--listen-metrics-urls: {url} is not a loopback address; plain http is served on loopback only"
                ));
            }
        }
        if self.election_timeout < self.heartbeat_interval * 5 {
            return Err("--election-timeout must be at least five times --heartbeat-interval".into());
        }
        Ok(())
    }
}

/// A URL to listen on: scheme, host, port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ListenUrl {
    pub(crate) tls: bool,
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl ListenUrl {
    pub(crate) fn parse(url: &str) -> Result<Self, String> {
        let (tls, rest) = match url.split_once("://") {
            Some(("http", rest)) => (false, rest),
            Some(("https", rest)) => (true, rest),
            _ => return Err(format!("{url:?} must begin with http:// or https://")),
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (host, port) = rest.rsplit_once(':').ok_or_else(|| format!("{url:?} has no port"))?;
        let port = port.parse().map_err(|_| format!("{url:?} has no valid port"))?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        if host.is_empty() || host.contains('/') {
            return Err(format!("{url:?} has no valid host"));
        }
        Ok(Self { tls, host: host.to_owned(), port })
    }

    fn is_loopback(&self) -> bool {
        match self.host.parse::<std::net::IpAddr>() {
            Ok(address) => address.is_loopback(),
            Err(_) => self.host == "localhost",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_is_for_loopback_only() {
        let mut config = Config::single("/nowhere");
        config.listen_client_urls = vec!["http://127.0.0.1:2379".into(), "http://[::1]:2379".into()];
        assert_eq!(config.validate(), Ok(()));
        config.listen_client_urls = vec!["http://10.0.0.1:2379".into()];
        assert!(config.validate().is_err_and(|reason| reason.contains("loopback only")));
    }

    #[test]
    fn a_member_must_be_in_its_own_cluster() {
        let mut config = Config::single("/nowhere");
        config.initial_cluster = vec![("other".into(), "http://127.0.0.1:2380".into())];
        assert!(config.validate().is_err_and(|reason| reason.contains("missing from --initial-cluster")));
    }

    #[test]
    fn several_urls_of_one_member_stay_together() {
        let mut config = Config::single("/nowhere");
        let pair = |name: &str, url: &str| (name.to_owned(), url.to_owned());
        config.initial_cluster = vec![pair("a", "http://a:1"), pair("b", "http://b:1"), pair("a", "http://a:2")];
        let expected =
            vec![("a".into(), vec!["http://a:1".into(), "http://a:2".into()]), ("b".into(), vec!["http://b:1".into()])];
        assert_eq!(config.members(), expected);
    }

    #[test]
    fn urls_without_scheme_or_port_are_refused() {
        for url in ["127.0.0.1:1", "http://host", "http://:1", "http://host:port"] {
            assert!(ListenUrl::parse(url).is_err(), "{url}");
        }
    }
}
