//! Simulation of a whole store cluster in one thread: real members (consensus, log, state machine, RocksDB), a network
//! and log disks that fail, clients that write down what they saw, and one file for each property that must hold.
//!
//! Time is tokio's paused clock, so a minute of cluster life takes a second or two. Workload, faults and their times
//! follow from one seed. **A seed does not replay the interleaving**: consensus draws its election timeouts from the
//! thread's random numbers, `select!` picks branches at random, and RocksDB has threads of its own. A failing seed is a
//! strong hint, its trace of faults is printed, but a rerun may take another path.
//!
//! A run has a safety phase (faults, invariants checked all along) and a liveness phase (everything heals, and every
//! member must serve again and agree).
//!
//! Not simulated: clock jumps, a torn RocksDB file (a crash keeps what RocksDB had handed to the system by then), message
//! corruption (the transport's checksums are TLS's and TCP's business).

pub mod chaos;
pub mod cluster;
pub mod disk;
pub mod history;
pub mod invariants;
pub mod linearizability;
pub mod network;
pub mod observation;
pub mod run;
pub mod workload;

pub use run::{Plan, Report, run};
