//! Load generators for a Raftsman server that they start themselves: requests (`load api`), watches (`load fanout`),
//! informers that begin at once (`load sync`), pods to place (`load schedule`), and durable puts over etcd's wire, beside
//! etcd where that is installed (`load kv`).
//!
//! Each prints what a figure means without being asked: members, fsync, sizes, clients, connections. Latencies of the
//! open loop count from when a write was due, not from when it was sent.

mod api;
mod connection;
mod fanout;
mod kubeconfig;
mod kv;
mod lines;
mod objects;
mod phase;
mod report;
mod schedule;
mod server;
mod sync;

use anyhow::Result;
use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Load generators for a Raftsman server.
#[derive(Parser)]
#[command(name = "load", disable_help_subcommand = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// GET, create and LIST in a closed loop: rate, latencies, the server's CPU per operation
    Api(api::Arguments),
    /// Many watchers of one stream of writes: latency, order, the server's CPU per event and memory per watch
    Fanout(fanout::Arguments),
    /// Durable puts over etcd's wire, ours beside etcd: rate, latencies, the server's CPU per put
    Kv(kv::Arguments),
    /// Many pods for many nodes that are only objects: bound pods a second, the server's CPU per pod
    Schedule(schedule::Arguments),
    /// Informers that list and watch at once: time until all are in sync, the server's CPU per object and memory
    Sync(sync::Arguments),
}

fn main() -> ExitCode {
    match run(Arguments::parse().command) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(2),
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Whether everything came as promised; a bar that is missed is printed, and is no failure.
fn run(command: Command) -> Result<bool> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        match command {
            Command::Api(arguments) => api::run(&arguments).await,
            Command::Fanout(arguments) => fanout::run(&arguments).await,
            Command::Kv(arguments) => kv::run(&arguments).await,
            Command::Schedule(arguments) => schedule::run(&arguments).await,
            Command::Sync(arguments) => sync::run(&arguments).await,
        }
    })
}
