//! Drives the real binary from outside, as its users do: over HTTPS, over etcd's wire, with kubectl.
//!
//! Every test starts servers of its own on free ports of the loopback address, below a temporary directory of its own,
//! and ends only the processes that it started. The folder `tests` holds what is proved: [`transcript`]s of kubectl,
//! crashes under load, the loss of servers, and many pods.

pub mod binary;
pub mod members;
pub mod process;
pub mod server;
pub mod servers;
pub mod transcript;

pub use members::Members;
pub use process::Process;
pub use server::Server;
pub use servers::Servers;

/// Whether this machine is meant to run no containers; says so where the tests that need them report.
pub fn containers_are_excused() -> bool {
    let excused = std::env::var_os("RAFTSMAN_E2E_NO_CONTAINERS").is_some_and(|value| value == "1");
    if excused {
        eprintln!("NO CONTAINERS: RAFTSMAN_E2E_NO_CONTAINERS=1");
    }
    excused
}
