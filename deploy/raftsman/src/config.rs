//! Settings of `raftsman server`: flags, and the same names in a TOML file; a flag wins over the file.

use anyhow::{Context, Result, bail};
use clap::Args;
use serde::Deserialize;
use std::net::{IpAddr, Ipv4Addr};
use std::ops::RangeInclusive;
use std::path::PathBuf;

/// Where a server keeps everything unless told otherwise.
pub(crate) const DATA_DIR: &str = "/var/lib/raftsman";
const SECURE_PORT: u16 = 6443;
const KUBELET_PORT: u16 = 10250;
const NAME: &str = "default";

/// Flags of `raftsman server`; each is also a key of the file, spelled the same. Unknown keys are refused.
#[derive(Args, Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Settings {
    /// Everything that must survive lies below this directory [default: /var/lib/raftsman]
    #[arg(long)]
    data_dir: Option<PathBuf>,
    /// The address that the API is served on [default: 127.0.0.1]
    #[arg(long)]
    bind_address: Option<IpAddr>,
    /// The port that the API is served on [default: 6443]
    #[arg(long)]
    secure_port: Option<u16>,
    /// The address that others reach this server by [default: the bind address]
    #[arg(long)]
    advertise_address: Option<IpAddr>,
    /// A further name or address of the API's certificate; may be repeated
    #[arg(long)]
    tls_san: Vec<String>,
    /// This server's name in the cluster [default: default]
    #[arg(long)]
    name: Option<String>,
    /// All servers: NAME=PEER_URL,...; peers speak mutual TLS with the keys of DATA_DIR/pki
    #[arg(long)]
    initial_cluster: Option<String>,
    /// Where the other servers' stores reach this one, comma-separated
    #[arg(long)]
    listen_peer_urls: Option<String>,
    /// Where cluster addresses of services come from [default: 10.96.0.0/16]
    #[arg(long)]
    service_cidr: Option<ipnet::IpNet>,
    /// Where node ports of services come from [default: 30000-32767]
    #[arg(long)]
    service_node_port_range: Option<String>,
    /// This node's name [default: the host's name]
    #[arg(long)]
    node_name: Option<String>,
    /// Run no containers here
    #[arg(long)]
    no_node: bool,
    /// The socket of a container runtime (CRI v1) to use [default: a containerd of this server's own]
    #[arg(long)]
    container_runtime_endpoint: Option<String>,
    /// Where the addresses of this node's pods come from [default: 10.42.0.0/24]
    #[arg(long)]
    pod_cidr: Option<ipnet::IpNet>,
    /// The port that the node agent is served on [default: 10250]
    #[arg(long)]
    kubelet_port: Option<u16>,
    /// Simulate this many nodes
    #[arg(long)]
    hollow_nodes: Option<usize>,
    /// How log lines look: text or json [default: text]
    #[arg(long)]
    log_format: Option<String>,
}

/// The settings with their defaults, checked.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    pub(crate) data_dir: PathBuf,
    pub(crate) bind_address: IpAddr,
    pub(crate) secure_port: u16,
    pub(crate) advertise_address: IpAddr,
    /// The machine's own name; empty if it has none.
    pub(crate) hostname: String,
    pub(crate) tls_sans: Vec<String>,
    pub(crate) name: String,
    /// Pairs of name and peer URL; empty for a single server.
    pub(crate) initial_cluster: Vec<(String, String)>,
    pub(crate) listen_peer_urls: Vec<String>,
    pub(crate) service_cidr: ipnet::IpNet,
    pub(crate) node_ports: RangeInclusive<u16>,
    pub(crate) node: NodeConfig,
    pub(crate) log_format: daemon::logs::Format,
}

/// What concerns the node agent.
#[derive(Clone, Debug)]
pub(crate) struct NodeConfig {
    pub(crate) name: String,
    /// Whether containers run here, if this machine can run any.
    pub(crate) is_wanted: bool,
    /// The socket of a runtime that somebody else looks after.
    pub(crate) runtime_socket: Option<PathBuf>,
    pub(crate) pod_cidr: ipnet::IpNet,
    pub(crate) port: u16,
    pub(crate) hollow_nodes: usize,
}

impl Settings {
    /// Reads a file.
    ///
    /// # Errors
    /// It cannot be read, is no TOML, or has a key that is not known; the error names file and key.
    pub(crate) fn read(path: &std::path::Path) -> Result<Self> {
        toml::from_str(&crate::files::read(path)?).with_context(|| format!("configuration file {}", path.display()))
    }

    /// What is set here wins over `other`.
    pub(crate) fn or(self, other: Self) -> Self {
        Self {
            data_dir: self.data_dir.or(other.data_dir),
            bind_address: self.bind_address.or(other.bind_address),
            secure_port: self.secure_port.or(other.secure_port),
            advertise_address: self.advertise_address.or(other.advertise_address),
            tls_san: if self.tls_san.is_empty() { other.tls_san } else { self.tls_san },
            name: self.name.or(other.name),
            initial_cluster: self.initial_cluster.or(other.initial_cluster),
            listen_peer_urls: self.listen_peer_urls.or(other.listen_peer_urls),
            service_cidr: self.service_cidr.or(other.service_cidr),
            service_node_port_range: self.service_node_port_range.or(other.service_node_port_range),
            node_name: self.node_name.or(other.node_name),
            no_node: self.no_node || other.no_node,
            container_runtime_endpoint: self.container_runtime_endpoint.or(other.container_runtime_endpoint),
            pod_cidr: self.pod_cidr.or(other.pod_cidr),
            kubelet_port: self.kubelet_port.or(other.kubelet_port),
            hollow_nodes: self.hollow_nodes.or(other.hollow_nodes),
            log_format: self.log_format.or(other.log_format),
        }
    }

    /// Fills in the defaults and checks.
    ///
    /// # Errors
    /// A value cannot be used; the error names the flag.
    pub(crate) fn resolve(self) -> Result<Config> {
        let bind_address = self.bind_address.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
        let initial_cluster = self.initial_cluster.as_deref().map(parse_cluster).transpose()?.unwrap_or_default();
        let name = self.name.unwrap_or_else(|| NAME.to_owned());
        if !initial_cluster.is_empty() && !initial_cluster.iter().any(|(member, _)| *member == name) {
            bail!("--initial-cluster does not name this server, {name:?}");
        }
        Ok(Config {
            data_dir: self.data_dir.unwrap_or_else(|| DATA_DIR.into()),
            bind_address,
            secure_port: self.secure_port.unwrap_or(SECURE_PORT),
            advertise_address: self.advertise_address.unwrap_or(bind_address),
            hostname: host_name(),
            tls_sans: self.tls_san,
            name,
            initial_cluster,
            listen_peer_urls: self.listen_peer_urls.as_deref().map(list).unwrap_or_default(),
            service_cidr: self.service_cidr.unwrap_or_else(|| "10.96.0.0/16".parse().expect("a literal network")),
            node_ports: parse_ports(self.service_node_port_range.as_deref().unwrap_or("30000-32767"))?,
            node: NodeConfig {
                name: match self.node_name {
                    Some(name) => name,
                    None => default_node_name()?,
                },
                is_wanted: !self.no_node,
                runtime_socket: self.container_runtime_endpoint.as_deref().map(parse_socket).transpose()?,
                pod_cidr: self.pod_cidr.unwrap_or_else(|| "10.42.0.0/24".parse().expect("a literal network")),
                port: self.kubelet_port.unwrap_or(KUBELET_PORT),
                hollow_nodes: self.hollow_nodes.unwrap_or(0),
            },
            log_format: parse_format(self.log_format.as_deref())?,
        })
    }
}

/// Reads `NAME=URL,NAME=URL`.
///
/// # Errors
/// An entry has no name or no URL.
pub(crate) fn parse_cluster(text: &str) -> Result<Vec<(String, String)>> {
    let entry = |entry: &str| match entry.split_once('=') {
        Some((name, url)) if !name.is_empty() && !url.is_empty() => Ok((name.to_owned(), url.to_owned())),
        _ => bail!("--initial-cluster: {entry:?} is not NAME=URL"),
    };
    text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(entry).collect()
}

/// Splits a comma-separated list.
pub(crate) fn list(text: &str) -> Vec<String> {
    text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

/// Reads the name of a log format.
///
/// # Errors
/// It is neither `text` nor `json`.
pub(crate) fn parse_format(name: Option<&str>) -> Result<daemon::logs::Format> {
    match name {
        None | Some("text") => Ok(daemon::logs::Format::Text),
        Some("json") => Ok(daemon::logs::Format::Json),
        Some(other) => bail!("--log-format: {other:?} is neither text nor json"),
    }
}

fn parse_ports(text: &str) -> Result<RangeInclusive<u16>> {
    let bounds = text.split_once('-').and_then(|(first, last)| Some((first.parse().ok()?, last.parse().ok()?)));
    match bounds {
        Some((first, last)) if first > 0 && first <= last => Ok(first..=last),
        _ => bail!("--service-node-port-range: {text:?} is not FIRST-LAST"),
    }
}

fn parse_socket(text: &str) -> Result<PathBuf> {
    let path = PathBuf::from(text.strip_prefix("unix://").unwrap_or(text));
    if !path.is_absolute() {
        bail!("--container-runtime-endpoint: {text:?} is not unix:///PATH");
    }
    Ok(path)
}

fn default_node_name() -> Result<String> {
    let name = host_name().to_lowercase();
    if name.is_empty() {
        bail!("this machine has no host name: give --node-name");
    }
    Ok(name)
}

fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_key_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.toml");
        std::fs::write(&path, "secure-port = 7443\nsecure-prot = 1\n").unwrap();
        let error = format!("{:#}", Settings::read(&path).unwrap_err());
        assert!(error.contains("config.toml") && error.contains("secure-prot"), "{error}");
    }

    #[test]
    fn a_flag_wins_over_the_file() {
        let file: Settings = toml::from_str("secure-port = 7443\nname = \"b\"").unwrap();
        let flags = Settings { secure_port: Some(8443), ..Settings::default() };
        let config = flags.or(file).resolve().unwrap();
        assert_eq!((config.secure_port, config.name.as_str()), (8443, "b"));
    }

    #[test]
    fn values_that_cannot_be_used_are_refused() {
        for text in [
            "service-node-port-range = \"5\"",
            "service-node-port-range = \"9-5\"",
            "log-format = \"xml\"",
            "container-runtime-endpoint = \"tcp://127.0.0.1:1\"",
            "initial-cluster = \"a\"",
            "initial-cluster = \"b=https://127.0.0.1:1\"",
        ] {
            let settings: Settings = toml::from_str(text).unwrap();
            assert!(settings.resolve().is_err(), "{text}");
        }
    }
}
