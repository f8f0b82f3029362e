//! The exam of `store-client` on a member in this process, on etcd's wire, and at a follower.

use crate::support::*;
use std::sync::Arc;
use store::start;
use store_client::Store;
use store_client::conformance::run_all;
use store_client::remote::{RemoteOptions, RemoteStore};

// proves: ST-06, ST-09, ST-10, ST-12, ST-13, ST-20
#[tokio::test]
async fn the_member_in_this_process_passes_the_exam() {
    let directory = tempfile::tempdir().unwrap();
    let member = start_single(directory.path()).await;
    run_all(|| async { member.client() }).await;
    member.shut_down().await;
}

// proves: ST-34
#[tokio::test]
async fn etcds_wire_passes_the_exam() {
    let directory = tempfile::tempdir().unwrap();
    let mut config = single(directory.path());
    config.listen_client_urls = vec!["http://127.0.0.1:0".into()];
    let member = start(config, &daemon::Supervisor::new()).await.unwrap();
    let endpoints = vec![format!("http://{}", member.client_addresses()[0])];
    let remote = RemoteStore::new(&RemoteOptions { endpoints, tls: None }).unwrap();
    let remote: Arc<dyn Store> = Arc::new(remote);
    run_all(|| async { Arc::clone(&remote) }).await;
    member.shut_down().await;
}

#[tokio::test]
async fn a_follower_passes_the_exam() {
    // The exam counts what one member answers; a leader that changes meanwhile is another test's business.
    let cluster = Cluster::start(|config| config.election_timeout = std::time::Duration::from_secs(3)).await;
    let follower = cluster.follower().await;
    run_all(|| async { cluster.client(follower) }).await;
}
