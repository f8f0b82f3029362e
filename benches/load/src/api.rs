//! `load api`: phases of one kind of request each, in a closed loop: a client sends its next request when its last one
//! is answered. CPU is the whole server process's, with what its controllers do because of the request.

use crate::connection::{Connection, GO_STREAM_WINDOW_BYTES, JSON};
use crate::objects;
use crate::phase::{Phase, Request};
use crate::server::{NAMESPACE, Server, ServerArguments};
use anyhow::Result;
use bytes::Bytes;
use clap::Args;
use http::Method;
use std::time::Duration;
use tokio::task::JoinSet;

/// CPU of a GET, in microseconds, at most.
const GET_BAR: f64 = 60.0;
/// CPU of a create, in microseconds, at most.
const CREATE_BAR: f64 = 200.0;
/// CPU of a listed object, in microseconds, at most.
const LISTED_OBJECT_BAR: f64 = 5.0;
/// How long the idle server is watched, to know what its CPU is without load.
const IDLE_SECONDS: u64 = 3;

/// Flags of `load api`.
#[derive(Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    server: ServerArguments,
    /// Clients that each wait for their answer
    #[arg(long, default_value_t = 16)]
    clients: usize,
    /// HTTP/2 connections that the clients share
    #[arg(long, default_value_t = 4)]
    connections: usize,
    /// GETs of one ConfigMap
    #[arg(long, default_value_t = 40_000)]
    gets: u64,
    /// ConfigMaps to create
    #[arg(long, default_value_t = 5000)]
    creates: u64,
    /// Pods to create; they are what is listed
    #[arg(long, default_value_t = 5000)]
    pods: u64,
    /// LISTs of all pods
    #[arg(long, default_value_t = 40)]
    lists: u64,
    /// Clients that list at once
    #[arg(long, default_value_t = 2)]
    list_clients: usize,
    /// What a ConfigMap's value holds
    #[arg(long, default_value_t = 1024)]
    value_bytes: usize,
}

pub(crate) async fn run(arguments: &Arguments) -> Result<bool> {
    let server = Server::start(&arguments.server).await?;
    println!(
        "api: 1 member, fsync on, TLS, HTTP/2, client certificate; values of {} bytes, {} clients on {} connections",
        arguments.value_bytes, arguments.clients, arguments.connections
    );
    println!("server pid {}", server.pid().unwrap_or_default());
    let mut drivers = JoinSet::new();
    let connections =
        Connection::open_many(&server.target, arguments.connections, GO_STREAM_WINDOW_BYTES, &mut drivers).await?;

    let before = server.cpu_seconds()?;
    tokio::time::sleep(Duration::from_secs(IDLE_SECONDS)).await;
    let idle = (server.cpu_seconds()? - before) / IDLE_SECONDS as f64;
    println!("idle: {:.1} ms of CPU a second", idle * 1000.0);

    let config_maps = format!("/api/v1/namespaces/{NAMESPACE}/configmaps");
    let pods = format!("/api/v1/namespaces/{NAMESPACE}/pods");
    let object = objects::config_map("one", arguments.value_bytes);
    connections[0].clone().count(Method::POST, &config_maps, JSON, object).await?;

    let value_bytes = arguments.value_bytes;
    let clients = arguments.clients;
    let get = Request { method: Method::GET, path: format!("{config_maps}/one"), accept: JSON, body: no_body };
    let create_config_map = Request { method: Method::POST, path: config_maps, accept: JSON, body: config_map };
    let create_pod = Request { method: Method::POST, path: pods.clone(), accept: JSON, body: pod };
    let list = Request { method: Method::GET, path: pods, accept: JSON, body: no_body };
    let phases = [
        Phase::new("GET ConfigMap", arguments.gets, clients, get).with_bar(GET_BAR),
        Phase::new("create ConfigMap", arguments.creates, clients, create_config_map).with_bar(CREATE_BAR),
        Phase::new("create Pod", arguments.pods, clients, create_pod).with_bar(CREATE_BAR),
        Phase::new("LIST pods", arguments.lists, arguments.list_clients, list)
            .of_objects(arguments.pods)
            .with_bar(LISTED_OBJECT_BAR),
    ];
    let mut whole = true;
    for phase in phases {
        let outcome = phase.run(&server, &connections, value_bytes).await?;
        println!("{outcome}");
        whole &= outcome.is_whole();
    }
    drop(connections);
    server.stop().await?;
    Ok(whole)
}

fn no_body(_at: u64, _value_bytes: usize) -> Bytes {
    Bytes::new()
}

fn config_map(at: u64, value_bytes: usize) -> Bytes {
    objects::config_map(&format!("load-{at:08}"), value_bytes)
}

fn pod(at: u64, _value_bytes: usize) -> Bytes {
    objects::pod(&format!("load-{at:08}"))
}
