//! `load sync`: informers that all begin at once, as after a restart of their server. Each lists and watches the same
//! pods by one watch with `sendInitialEvents`, and is in sync when the bookmark that ends the list has come.

use crate::connection::{Connection, GO_STREAM_WINDOW_BYTES, JSON};
use crate::lines::Lines;
use crate::objects;
use crate::phase::{Phase, Request};
use crate::report::{Latencies, MEBIBYTE, microseconds_each};
use crate::server::{NAMESPACE, Server, ServerArguments};
use anyhow::Result;
use bytes::Bytes;
use clap::Args;
use http::Method;
use std::time::Instant;
use tokio::task::JoinSet;

const ADDED: &[u8] = br#"{"type":"ADDED""#;
const BOOKMARK: &[u8] = br#"{"type":"BOOKMARK""#;
/// Clients that create the pods.
const CREATORS: usize = 16;

/// Flags of `load sync`.
#[derive(Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    server: ServerArguments,
    /// Informers, a connection each
    #[arg(long, default_value_t = 50)]
    informers: usize,
    /// Pods that each of them lists
    #[arg(long, default_value_t = 5000)]
    pods: u64,
}

pub(crate) async fn run(arguments: &Arguments) -> Result<bool> {
    let server = Server::start(&arguments.server).await?;
    println!(
        "sync: 1 member, fsync on, TLS, HTTP/2, client certificate; {} informers with a connection each list and watch \
         {} pods at once",
        arguments.informers, arguments.pods
    );
    let path = format!("/api/v1/namespaces/{NAMESPACE}/pods");
    let mut drivers = JoinSet::new();
    let connections =
        Connection::open_many(&server.target, arguments.informers, GO_STREAM_WINDOW_BYTES, &mut drivers).await?;
    let create = Request { method: Method::POST, path: path.clone(), accept: JSON, body: pod };
    let created = Phase::new("create Pod", arguments.pods, CREATORS, create).run(&server, &connections, 0).await?;
    println!("{created}");

    let rss_before = server.rss_bytes()?;
    let cpu_before = server.cpu_seconds()?;
    let started = Instant::now();
    let path = format!("{path}?watch=1&allowWatchBookmarks=1&sendInitialEvents=1&resourceVersionMatch=NotOlderThan");
    let mut informers = JoinSet::new();
    for mut connection in connections {
        let path = path.clone();
        informers.spawn(async move { listed(&mut connection, &path).await });
    }
    let (mut latencies, mut objects, mut whole) = (Latencies::new(), 0, created.is_whole());
    while let Some(informer) = informers.join_next().await {
        let count = informer??;
        latencies.record(started.elapsed());
        objects += count;
        whole &= count == arguments.pods;
    }
    println!(
        "in sync: {}; {objects} objects of {}, CPU us an object: {:.2}",
        latencies.summary(),
        arguments.pods * arguments.informers as u64,
        microseconds_each(server.cpu_seconds()? - cpu_before, objects)
    );
    println!("MiB resident: {} before, {} at most", rss_before / MEBIBYTE, server.peak_rss_bytes()? / MEBIBYTE);
    server.stop().await?;
    Ok(whole)
}

/// Opens an informer's watch and counts its objects until the bookmark.
async fn listed(connection: &mut Connection, path: &str) -> Result<u64> {
    let response = connection.send(Method::GET, path, JSON, Bytes::new()).await?;
    anyhow::ensure!(response.status().is_success(), "{path}: {}", response.status());
    let mut lines = Lines::of(response.into_body());
    let mut objects = 0;
    loop {
        let line = lines.next().await?;
        if line.starts_with(BOOKMARK) {
            return Ok(objects);
        }
        objects += u64::from(line.starts_with(ADDED));
    }
}

fn pod(at: u64, _value_bytes: usize) -> Bytes {
    objects::pod(&format!("load-{at:08}"))
}
