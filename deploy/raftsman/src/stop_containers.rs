//! `raftsman stop-containers`: containers outlive their server on purpose; this ends them, too.

use crate::config::DATA_DIR;
use crate::server::{DEFAULT_LOG_FILTER, runtime};
use anyhow::{Context, Result, bail};
use clap::Args;
use daemon::logs;
use node::Tools;
use rustix::fs::{FlockOperation, flock};
use std::fs::File;
use std::path::{Path, PathBuf};

/// Flags of `raftsman stop-containers`.
#[derive(Args)]
pub(crate) struct Arguments {
    /// The directory of the server, which must not be running
    #[arg(long, default_value = DATA_DIR)]
    data_dir: PathBuf,
    /// Where the addresses of the pods come from, as the server was told
    #[arg(long, default_value = "10.42.0.0/24")]
    pod_cidr: ipnet::IpNet,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let directory = arguments.data_dir.join("node/containerd");
    if !directory.is_dir() {
        println!("no containers were ever run from {}", arguments.data_dir.display());
        return Ok(());
    }
    let _lock = lock(&arguments.data_dir)?;
    logs::init(logs::Format::Text, DEFAULT_LOG_FILTER);
    let tools = Tools::find().context("containers cannot be stopped")?;
    let stopped = runtime()?.block_on(node::stop_containers(&directory, tools, arguments.pod_cidr));
    println!("stopped {} pods", stopped.context("not all containers could be stopped")?);
    Ok(())
}

/// The server's own lock, so that none starts meanwhile.
fn lock(data_dir: &Path) -> Result<File> {
    let path = data_dir.join("store/lock");
    let file = File::open(&path).with_context(|| format!("cannot open {}", path.display()))?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(rustix::io::Errno::WOULDBLOCK) => bail!("a server is running on {}", data_dir.display()),
        Err(error) => Err(std::io::Error::from(error)).with_context(|| format!("cannot lock {}", path.display())),
    }
}
