//! `load schedule`: pods for nodes that are only objects. Pods are created as fast as the server takes them; the time
//! runs until a watcher of bound pods has seen the last one.

use crate::connection::{Connection, GO_STREAM_WINDOW_BYTES, JSON};
use crate::lines::Lines;
use crate::objects;
use crate::phase::{Phase, Request};
use crate::report::{MEBIBYTE, microseconds_each};
use crate::server::{NAMESPACE, Server, ServerArguments};
use anyhow::{Context, Result};
use bytes::Bytes;
use clap::Args;
use http::Method;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use tokio::time::timeout;

/// The bound pods as they come; an update of one of them is no further pod.
const ADDED: &[u8] = br#"{"type":"ADDED""#;
/// Clients that create, on a quarter as many connections.
const CREATORS: usize = 16;
const CONNECTIONS: usize = 4;
/// Pods that are not bound this long after the first was created are counted as lost.
const BOUND_SECONDS_MAX: u64 = 300;

/// Flags of `load schedule`.
#[derive(Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    server: ServerArguments,
    /// Nodes; each has room for 110 pods
    #[arg(long, default_value_t = 1000)]
    nodes: u64,
    /// Pods
    #[arg(long, default_value_t = 10_000)]
    pods: u64,
}

pub(crate) async fn run(arguments: &Arguments) -> Result<bool> {
    let server = Server::start(&arguments.server).await?;
    println!(
        "schedule: 1 member, fsync on, TLS, HTTP/2, client certificate; {} plain pods for {} nodes",
        arguments.pods, arguments.nodes
    );
    let mut drivers = JoinSet::new();
    let connections = Connection::open_many(&server.target, CONNECTIONS, GO_STREAM_WINDOW_BYTES, &mut drivers).await?;
    let create = Request { method: Method::POST, path: "/api/v1/nodes".to_owned(), accept: JSON, body: node };
    let nodes = Phase::new("create Node", arguments.nodes, CREATORS, create).run(&server, &connections, 0).await?;
    println!("{nodes}");

    let pods = format!("/api/v1/namespaces/{NAMESPACE}/pods");
    let bound = format!("{pods}?watch=1&fieldSelector=spec.nodeName!%3D");
    let response = connections[0].clone().send(Method::GET, &bound, JSON, Bytes::new()).await?;
    anyhow::ensure!(response.status().is_success(), "{bound}: {}", response.status());
    let mut bound = JoinSet::new();
    let (lines, count) = (Lines::of(response.into_body()), arguments.pods);
    bound.spawn(async move { timeout(Duration::from_secs(BOUND_SECONDS_MAX), until_bound(lines, count)).await });

    let cpu_before = server.cpu_seconds()?;
    let started = Instant::now();
    let create = Request { method: Method::POST, path: pods, accept: JSON, body: pod };
    let created = Phase::new("create Pod", arguments.pods, CREATORS, create).run(&server, &connections, 0).await?;
    println!("{created}");
    let all = bound.join_next().await.context("the watcher is there")??;
    let (elapsed, cpu) = (started.elapsed(), server.cpu_seconds()? - cpu_before);
    match &all {
        Ok(Ok(())) => println!(
            "all bound in {:.1} s: {:.0} pods/s, CPU us a pod, its create and events included: {:.0}; {} MiB resident at most",
            elapsed.as_secs_f64(),
            arguments.pods as f64 / elapsed.as_secs_f64(),
            microseconds_each(cpu, arguments.pods),
            server.peak_rss_bytes()? / MEBIBYTE
        ),
        Ok(Err(error)) => eprintln!("the watch of bound pods failed: {error:#}"),
        Err(_elapsed) => eprintln!("not all pods were bound within {BOUND_SECONDS_MAX} s"),
    }
    drop(connections);
    server.stop().await?;
    Ok(nodes.is_whole() && created.is_whole() && matches!(all, Ok(Ok(()))))
}

async fn until_bound(mut lines: Lines, count: u64) -> Result<()> {
    let mut bound = 0;
    while bound < count {
        bound += u64::from(lines.next().await?.starts_with(ADDED));
    }
    Ok(())
}

fn node(at: u64, _value_bytes: usize) -> Bytes {
    objects::node(&format!("node-{at:05}"))
}

fn pod(at: u64, _value_bytes: usize) -> Bytes {
    objects::plain_pod(&format!("pod-{at:06}"))
}
