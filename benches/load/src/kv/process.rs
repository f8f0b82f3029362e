//! The store under test: started on a fresh data directory, observed through `/proc`, and ended with SIGTERM.

use super::connection::Connection;
use crate::server::{cpu_seconds, rss_bytes};
use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::task::JoinSet;

/// A store that does not answer after this long is given up.
const START_SECONDS_MAX: u64 = 30;
/// How long a store may take to end after SIGTERM before it is killed.
const STOP_SECONDS_MAX: u64 = 15;
/// How often a store that starts is asked.
const POLL_MILLISECONDS: u64 = 50;

/// Which store.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Kind {
    /// Ours: `raftsman store`.
    Raftsman(PathBuf),
    /// etcd; its flags are the same.
    Etcd(PathBuf),
}

/// A running store; it dies with this.
pub(super) struct Process {
    /// Host and port for clients.
    pub(super) authority: String,
    child: Child,
    data: TempDir,
}

impl Process {
    /// Starts a store with clients on `port` and peers on the next, and waits until it takes a put.
    pub(super) async fn start(kind: &Kind, port: u16, scratch: &Path) -> Result<Self> {
        std::fs::create_dir_all(scratch)?;
        let data = tempfile::Builder::new().prefix("raftsman-load-").tempdir_in(scratch)?;
        let log = std::fs::File::create(data.path().join("log"))?;
        let (program, subcommand) = match kind {
            Kind::Raftsman(program) => (program, Some("store")),
            Kind::Etcd(program) => (program, None),
        };
        let authority = format!("127.0.0.1:{port}");
        let (client_url, peer_url) = (format!("http://{authority}"), format!("http://127.0.0.1:{}", port + 1));
        let child = Command::new(program)
            .args(subcommand)
            .args(["--name", "a", "--data-dir"])
            .arg(data.path().join("data"))
            .args(["--listen-client-urls", &client_url, "--advertise-client-urls", &client_url])
            .args(["--listen-peer-urls", &peer_url, "--initial-advertise-peer-urls", &peer_url])
            .args(["--initial-cluster", &format!("a={peer_url}")])
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {}", program.display()))?;
        let mut process = Self { authority, child, data };
        let deadline = Instant::now() + Duration::from_secs(START_SECONDS_MAX);
        loop {
            if let Some(status) = process.child.try_wait()? {
                let log = std::fs::read_to_string(process.data.path().join("log")).unwrap_or_default();
                bail!("{kind} ended with {status}:\n{log}");
            }
            match answers(&process.authority).await {
                Ok(()) => return Ok(process),
                Err(error) if Instant::now() > deadline => return Err(error.context(format!("{kind} does not answer"))),
                Err(_) => tokio::time::sleep(Duration::from_millis(POLL_MILLISECONDS)).await,
            }
        }
    }

    /// CPU that it has used since it started, in all its threads, user and system.
    pub(super) fn cpu_seconds(&self) -> Result<f64> {
        cpu_seconds(&self.proc("stat")?)
    }

    /// Memory that it holds now.
    pub(super) fn rss_bytes(&self) -> Result<u64> {
        rss_bytes(&self.proc("status")?)
    }

    fn proc(&self, file: &str) -> Result<String> {
        let pid = self.child.id().context("the store is gone")?;
        std::fs::read_to_string(format!("/proc/{pid}/{file}")).context("the store is gone")
    }

    /// Ends it and removes its data.
    pub(super) async fn stop(mut self) -> Result<()> {
        let pid = self.child.id().and_then(|pid| Pid::from_raw(pid.try_into().ok()?)).context("the store is gone")?;
        kill_process(pid, Signal::TERM)?;
        if tokio::time::timeout(Duration::from_secs(STOP_SECONDS_MAX), self.child.wait()).await.is_err() {
            self.child.kill().await?;
            bail!("the store did not end within {STOP_SECONDS_MAX} s of SIGTERM");
        }
        self.data.close().context("cannot remove the data directory")
    }
}

async fn answers(authority: &str) -> Result<()> {
    let mut drivers = JoinSet::new();
    let mut connection = Connection::open(authority, &mut drivers).await?;
    connection.put(super::message::put(b"ready", b"")).await
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Raftsman(_) => "raftsman",
            Self::Etcd(_) => "etcd",
        })
    }
}
