//! One phase: clients that each send the next put when the last one was answered.

use super::connection::Connection;
use super::process::Process;
use super::{Arguments, message};
use crate::report::{Latencies, microseconds_each};
use anyhow::Result;
use bytes::Bytes;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// Keys of one client, each with its value encoded before the clock starts; they are written in turn, again and again.
const KEYS_PER_CLIENT: usize = 50;
/// A client that fails this often gives up.
const FAILURES_MAX: u64 = 10;

/// What came of it.
pub(super) struct Outcome {
    pub(super) latencies: Latencies,
    pub(super) failures: u64,
    pub(super) elapsed: Duration,
    pub(super) cpu_seconds: f64,
}

/// Puts until the time is over.
pub(super) async fn puts(server: &Process, arguments: &Arguments, clients: usize) -> Result<Outcome> {
    let mut drivers = JoinSet::new();
    let mut connections = Vec::new();
    for _ in 0..clients.div_ceil(arguments.clients_per_connection.max(1)) {
        connections.push(Connection::open(&server.authority, &mut drivers).await?);
    }
    let bodies: Vec<Vec<Bytes>> = (0..clients).map(|client| bodies(client, arguments.value_bytes)).collect();
    let cpu_before = server.cpu_seconds()?;
    let started = Instant::now();
    let limit = Duration::from_secs(arguments.seconds);
    let mut tasks = JoinSet::new();
    for (connection, bodies) in connections.iter().cycle().zip(bodies) {
        let mut connection = connection.clone();
        tasks.spawn(async move {
            let (mut latencies, mut failures) = (Latencies::new(), 0);
            for body in bodies.iter().cycle() {
                let sent = Instant::now();
                if sent - started >= limit || failures == FAILURES_MAX {
                    break;
                }
                match connection.put(body.clone()).await {
                    Ok(()) => latencies.record(sent.elapsed()),
                    Err(error) => {
                        failures += 1;
                        eprintln!("failure: {error:#}");
                    }
                }
            }
            (latencies, failures)
        });
    }
    let (mut latencies, mut failures) = (Latencies::new(), 0);
    while let Some(done) = tasks.join_next().await {
        let (of_client, failed) = done?;
        latencies.merge(&of_client);
        failures += failed;
    }
    let cpu_seconds = server.cpu_seconds()? - cpu_before;
    Ok(Outcome { latencies, failures, elapsed: started.elapsed(), cpu_seconds })
}

/// Values that do not compress: what a store saves by compression is not what is measured.
fn bodies(client: usize, value_bytes: usize) -> Vec<Bytes> {
    let mut random = 0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(client as u64 + 1);
    let body = |number: usize| {
        let key = format!("load/{client:04}/{number:08}");
        let value: Vec<u8> = std::iter::repeat_with(|| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            random as u8
        })
        .take(value_bytes)
        .collect();
        message::put(key.as_bytes(), &value)
    };
    (0..KEYS_PER_CLIENT).map(body).collect()
}

impl Outcome {
    /// Puts a second.
    pub(super) fn rate(&self) -> f64 {
        self.latencies.len() as f64 / self.elapsed.as_secs_f64()
    }
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{:.0} puts/s, {}, CPU us a put: {:.1}, {} failures",
            self.rate(),
            self.latencies.summary(),
            microseconds_each(self.cpu_seconds, self.latencies.len()),
            self.failures
        )
    }
}
