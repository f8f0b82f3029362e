//! Latency and throughput of appends on a directory: `append_latency DIR [buffered]`.
//!
//! First one client that waits for each append, then 256 that do; entries of 1 KiB.

use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::time::{Duration, Instant};

use store_wal::disk::RealDisk;
use store_wal::{Bytes, Environment, Log, Options, Record};

const SINGLE_APPENDS: u64 = 5000;
const GROUP_APPENDS: u64 = 200_000;
const GROUP_CLIENTS: u64 = 256;

fn main() {
    let dir = std::env::args().nth(1).expect("a directory");
    let buffered = std::env::args().nth(2).is_some();
    let environment = Environment { disk: Arc::new(RealDisk { buffered }), ..Environment::default() };
    let started = Instant::now();
    let (log, _) = Log::open_with(Options::new(dir), environment).expect("the log opens");
    println!("open: {:?}", started.elapsed());
    let payload = Bytes::from(vec![7; 1024]);
    let (sender, receiver) = sync_channel(GROUP_CLIENTS as usize);
    let append = |index| {
        let sender = sender.clone();
        let record = Record::Entry { index, term: 1, payload: payload.clone() };
        log.append(vec![record], move |result| {
            result.expect("the append is durable");
            // The receiver is gone only when the run is over.
            let _ = sender.send(());
        });
    };

    let mut latencies: Vec<Duration> = Vec::new();
    for index in 0..SINGLE_APPENDS {
        let started = Instant::now();
        append(index);
        receiver.recv().expect("the writer answers");
        latencies.push(started.elapsed());
    }
    latencies.sort();
    let at = |share: f64| latencies[(latencies.len() as f64 * share) as usize];
    println!("one client: p50 {:?}, p99 {:?}, p99.9 {:?}", at(0.5), at(0.99), at(0.999));

    let started = Instant::now();
    for number in 0..GROUP_APPENDS {
        if number >= GROUP_CLIENTS {
            receiver.recv().expect("the writer answers");
        }
        append(SINGLE_APPENDS + number);
    }
    println!("{GROUP_CLIENTS} clients: {:.0} appends/s", GROUP_APPENDS as f64 / started.elapsed().as_secs_f64());
}
