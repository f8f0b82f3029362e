//! What the server is told at its start.

use crate::http::TlsMaterial;
use api_storage::Storage;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

/// Settings and material of an API server. Files and flags are the caller's business.
#[derive(Clone)]
pub struct Config {
    /// Where to listen; nowhere is fine for a server that is only used in its own process.
    pub listen: Vec<SocketAddr>,
    /// What the server shows to its clients.
    pub tls: TlsMaterial,
    /// Who signs client certificates.
    pub client_ca_pem: Vec<u8>,
    /// The `iss` of service-account tokens, an https URL.
    pub service_account_issuer: String,
    /// What tokens must be for; none means the issuer.
    pub service_account_audiences: Vec<String>,
    /// The key that signs them: PKCS#8, ECDSA P-256 or RSA.
    pub service_account_signing_key_pem: Vec<u8>,
    /// Where cluster addresses of services come from.
    pub service_cidr: ipnet::IpNet,
    /// Where node ports of services come from.
    pub node_port_range: RangeInclusive<u16>,
    /// How to reach the nodes' agents (for logs).
    pub kubelet_client: KubeletClient,
    /// The name of the machine, by which this server is known among others.
    pub hostname: String,
    /// Where clients outside find this server; goes into the `kubernetes` service's endpoints.
    pub advertise: Option<SocketAddr>,
    /// Where everything is kept.
    pub storage: Storage,
    /// After readiness failed and before connections are told to end: load balancers notice.
    pub shutdown_delay: Duration,
}

/// The server's identity towards the nodes' agents.
#[derive(Clone)]
pub struct KubeletClient {
    /// Client certificate chain, PEM.
    pub cert_pem: Vec<u8>,
    /// Its key, PEM.
    pub key_pem: Vec<u8>,
    /// Who signs the agents' serving certificates, PEM.
    pub ca_pem: Vec<u8>,
}

impl std::fmt::Debug for KubeletClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("KubeletClient")
    }
}

impl std::fmt::Debug for Config {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Config").field("listen", &self.listen).finish_non_exhaustive()
    }
}
