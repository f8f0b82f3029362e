//! An API server over the in-memory store, on this machine only, to try clients against:
//! `cargo run -p api --example memory_server -- 127.0.0.1:6443 /tmp/kubeconfig`, then
//! `kubectl --kubeconfig /tmp/kubeconfig get namespaces`. Nothing outlives the process.

#[allow(dead_code, reason = "shared with the tests")]
#[path = "../tests/https/pki.rs"]
mod pki;

use api::config::{Config, KubeletClient};
use api::http::TlsMaterial;
use api_storage::{ContinueKey, Storage};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use daemon::Supervisor;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    daemon::logs::init(daemon::logs::Format::Text, "info");
    let mut arguments = std::env::args().skip(1);
    let listen: SocketAddr = arguments.next().unwrap_or_else(|| "127.0.0.1:0".to_owned()).parse()?;
    let kubeconfig = arguments.next().unwrap_or_else(|| "memory-server.kubeconfig".to_owned());
    let ca = pki::Ca::new("memory-server-ca");
    let (server, kubelet) = (ca.server(), ca.client("kube-apiserver-kubelet-client", "system:masters"));
    let supervisor = Supervisor::new();
    let config = Config {
        listen: vec![listen],
        tls: TlsMaterial { cert_chain_pem: server.cert_pem.into(), key_pem: server.key_pem.into() },
        client_ca_pem: ca.pem.clone().into(),
        service_account_issuer: "https://kubernetes.default.svc.cluster.local".to_owned(),
        service_account_audiences: Vec::new(),
        service_account_signing_key_pem: rcgen::KeyPair::generate()?.serialize_pem().into(),
        service_cidr: "10.96.0.0/16".parse()?,
        node_port_range: 30_000..=32_767,
        kubelet_client: KubeletClient {
            cert_pem: kubelet.cert_pem.into(),
            key_pem: kubelet.key_pem.into(),
            ca_pem: ca.pem.clone().into(),
        },
        hostname: "localhost".to_owned(),
        advertise: None,
        storage: Storage::new(Arc::new(store_client::MemoryStore::new()), ContinueKey::new(b"memory-server")),
        shutdown_delay: Duration::ZERO,
    };
    let handle = api::server::start(config, &supervisor).await?;
    handle.ready().await;
    let address = handle.local_addr().ok_or("not listening")?;
    let admin = ca.client("kubernetes-admin", "system:masters");
    let data = |text: &str| STANDARD.encode(text);
    let text = format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: memory\nclusters:\n- name: memory\n  cluster:\n    \
         server: https://{address}\n    certificate-authority-data: {}\nusers:\n- name: admin\n  user:\n    \
         client-certificate-data: {}\n    client-key-data: {}\ncontexts:\n- name: memory\n  context:\n    \
         cluster: memory\n    user: admin\n",
        data(&ca.pem),
        data(&admin.cert_pem),
        data(&admin.key_pem)
    );
    std::fs::write(&kubeconfig, text)?;
    println!("serving https://{address}, kubeconfig in {kubeconfig}");
    daemon::signals::shut_down_on_signal(&supervisor).await?;
    supervisor.wait(Duration::from_secs(10)).await;
    Ok(())
}
