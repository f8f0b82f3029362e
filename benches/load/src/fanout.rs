//! `load fanout`: many watchers of one stream of writes, in an open loop.
//!
//! Every event carries its number and when it was due; each watcher checks that numbers come without gap, repetition
//! or disorder, and counts latency from when the event was due, so that a server (or this machine) that falls behind
//! cannot hide it. Some watchers stop reading while events flow and read on afterwards: they must get everything too.
//!
//! Four steps: the writes alone (their CPU is subtracted later), idle watches (memory), writes with watchers, the
//! stalled watchers' catching up.

mod events;
mod watcher;
mod writer;

use crate::connection::Connection;
use crate::report::{Latencies, against, microseconds_each};
use crate::server::{NAMESPACE, Server, ServerArguments};
use anyhow::{Context, Result};
use bytes::Bytes;
use clap::Args;
use http::Method;
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio::task::JoinSet;
use watcher::{Orders, Watched};
use writer::Writer;

/// CPU of a delivered event, in microseconds, at most.
const EVENT_BAR: f64 = 5.0;
/// Memory of an idle watch, in KiB, at most.
const IDLE_WATCH_KIB_BAR: f64 = 8.0;
/// What the server may send ahead on one watch; little, so that a watcher that stops reading stops the server's stream.
const STREAM_WINDOW_BYTES: u32 = 64 * 1024;
/// After opening watches, before memory is read: what their opening needed is given back.
const SETTLE_SECONDS: u64 = 12;
/// Every watcher must have everything this long after the last write.
const CATCH_UP_SECONDS_MAX: u64 = 60;

/// Flags of `load fanout`.
#[derive(Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    server: ServerArguments,
    /// Watchers of all ConfigMaps of a namespace
    #[arg(long, default_value_t = 500)]
    watchers: usize,
    /// HTTP/2 connections that the watchers share; at most 100 watches fit on one
    #[arg(long, default_value_t = 500)]
    connections: usize,
    /// Of so many watchers one stops reading while events flow; 0 for none
    #[arg(long, default_value_t = 10)]
    stalled_every: usize,
    /// Events a second
    #[arg(long, default_value_t = 100)]
    rate: u64,
    /// How long events flow
    #[arg(long, default_value_t = 30)]
    seconds: u64,
    /// Objects that are updated in turn; their number is what may be in flight
    #[arg(long, default_value_t = 8)]
    objects: usize,
    /// What the object's value holds
    #[arg(long, default_value_t = 1024)]
    value_bytes: usize,
}

pub(crate) async fn run(arguments: &Arguments) -> Result<bool> {
    let server = Server::start(&arguments.server).await?;
    println!(
        "fanout: 1 member, fsync on, TLS, HTTP/2, client certificate; {} watchers on {} connections, {} events a second \
         of {} bytes for {} s, {} objects, every {}th watcher stalled",
        arguments.watchers,
        arguments.connections,
        arguments.rate,
        arguments.value_bytes,
        arguments.seconds,
        arguments.objects,
        arguments.stalled_every
    );
    println!("server pid {}", server.pid().unwrap_or_default());
    let mut drivers = JoinSet::new();
    let control = Connection::open(&server.target, STREAM_WINDOW_BYTES, &mut drivers).await?;
    let mut writer = Writer::new(control.clone(), arguments.objects, arguments.value_bytes);
    writer.create().await?;

    let cpu_before = server.cpu_seconds()?;
    let alone = writer.run(arguments.rate, arguments.seconds).await?;
    let cpu_of_writes = server.cpu_seconds()? - cpu_before;
    println!("writes alone: {}, {:.2} s of CPU", alone.summary(), cpu_of_writes);

    let (resume, resumed) = watch::channel(false);
    let mut watchers = JoinSet::new();
    let rss_before = server.rss_bytes()?;
    let started = Instant::now();
    open_watches(arguments, &server, &writer, &resumed, &mut watchers, &mut drivers).await?;
    let opening = started.elapsed();
    tokio::time::sleep(Duration::from_secs(SETTLE_SECONDS)).await;
    let rss_bytes = server.rss_bytes()?.saturating_sub(rss_before);
    println!(
        "{} idle watches: opened in {:.1} s, KiB of memory a watch: {}",
        arguments.watchers,
        opening.as_secs_f64(),
        against(rss_bytes as f64 / 1024.0 / arguments.watchers as f64, IDLE_WATCH_KIB_BAR)
    );

    let cpu_before = server.cpu_seconds()?;
    let writes = writer.run(arguments.rate, arguments.seconds).await?;
    println!("writes with watchers: {}", writes.summary());
    resume.send_replace(true);
    let outcome = collect(&mut watchers).await?;
    let cpu = server.cpu_seconds()? - cpu_before;
    outcome.print(arguments, writes.len(), cpu - cpu_of_writes);
    drop(control);
    server.stop().await?;
    Ok(outcome.is_whole())
}

/// Opens all watches from the present on, and returns when each has been answered.
async fn open_watches(
    arguments: &Arguments,
    server: &Server,
    writer: &Writer,
    resumed: &watch::Receiver<bool>,
    watchers: &mut JoinSet<Watched>,
    drivers: &mut JoinSet<()>,
) -> Result<()> {
    let connections =
        Connection::open_many(&server.target, arguments.connections, STREAM_WINDOW_BYTES, drivers).await?;
    let revision = writer.revision().await?;
    let path = format!("/api/v1/namespaces/{NAMESPACE}/configmaps?watch=1&resourceVersion={revision}");
    // The second run of the writer goes on where the first has ended.
    let orders = Orders::new(writer.written(), writer.plan(arguments.rate * arguments.seconds));
    for (at, connection) in connections.iter().cycle().take(arguments.watchers).enumerate() {
        let response = connection.clone().send(Method::GET, &path, "application/json", Bytes::new()).await?;
        anyhow::ensure!(response.status().is_success(), "watch {at}: {}", response.status());
        let is_stalled = arguments.stalled_every > 0 && at % arguments.stalled_every == arguments.stalled_every - 1;
        let resumed = is_stalled.then(|| resumed.clone());
        let epoch = writer.epoch();
        watchers.spawn(watcher::watch(response.into_body(), orders.clone(), epoch, resumed));
    }
    Ok(())
}

/// What all watchers saw.
struct Outcome {
    reading: Latencies,
    stalled: Latencies,
    gaps: u64,
    repetitions: u64,
    cut: u64,
    late: u64,
    whole: usize,
    of: usize,
}

async fn collect(watchers: &mut JoinSet<Watched>) -> Result<Outcome> {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(CATCH_UP_SECONDS_MAX);
    let of = watchers.len();
    let (reading, stalled) = (Latencies::new(), Latencies::new());
    let mut outcome = Outcome { reading, stalled, gaps: 0, repetitions: 0, cut: 0, late: 0, whole: 0, of };
    loop {
        let watched = match tokio::time::timeout_at(deadline, watchers.join_next()).await {
            Ok(Some(watched)) => watched.context("a watcher failed")?,
            Ok(None) => break,
            Err(_elapsed) => {
                outcome.late = watchers.len() as u64;
                watchers.abort_all();
                break;
            }
        };
        let latencies = if watched.was_stalled { &mut outcome.stalled } else { &mut outcome.reading };
        latencies.merge(&watched.latencies);
        outcome.gaps += watched.order.gaps();
        outcome.repetitions += watched.order.repetitions();
        outcome.cut += u64::from(watched.end.is_some());
        outcome.whole += usize::from(watched.is_whole());
        if let (Some(reason), 1) = (watched.end, outcome.cut) {
            eprintln!("first watch that was cut: {reason}");
        }
    }
    Ok(outcome)
}

impl Outcome {
    fn is_whole(&self) -> bool {
        self.whole == self.of
    }

    fn print(&self, arguments: &Arguments, writes: u64, cpu_seconds: f64) {
        let delivered = self.reading.len() + self.stalled.len();
        println!("latency from when it was due, reading watchers: {}", self.reading.summary());
        println!("latency from when it was due, stalled watchers: {}", self.stalled.summary());
        println!(
            "delivered {delivered} of {}: {} of {} watchers got all once and in order; {} gaps, {} repeated or out of \
             order, {} cut, {} not done in time",
            writes * arguments.watchers as u64,
            self.whole,
            self.of,
            self.gaps,
            self.repetitions,
            self.cut,
            self.late
        );
        println!("CPU us a delivered event: {}", against(microseconds_each(cpu_seconds, delivered), EVENT_BAR));
    }
}
