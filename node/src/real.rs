//! A node whose containers really run: on a runtime that is there already, or on a containerd of our own.

mod stop;

use crate::agent::{self, StartError};
use crate::options::{Capacity, Options};
use daemon::{OnError, Supervisor, TaskKind};
use kube::Client;
use node_cri::supervise::{Containerd, Tools};
use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

pub use stop::stop_containers;

const CONTAINERD: TaskKind = TaskKind { name: "containerd", on_error: OnError::ShutDown };
const WATCH: TaskKind = TaskKind { name: "runtime watch", on_error: OnError::ShutDown };
/// Pods of one node (upstream: `maxPods`).
const PODS_MAX: u64 = 110;

/// Where the containers run.
#[derive(Clone, Debug)]
pub enum Engine {
    /// A runtime that somebody else looks after, at this socket.
    Socket(PathBuf),
    /// A containerd below this directory, whose pods get addresses from this network.
    Own {
        /// Everything of containerd.
        directory: PathBuf,
        /// The programs of this machine.
        tools: Tools,
        /// The pods' addresses.
        pod_cidr: ipnet::IpNet,
    },
}

/// Starts the agent of a real node; it runs until the supervisor's token is cancelled, and leaves its pods running.
///
/// # Errors
/// The runtime cannot be configured or does not answer.
pub async fn start_real(
    client: Client,
    options: Options,
    engine: Engine,
    supervisor: &Supervisor,
) -> Result<(), StartError> {
    let token = supervisor.token().clone();
    let runtime = match engine {
        Engine::Socket(socket) => node_cri::Client::connect(&socket),
        Engine::Own { directory, tools, pod_cidr } => {
            let containerd = Containerd::configure(&directory, tools, pod_cidr)?;
            let runtime = node_cri::Client::connect(&containerd.socket());
            let (running, until) = (containerd.clone(), token.clone());
            supervisor.spawn(CONTAINERD, async move {
                running.run(until).await;
                Ok::<(), Infallible>(())
            });
            containerd.ready(&runtime).await?;
            tracing::info!(socket = %containerd.socket().display(), "containerd is ready");
            runtime
        }
    };
    let watch = runtime.clone().watch();
    supervisor.spawn(WATCH, async move {
        token.run_until_cancelled(watch).await;
        Ok::<(), Infallible>(())
    });
    agent::start(client, options, Arc::new(runtime), Duration::ZERO, supervisor).await?;
    Ok(())
}

impl Capacity {
    /// What this machine has; storage is that of the file system of `directory`.
    ///
    /// # Errors
    /// The file system cannot be asked.
    pub fn read(directory: &Path) -> std::io::Result<Self> {
        let system = rustix::system::sysinfo();
        let files = rustix::fs::statvfs(directory)?;
        let cpus = std::thread::available_parallelism()?.get();
        Ok(Self {
            milli_cpu: u64::try_from(cpus).unwrap_or(u64::MAX).saturating_mul(1000),
            memory_bytes: u64::from(system.mem_unit).saturating_mul(system.totalram as u64),
            ephemeral_storage_bytes: files.f_frsize.saturating_mul(files.f_blocks),
            pods: PODS_MAX,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_has_processors_memory_and_storage() {
        let capacity = Capacity::read(Path::new("/")).unwrap();
        let memory = std::fs::read_to_string("/proc/meminfo").unwrap();
        let total_kib: u64 = memory.split_whitespace().nth(1).unwrap().parse().unwrap();
        assert!(capacity.memory_bytes.abs_diff(total_kib * 1024) < capacity.memory_bytes / 100);
        assert!(capacity.milli_cpu >= 1000 && capacity.ephemeral_storage_bytes > 0);
    }
}
