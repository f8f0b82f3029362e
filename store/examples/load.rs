//! Durable puts over etcd's wire, as fast as they are answered:
//! `load URL[,URL...] CLIENTS SECONDS VALUE_BYTES [PID]` prints rate, latencies, the longest silence between two answers, and
//! with a server's process id its CPU time per put. Works against any etcd v3 server.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use store_client::{RemoteOptions, RemoteStore, Store};
use store_types::etcdserverpb::PutRequest;
use tokio::task::JoinSet;

/// Clients that share a connection, as in etcd's own benchmark with 256 clients on 16 connections.
const CLIENTS_PER_CONNECTION: usize = 16;
/// Clock ticks of `/proc/PID/stat` in a second, on every Linux that matters.
const TICKS_PER_SECOND: f64 = 100.0;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [urls, clients, seconds, value_bytes, pid @ ..] = arguments.as_slice() else {
        return Err("usage: load URL[,URL...] CLIENTS SECONDS VALUE_BYTES [PID]".into());
    };
    let endpoints: Vec<String> = urls.split(',').map(str::to_owned).collect();
    let (clients, value_bytes): (usize, usize) = (clients.parse()?, value_bytes.parse()?);
    let limit = Duration::from_secs(seconds.parse()?);
    let started = Instant::now();
    let last_answer = Arc::new(AtomicU64::new(0));
    let silence = Arc::new(AtomicU64::new(0));
    let cpu_before = cpu_seconds(pid.first());
    let mut tasks = JoinSet::new();
    let mut connection = None;
    for client in 0..clients {
        if client % CLIENTS_PER_CONNECTION == 0 {
            // A balanced channel over all members, as etcd's client has.
            connection = Some(RemoteStore::new(&RemoteOptions { endpoints: endpoints.clone(), tls: None })?);
        }
        let store = connection.clone().expect("set for the first client");
        let (last_answer, silence) = (Arc::clone(&last_answer), Arc::clone(&silence));
        tasks.spawn(async move {
            let (mut latencies, mut failures) = (Vec::new(), 0_u64);
            let value = bytes::Bytes::from(vec![b'x'; value_bytes]);
            let mut count = 0;
            while started.elapsed() < limit {
                let key = format!("load/{client:04}/{:08}", count % 1000);
                let before = Instant::now();
                let request = PutRequest { key: key.into(), value: value.clone(), ..Default::default() };
                match store.put(request).await {
                    Ok(_) => {
                        latencies.push(before.elapsed().as_micros() as u32);
                        let now = started.elapsed().as_micros() as u64;
                        silence
                            .fetch_max(now.saturating_sub(last_answer.swap(now, Ordering::Relaxed)), Ordering::Relaxed);
                    }
                    Err(_) => {
                        failures += 1;
                        tokio::time::sleep(Duration::from_millis(10)).await;
                    }
                }
                count += 1;
            }
            (latencies, failures)
        });
    }
    let (mut latencies, mut failures) = (Vec::new(), 0);
    while let Some(done) = tasks.join_next().await {
        let (of_client, failed) = done?;
        latencies.extend(of_client);
        failures += failed;
    }
    let elapsed = started.elapsed().as_secs_f64();
    let cpu = cpu_before.zip(cpu_seconds(pid.first())).map(|(before, after)| after - before);
    latencies.sort_unstable();
    let at =
        |share: f64| latencies.get(((latencies.len() as f64 * share) as usize).min(latencies.len().saturating_sub(1)));
    println!(
        "{:.0} put/s, p50 {:?} us, p99 {:?} us, max {:?} us, {failures} failures, longest silence {} ms",
        latencies.len() as f64 / elapsed,
        at(0.5).unwrap_or(&0),
        at(0.99).unwrap_or(&0),
        at(1.0).unwrap_or(&0),
        silence.load(Ordering::Relaxed) / 1000
    );
    if let Some(cpu) = cpu {
        println!("server CPU {:.1} us per put", cpu * 1e6 / latencies.len().max(1) as f64);
    }
    Ok(())
}

fn cpu_seconds(pid: Option<&String>) -> Option<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid?)).ok()?;
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks: f64 = fields.get(11)?.parse::<f64>().ok()? + fields.get(12)?.parse::<f64>().ok()?;
    Some(ticks / TICKS_PER_SECOND)
}
