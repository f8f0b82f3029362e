//! `load kv`: durable puts over etcd's wire, in a closed loop, ours and etcd side by side.
//!
//! Each round starts each server on an empty directory, with the settings it comes with, so with fsync, and in turn, so
//! that a machine that gets slower or faster meanwhile does so for both. The client speaks HTTP/2 itself and sends
//! messages that are encoded once: it shares the cores with the server, and what it takes the server lacks.

mod connection;
mod message;
mod process;
mod run;

use crate::report::Latencies;
use anyhow::Result;
use clap::Args;
use process::{Kind, Process};
use run::Outcome;
use std::path::PathBuf;

/// At least this many times etcd's rate with the most clients.
const RATE_BAR: f64 = 2.0;
/// At most this share of etcd's CPU per put with the most clients.
const CPU_BAR: f64 = 0.5;
/// At most this share of etcd's median latency with one client.
const LATENCY_BAR: f64 = 1.0;

/// Flags of `load kv`.
#[derive(Args)]
pub(crate) struct Arguments {
    /// Our program
    #[arg(long, default_value = "target/release/raftsman")]
    server: PathBuf,
    /// etcd's program; left out of the comparison where it does not exist
    #[arg(long, default_value = "/usr/bin/etcd")]
    etcd: PathBuf,
    /// How often each server is started and measured
    #[arg(long, default_value_t = 3)]
    rounds: u32,
    /// How long each phase of a round lasts
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Numbers of clients, a phase each; each client has one put under way
    #[arg(long, value_delimiter = ',', default_value = "1,256")]
    clients: Vec<usize>,
    /// Clients that share a connection
    #[arg(long, default_value_t = 16)]
    clients_per_connection: usize,
    /// Bytes of a value
    #[arg(long, default_value_t = 1024)]
    value_bytes: usize,
    /// The first of the four ports that are used
    #[arg(long, default_value_t = 27379)]
    port: u16,
    /// Where the data directories are made, on the disk whose fsync is to be measured; removed at the end
    #[arg(long, default_value = "/tmp")]
    scratch: PathBuf,
}

/// What all rounds of one server with one number of clients came to.
struct Total {
    kind: Kind,
    clients: usize,
    latencies: Latencies,
    rates: Vec<f64>,
    cpu_seconds: f64,
}

/// Runs the rounds; false if a put failed.
pub(crate) async fn run(arguments: &Arguments) -> Result<bool> {
    let mut kinds = vec![Kind::Raftsman(arguments.server.clone())];
    match arguments.etcd.exists() {
        true => kinds.push(Kind::Etcd(arguments.etcd.clone())),
        false => println!("{} does not exist: nothing to compare with", arguments.etcd.display()),
    }
    println!(
        "1 member, fsync on, http, values of {} bytes, {} clients a connection, {} rounds of {} s a phase",
        arguments.value_bytes, arguments.clients_per_connection, arguments.rounds, arguments.seconds
    );
    let mut totals: Vec<Total> = Vec::new();
    let mut whole = true;
    for round in 1..=arguments.rounds {
        for (at, kind) in kinds.iter().enumerate() {
            let port = arguments.port + 2 * at as u16;
            let server = Process::start(kind, port, &arguments.scratch).await?;
            for clients in &arguments.clients {
                let outcome = run::puts(&server, arguments, *clients).await?;
                println!("round {round}, {kind}, {clients} clients: {outcome}");
                whole &= outcome.failures == 0;
                add(&mut totals, kind, *clients, outcome);
            }
            println!("round {round}, {kind}: {} MiB resident at the end", server.rss_bytes()? >> 20);
            server.stop().await?;
        }
    }
    for total in &totals {
        println!("{total}");
    }
    compare(&totals);
    Ok(whole)
}

fn add(totals: &mut Vec<Total>, kind: &Kind, clients: usize, outcome: Outcome) {
    let rate = outcome.rate();
    match totals.iter_mut().find(|total| total.kind == *kind && total.clients == clients) {
        Some(total) => {
            total.latencies.merge(&outcome.latencies);
            total.rates.push(rate);
            total.cpu_seconds += outcome.cpu_seconds;
        }
        None => totals.push(Total {
            kind: kind.clone(),
            clients,
            latencies: outcome.latencies,
            rates: vec![rate],
            cpu_seconds: outcome.cpu_seconds,
        }),
    }
}

/// Prints the ratios that the bars are about: the latency with the fewest clients, the rest with the most.
fn compare(totals: &[Total]) {
    let of = |ours: bool| totals.iter().filter(move |total| matches!(total.kind, Kind::Raftsman(_)) == ours);
    let fewest = |ours| of(ours).min_by_key(|total| total.clients);
    let most = |ours| of(ours).max_by_key(|total| total.clients);
    if let (Some(ours), Some(etcd)) = (most(true), most(false)) {
        let (rate, cpu) = (ours.rate() / etcd.rate(), ours.cpu_microseconds() / etcd.cpu_microseconds());
        println!("{} clients: rate {rate:.2} times etcd's (bar {RATE_BAR}, {})", ours.clients, met(rate >= RATE_BAR));
        println!("{} clients: CPU a put {cpu:.2} of etcd's (bar {CPU_BAR}, {})", ours.clients, met(cpu <= CPU_BAR));
    }
    if let (Some(ours), Some(etcd)) = (fewest(true), fewest(false)) {
        let share = ours.latencies.milliseconds(0.5) / etcd.latencies.milliseconds(0.5);
        let met = met(share <= LATENCY_BAR);
        println!("{} clients: p50 {share:.2} of etcd's (bar {LATENCY_BAR}, {met})", ours.clients);
    }
}

fn met(met: bool) -> &'static str {
    if met { "met" } else { "MISSED" }
}

impl Total {
    /// The median of the rounds.
    fn rate(&self) -> f64 {
        let mut rates = self.rates.clone();
        rates.sort_by(f64::total_cmp);
        rates[rates.len() / 2]
    }

    fn cpu_microseconds(&self) -> f64 {
        crate::report::microseconds_each(self.cpu_seconds, self.latencies.len())
    }
}

impl std::fmt::Display for Total {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "all rounds, {}, {} clients: median {:.0} puts/s, {}, CPU us a put: {:.1}",
            self.kind,
            self.clients,
            self.rate(),
            self.latencies.summary(),
            self.cpu_microseconds()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn outcome(puts: u64) -> Outcome {
        let mut latencies = Latencies::new();
        (0..puts).for_each(|_| latencies.record(Duration::from_millis(1)));
        Outcome { latencies, failures: 0, elapsed: Duration::from_secs(1), cpu_seconds: 1.0 }
    }

    #[test]
    fn rounds_of_one_server_add_up_and_the_median_is_kept() {
        let mut totals = Vec::new();
        for puts in [10, 30, 20] {
            add(&mut totals, &Kind::Etcd("etcd".into()), 1, outcome(puts));
        }
        add(&mut totals, &Kind::Etcd("etcd".into()), 256, outcome(1));
        assert_eq!(totals.len(), 2);
        assert_eq!((totals[0].rate(), totals[0].latencies.len()), (20.0, 60));
        assert!((totals[0].cpu_microseconds() - 50_000.0).abs() < 1e-6);
    }
}
