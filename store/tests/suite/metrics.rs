//! What a member tells monitoring, over plain HTTP as Prometheus and probes ask.

use crate::channel::*;
use crate::support::*;
use store::{Config, Member, start};
use store_types::etcdserverpb as pb;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

async fn serve(data_dir: &std::path::Path) -> Member {
    let urls = vec!["http://127.0.0.1:0".to_owned()];
    let config = Config { listen_client_urls: urls.clone(), listen_metrics_urls: urls, ..single(data_dir) };
    start(config, &daemon::Supervisor::new()).await.unwrap()
}

/// Status line and body.
async fn ask(address: std::net::SocketAddr, method: &str, path: &str) -> (String, String) {
    let mut connection = TcpStream::connect(address).await.unwrap();
    let request = format!("{method} {path} HTTP/1.1\r\nHost: store\r\nConnection: close\r\n\r\n");
    connection.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    tokio::time::timeout(LIMIT, connection.read_to_string(&mut answer)).await.expect("silence").unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.lines().next().unwrap().to_owned(), body.to_owned())
}

/// The value of a series without labels.
fn value(metrics: &str, name: &str) -> f64 {
    let line = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("{name} is missing in\n{metrics}")).parse().unwrap()
}

// proves: ST-38
#[tokio::test]
async fn metrics_have_etcds_names_and_follow_what_happens() {
    let directory = tempfile::tempdir().unwrap();
    let member = serve(directory.path()).await;
    let client = member.client_addresses()[0];
    let (status, before) = ask(client, "GET", "/metrics").await;
    assert_eq!(status, "HTTP/1.1 200 OK");
    for (name, expected) in [
        ("etcd_server_has_leader", 1.0),
        ("etcd_server_is_leader", 1.0),
        ("etcd_server_leader_changes_seen_total", 1.0),
        ("etcd_server_proposals_pending", 0.0),
        ("etcd_server_proposals_failed_total", 0.0),
        ("etcd_debugging_mvcc_watcher_total", 0.0),
        ("etcd_debugging_mvcc_watch_stream_total", 0.0),
        ("etcd_debugging_mvcc_current_revision", 1.0),
    ] {
        assert_eq!(value(&before, name), expected, "{name}");
    }

    let store = member.client();
    let mut watch = store.watch(watch_all(0)).await.unwrap();
    let mut unread = store.watch(watch_all(0)).await.unwrap();
    next(&mut watch).await;
    next(&mut unread).await;
    for count in 0..3 {
        put_at(&store, &format!("k{count}"), "value").await;
    }
    revisions_until(&mut watch, 4).await;
    // The stream is polled once more, and finds nothing to read.
    assert!(futures::poll!(futures::StreamExt::next(&mut watch)).is_pending());
    // The other listener serves the same.
    let (_, after) = ask(member.metrics_addresses()[0], "GET", "/metrics").await;
    for (name, at_least) in [
        ("etcd_disk_wal_fsync_duration_seconds_count", 3.0),
        ("etcd_disk_backend_commit_duration_seconds_count", 3.0),
        ("etcd_server_proposals_committed_total", 3.0),
        ("etcd_server_proposals_applied_total", 3.0),
    ] {
        let growth = value(&after, name) - value(&before, name);
        assert!(growth >= at_least, "{name} grew by {growth}");
    }
    assert!(value(&after, "etcd_mvcc_db_total_size_in_bytes") > 0.0);
    assert_eq!(value(&after, "etcd_debugging_mvcc_keys_total"), 3.0);
    assert_eq!(value(&after, "etcd_debugging_mvcc_watcher_total"), 2.0);
    assert_eq!(value(&after, "etcd_debugging_mvcc_slow_watcher_total"), 1.0);
    assert!(after.contains("# TYPE etcd_disk_wal_fsync_duration_seconds histogram"));
    member.shut_down().await;
}

// proves: ST-38
#[tokio::test]
async fn calls_are_counted_by_method_and_code_as_grpc_for_go_does() {
    let directory = tempfile::tempdir().unwrap();
    let member = serve(directory.path()).await;
    let channel = connect(&member).await;
    for key in ["a", "b", ""] {
        let _ = unary::<_, pb::PutResponse>(&channel, "/etcdserverpb.KV/Put", put(key, "1")).await;
    }
    let _ = unary::<_, pb::PutResponse>(&channel, "/etcdserverpb.KV/Nothing", put("a", "1")).await;
    let mut watches = Watches::open(&channel, &[]).await.unwrap();
    watches.create(watch_all(0)).await;
    drop(watches);
    let address = member.client_addresses()[0];
    for (series, expected) in [
        (r#"grpc_server_started_total{grpc_method="Put",grpc_service="etcdserverpb.KV",grpc_type="unary"}"#, 3.0),
        (
            r#"grpc_server_handled_total{grpc_code="OK",grpc_method="Put",grpc_service="etcdserverpb.KV",grpc_type="unary"}"#,
            2.0,
        ),
        (
            r#"grpc_server_handled_total{grpc_code="InvalidArgument",grpc_method="Put",grpc_service="etcdserverpb.KV",grpc_type="unary"}"#,
            1.0,
        ),
        (
            r#"grpc_server_started_total{grpc_method="Watch",grpc_service="etcdserverpb.Watch",grpc_type="bidi_stream"}"#,
            1.0,
        ),
    ] {
        let (_, metrics) = ask(address, "GET", "/metrics").await;
        assert_eq!(value(&metrics, series), expected, "{series}");
        assert!(!metrics.contains("Nothing"));
    }
    eventually("the watch that was left is counted", || async {
        let (_, metrics) = ask(address, "GET", "/metrics").await;
        metrics.contains(r#"grpc_server_handled_total{grpc_code="Canceled",grpc_method="Watch""#).then_some(())
    })
    .await;
    member.shut_down().await;
}

#[tokio::test]
async fn health_and_version_are_told_as_etcd_does() {
    let directory = tempfile::tempdir().unwrap();
    let member = serve(directory.path()).await;
    for address in [member.client_addresses()[0], member.metrics_addresses()[0]] {
        for (method, path, status, body) in [
            ("GET", "/health", "200 OK", "{\"health\":\"true\",\"reason\":\"\"}"),
            ("GET", "/health?serializable=true", "200 OK", "{\"health\":\"true\",\"reason\":\"\"}"),
            ("GET", "/version", "200 OK", "{\"etcdserver\":\"3.5.13\",\"etcdcluster\":\"3.5.0\"}"),
            ("PUT", "/health", "405 Method Not Allowed", "Method Not Allowed\n"),
            ("GET", "/nothing", "404 Not Found", "404 page not found\n"),
        ] {
            let answer = ask(address, method, path).await;
            assert_eq!(answer, (format!("HTTP/1.1 {status}"), body.to_owned()), "{method} {path}");
        }
    }
    member.shut_down().await;
}

#[tokio::test]
async fn a_member_without_a_quorum_is_not_healthy_but_answers_for_itself() {
    let mut cluster = Cluster::start(|config| {
        config.listen_metrics_urls = vec!["http://127.0.0.1:0".into()];
    })
    .await;
    cluster.stop_member(0).await;
    cluster.stop_member(1).await;
    let address = cluster.member(2).metrics_addresses()[0];
    let (status, body) = ask(address, "GET", "/health").await;
    assert_eq!(status, "HTTP/1.1 503 Service Unavailable", "{body}");
    assert!(body.starts_with("{\"health\":\"false\",\"reason\":\"RA"), "{body}");
    let (status, _) = ask(address, "GET", "/health?serializable=true").await;
    assert_eq!(status, "HTTP/1.1 200 OK");
    cluster.member(2).shut_down().await;
}
