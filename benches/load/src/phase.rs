//! One kind of request, sent by several clients until the count is reached.

use crate::connection::Connection;
use crate::report::{Latencies, against, microseconds_each};
use crate::server::Server;
use anyhow::Result;
use bytes::Bytes;
use http::Method;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// Failures of a client before it gives up; the rest of its requests is left to the others.
const FAILURES_MAX: u64 = 10;

/// What is sent.
pub(crate) struct Request {
    /// The method.
    pub(crate) method: Method,
    /// Path and query.
    pub(crate) path: String,
    /// The media type asked for.
    pub(crate) accept: &'static str,
    /// The body of the request with this number.
    pub(crate) body: fn(u64, usize) -> Bytes,
}

/// One kind of request, and how often.
pub(crate) struct Phase {
    name: &'static str,
    count: u64,
    clients: usize,
    /// Objects of one answer; the bar is for each of them.
    objects: u64,
    bar: Option<f64>,
    request: Request,
}

/// What came of it.
pub(crate) struct Outcome {
    name: &'static str,
    latencies: Latencies,
    objects: u64,
    bar: Option<f64>,
    bytes: u64,
    failures: u64,
    clients: usize,
    elapsed: Duration,
    cpu_seconds: f64,
}

#[derive(Default)]
struct Shared {
    next: AtomicU64,
    bytes: AtomicU64,
    failures: AtomicU64,
}

impl Phase {
    /// `count` requests by `clients` that each wait for their answer.
    pub(crate) fn new(name: &'static str, count: u64, clients: usize, request: Request) -> Self {
        Self { name, count, clients, objects: 1, bar: None, request }
    }

    /// Each answer holds so many objects; CPU is told for one of them.
    pub(crate) fn of_objects(self, objects: u64) -> Self {
        Self { objects, ..self }
    }

    /// The CPU of one operation or object, in microseconds, at most.
    pub(crate) fn with_bar(self, bar: f64) -> Self {
        Self { bar: Some(bar), ..self }
    }

    /// Sends them all.
    ///
    /// # Errors
    /// The server is gone.
    pub(crate) async fn run(self, server: &Server, connections: &[Connection], value_bytes: usize) -> Result<Outcome> {
        let shared = Arc::new(Shared::default());
        let (count, request) = (self.count, Arc::new(self.request));
        let cpu_before = server.cpu_seconds()?;
        let started = Instant::now();
        let mut clients = JoinSet::new();
        for connection in connections.iter().cycle().take(self.clients) {
            let (mut connection, shared, request) = (connection.clone(), Arc::clone(&shared), Arc::clone(&request));
            clients.spawn(async move {
                let (mut latencies, mut failures) = (Latencies::new(), 0);
                while failures < FAILURES_MAX {
                    let at = shared.next.fetch_add(1, Ordering::Relaxed);
                    if at >= count {
                        break;
                    }
                    let body = (request.body)(at, value_bytes);
                    let sent = Instant::now();
                    match connection.count(request.method.clone(), &request.path, request.accept, body).await {
                        Ok(bytes) => {
                            latencies.record(sent.elapsed());
                            shared.bytes.fetch_add(bytes, Ordering::Relaxed);
                        }
                        Err(error) => {
                            failures += 1;
                            if shared.failures.fetch_add(1, Ordering::Relaxed) == 0 {
                                eprintln!("first failure: {error:#}");
                            }
                        }
                    }
                }
                latencies
            });
        }
        let mut latencies = Latencies::new();
        while let Some(of_client) = clients.join_next().await {
            latencies.merge(&of_client?);
        }
        Ok(Outcome {
            name: self.name,
            latencies,
            objects: self.objects,
            bar: self.bar,
            bytes: shared.bytes.load(Ordering::Relaxed),
            failures: shared.failures.load(Ordering::Relaxed),
            clients: self.clients,
            elapsed: started.elapsed(),
            cpu_seconds: server.cpu_seconds()? - cpu_before,
        })
    }
}

impl Outcome {
    /// Whether every request was answered, and there was one.
    pub(crate) fn is_whole(&self) -> bool {
        self.failures == 0 && self.latencies.len() > 0
    }
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let answers = self.latencies.len();
        let objects = answers * self.objects;
        let each = if self.objects > 1 { "object" } else { "operation" };
        let cpu = microseconds_each(self.cpu_seconds, objects);
        let cpu = self.bar.map_or_else(|| format!("{cpu:.2}"), |bar| against(cpu, bar));
        write!(
            f,
            "{}: {:.0} op/s, {}, {} clients, {} bytes an {each}, CPU us an {each}: {}, {} failures",
            self.name,
            answers as f64 / self.elapsed.as_secs_f64(),
            self.latencies.summary(),
            self.clients,
            self.bytes / objects.max(1),
            cpu,
            self.failures,
        )
    }
}
