//! What the agent is told at its start.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

/// Settings of one agent.
#[derive(Clone, Debug)]
pub struct Options {
    /// The node's name.
    pub node_name: String,
    /// The address that others reach the node by.
    pub node_ip: IpAddr,
    /// The port of the agent's server; 0 says that there is none.
    pub server_port: u16,
    /// Labels beyond the ones that every node has.
    pub labels: BTreeMap<String, String>,
    /// What pods may use.
    pub capacity: Capacity,
    /// The agent's server; `None` for an agent whose logs nobody reads.
    pub server: Option<ServerOptions>,
    /// What real containers need; `None` for simulated nodes, whose containers have no files, environment or probes.
    pub real: Option<Real>,
}

/// Where and as whom the agent's server answers.
#[derive(Clone, Debug)]
pub struct ServerOptions {
    /// Address; the kubelet's port is 10250.
    pub listen: SocketAddr,
    /// The server's certificate chain.
    pub certificate_pem: Vec<u8>,
    /// Its key.
    pub key_pem: Vec<u8>,
    /// The CA that callers' certificates come from.
    pub client_ca_pem: Vec<u8>,
}

/// Settings of a node whose containers really run.
#[derive(Clone, Debug)]
pub struct Real {
    /// The agent's folder. Volumes of a pod lie below `pods/UID`.
    pub root: PathBuf,
    /// The domain that services are named under, such as `cluster.local`.
    pub cluster_domain: String,
    /// Name servers of the cluster; when empty, pods use the host's.
    pub cluster_dns: Vec<IpAddr>,
    /// Whether secrets and tokens are kept in memory file systems. False only where the process may not mount.
    pub secrets_in_memory: bool,
}

/// What a node offers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capacity {
    /// Thousandths of a CPU.
    pub milli_cpu: u64,
    /// Bytes.
    pub memory_bytes: u64,
    /// Bytes.
    pub ephemeral_storage_bytes: u64,
    /// Pods.
    pub pods: u64,
}

/// Settings of simulated nodes.
#[derive(Clone, Debug)]
pub struct HollowOptions {
    /// Nodes are called this and a number.
    pub name_prefix: String,
    /// What each offers.
    pub capacity: Capacity,
    /// Time from the call to start a container until it runs.
    pub start_latency: Duration,
    /// Of a thousand starts, how many fail.
    pub failures_per_mille: u32,
}

impl Default for HollowOptions {
    fn default() -> Self {
        Self {
            name_prefix: "hollow-".to_owned(),
            capacity: Capacity {
                milli_cpu: 32_000,
                memory_bytes: 256 << 30,
                ephemeral_storage_bytes: 1 << 40,
                pods: 110,
            },
            start_latency: Duration::ZERO,
            failures_per_mille: 0,
        }
    }
}
