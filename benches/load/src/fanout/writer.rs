//! The writes: events at fixed times, whatever the server does. Objects take turns; each is updated by a lane of its own
//! that has one request in flight, so numbers within an object are in order while objects do not wait for each other.

use super::events::{Stamp, object_name, update};
use crate::connection::Connection;
use crate::report::Latencies;
use crate::server::NAMESPACE;
use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use http::{Method, StatusCode};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// Writes to a fixed set of objects.
pub(super) struct Writer {
    connection: Connection,
    value_bytes: usize,
    /// What times in events count from.
    epoch: Instant,
    /// The number of the last event of each object.
    written: Vec<u64>,
}

impl Writer {
    pub(super) fn new(connection: Connection, objects: usize, value_bytes: usize) -> Self {
        Self { connection, value_bytes, epoch: Instant::now(), written: vec![0; objects.max(1)] }
    }

    /// Creates the objects, with number 0.
    pub(super) async fn create(&mut self) -> Result<()> {
        for object in 0..self.written.len() {
            let stamp = Stamp { object, number: 0, due_microseconds: 0 };
            let path = format!("/api/v1/namespaces/{NAMESPACE}/configmaps");
            let (status, answer) = self.connection.fetch(Method::POST, &path, update(stamp, self.value_bytes)).await?;
            ensure!(status == StatusCode::CREATED, "create: {status}: {}", String::from_utf8_lossy(&answer));
        }
        Ok(())
    }

    /// The revision of the present.
    pub(super) async fn revision(&self) -> Result<String> {
        let path = format!("/api/v1/namespaces/{NAMESPACE}/configmaps");
        let (status, answer) = self.connection.clone().fetch(Method::GET, &path, Bytes::new()).await?;
        ensure!(status.is_success(), "list: {status}");
        let list: serde_json::Value = serde_json::from_slice(&answer)?;
        Ok(list["metadata"]["resourceVersion"].as_str().context("a list without a revision")?.to_owned())
    }

    /// What times in events count from.
    pub(super) fn epoch(&self) -> Instant {
        self.epoch
    }

    /// The number of the last event of each object so far.
    pub(super) fn written(&self) -> Vec<u64> {
        self.written.clone()
    }

    /// How many of the next `events` each object gets.
    pub(super) fn plan(&self, events: u64) -> Vec<u64> {
        let objects = self.written.len() as u64;
        (0..objects).map(|object| events / objects + u64::from(object < events % objects)).collect()
    }

    /// Writes `rate` events a second; latencies count from when a write was due. Ends when all are answered.
    pub(super) async fn run(&mut self, rate: u64, seconds: u64) -> Result<Latencies> {
        let objects = self.written.len();
        let first = Instant::now();
        let interval = Duration::from_secs(1) / u32::try_from(rate.max(1)).context("the rate is too high")?;
        let mut lanes = JoinSet::new();
        for (object, count) in self.plan(rate * seconds).into_iter().enumerate() {
            let (connection, value_bytes, epoch) = (self.connection.clone(), self.value_bytes, self.epoch);
            let start = self.written[object];
            self.written[object] += count;
            lanes.spawn(async move {
                let mut lane = Lane { connection, object, value_bytes, epoch, latencies: Latencies::new() };
                for turn in 0..count {
                    let at = u32::try_from(turn * objects as u64 + object as u64).context("too many events")?;
                    lane.write(start + turn + 1, first + interval * at).await?;
                }
                anyhow::Ok(lane.latencies)
            });
        }
        let mut latencies = Latencies::new();
        while let Some(lane) = lanes.join_next().await {
            latencies.merge(&lane??);
        }
        Ok(latencies)
    }
}

/// The writes to one object.
struct Lane {
    connection: Connection,
    object: usize,
    value_bytes: usize,
    epoch: Instant,
    latencies: Latencies,
}

impl Lane {
    async fn write(&mut self, number: u64, due: Instant) -> Result<()> {
        tokio::time::sleep_until(due.into()).await;
        let due_microseconds = u64::try_from((due - self.epoch).as_micros())?;
        let body = update(Stamp { object: self.object, number, due_microseconds }, self.value_bytes);
        let path = format!("/api/v1/namespaces/{NAMESPACE}/configmaps/{}", object_name(self.object));
        self.connection.count(Method::PUT, &path, "application/json", body).await?;
        self.latencies.record(due.elapsed());
        Ok(())
    }
}
