//! Holds a running etcd v3 server against the conformance suite: `conformance URL [PART OF A NAME]`.
//!
//! An `https` URL takes the PEM files of the authority, our certificate and our key from `ETCDCTL_CACERT`, `ETCDCTL_CERT`
//! and `ETCDCTL_KEY`, as `etcdctl` does.
//!
//! Each check runs in a task of its own, so that all failures are listed, not only the first.

use std::sync::Arc;
use store_client::conformance::CHECKS;
use store_client::{RemoteOptions, RemoteStore, RemoteTls, Store};
use tokio::task::JoinSet;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let url = arguments.next().ok_or("usage: conformance URL [PART OF A NAME]")?;
    let part = arguments.next().unwrap_or_default();
    let tls = if url.starts_with("https://") { Some(tls()?) } else { None };
    let store: Arc<dyn Store> = Arc::new(RemoteStore::new(&RemoteOptions { endpoints: vec![url], tls })?);
    let mut failed = 0;
    for check in CHECKS.iter().filter(|check| check.name.contains(&part)) {
        let mut running = JoinSet::new();
        running.spawn(check.run(Arc::clone(&store)));
        let passed = running.join_next().await.is_some_and(|outcome| outcome.is_ok());
        println!("{} {}", if passed { "pass" } else { "FAIL" }, check.name);
        failed += usize::from(!passed);
    }
    if failed > 0 { Err(format!("{failed} checks failed").into()) } else { Ok(()) }
}

fn tls() -> Result<RemoteTls, Box<dyn std::error::Error>> {
    let read = |name: &str| -> Result<Vec<u8>, Box<dyn std::error::Error>> { Ok(std::fs::read(std::env::var(name)?)?) };
    let identity_pem = Some((read("ETCDCTL_CERT")?, read("ETCDCTL_KEY")?));
    Ok(RemoteTls { trusted_ca_pem: read("ETCDCTL_CACERT")?, identity_pem })
}
