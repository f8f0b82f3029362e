//! A containerd of our own: configured, started, restarted and stopped by the node agent.
//!
//! Everything lies below one directory and nothing is shared with a containerd that the machine runs for somebody else.
//! Containers belong to their shims, not to containerd: they survive its end, and the next one finds them.

mod config;
mod process;
mod tools;

pub use tools::{Missing, Tools};

use crate::image::Importer;
use crate::runtime::{Error, ErrorKind, Result, Runtime};
use crate::{Client, image};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How long a containerd may take until it answers.
const START_MAX: Duration = Duration::from_secs(60);
/// Between two looks whether it answers.
const START_PERIOD: Duration = Duration::from_millis(100);
/// Before the first restart; doubled each time.
const BACKOFF_MIN: Duration = Duration::from_secs(1);
/// Longest time before a restart.
const BACKOFF_MAX: Duration = Duration::from_secs(60);

/// A configured containerd.
#[derive(Clone, Debug)]
pub struct Containerd {
    directory: PathBuf,
    tools: Tools,
    snapshotter: &'static str,
}

impl Containerd {
    /// Writes the configuration of containerd and of the pods' network below `directory`.
    ///
    /// # Errors
    /// The directory cannot be written.
    pub fn configure(directory: &Path, tools: Tools, pod_cidr: ipnet::IpNet) -> io::Result<Self> {
        let network = directory.join("net.d");
        std::fs::create_dir_all(&network)?;
        let snapshotter = config::snapshotter(directory)?;
        if !tools.has_iptables {
            tracing::warn!("no iptables: pods reach only this machine, and host ports are not forwarded");
        }
        let addresses = directory.join("net.addresses");
        let list = config::network(pod_cidr, &addresses, tools.has_iptables && tools.has_portmap, tools.has_iptables);
        std::fs::write(network.join("10-raftsman.conflist"), list)?;
        let text = config::containerd(directory, &tools.cni_directory, snapshotter, config::can_lower_oom());
        std::fs::write(directory.join("config.toml"), text)?;
        Ok(Self { directory: directory.to_owned(), tools, snapshotter })
    }

    /// Where it listens.
    pub fn socket(&self) -> PathBuf {
        config::socket(&self.directory)
    }

    /// Brings images into it.
    pub fn importer(&self) -> Importer {
        Importer { ctr: self.tools.ctr.clone(), socket: self.socket(), snapshotter: self.snapshotter }
    }

    /// Runs it until the token is cancelled, and again when it ends before. Containers are left running.
    pub async fn run(self, token: CancellationToken) {
        let mut backoff = BACKOFF_MIN;
        process::end_predecessor(&self.directory).await;
        loop {
            let started = tokio::time::Instant::now();
            let ended = process::run(&self.tools.containerd, &self.directory, &token).await;
            if token.is_cancelled() {
                return;
            }
            if started.elapsed() > BACKOFF_MAX {
                backoff = BACKOFF_MIN;
            }
            let log = process::log_file(&self.directory);
            match ended {
                Ok(status) => tracing::warn!(%status, log = %log.display(), "containerd ended; starting it again"),
                Err(error) => tracing::warn!(%error, "containerd cannot be started; trying again"),
            }
            tokio::select! {
                () = token.cancelled() => return,
                () = tokio::time::sleep(backoff) => backoff = (backoff * 2).min(BACKOFF_MAX),
            }
        }
    }

    /// Waits until it answers, and sees to it that it has the sandboxes' image.
    ///
    /// # Errors
    /// It does not answer in time, or the image cannot be made.
    pub async fn ready(&self, client: &Client) -> Result<()> {
        let deadline = tokio::time::Instant::now() + START_MAX;
        let mut is_imported = false;
        loop {
            // The interface's own answer says more than a socket that accepts.
            let state = match client.version().await {
                Ok(_) => client.image_status(image::PAUSE_IMAGE).await,
                Err(error) => Err(error),
            };
            match state {
                Ok(Some(_)) => return Ok(()),
                Ok(None) if !is_imported => {
                    self.importer().import_pause(&self.tools.busybox).await?;
                    is_imported = true;
                    continue;
                }
                Ok(None) | Err(_) if tokio::time::Instant::now() < deadline => {}
                Ok(None) => {
                    let message = format!("{} was imported and is not listed", image::PAUSE_IMAGE);
                    return Err(Error::new(ErrorKind::Other, message));
                }
                Err(error) => return Err(error),
            }
            tokio::time::sleep(START_PERIOD).await;
        }
    }
}
