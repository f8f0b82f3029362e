//! The process of containerd.

use rustix::process::{Pid, Signal, kill_process};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::process::{Child, Command};
use tokio_util::sync::CancellationToken;

/// How long containerd may take to end before it is killed.
const STOP_MAX: Duration = Duration::from_secs(10);
/// Between two looks whether a process has ended that is not a child.
const STOP_PERIOD: Duration = Duration::from_millis(100);
/// A log longer than this is moved aside (to one file) when containerd starts.
const LOG_BYTES_MAX: u64 = 16 << 20;

pub(super) fn log_file(directory: &Path) -> PathBuf {
    directory.join("containerd.log")
}

/// Runs containerd until it ends or the token is cancelled; then it is told to end.
pub(super) async fn run(program: &Path, directory: &Path, token: &CancellationToken) -> io::Result<ExitStatus> {
    let log = open_log(directory)?;
    let mut child = Command::new(program)
        .arg("--config")
        .arg(directory.join("config.toml"))
        .env_remove("NOTIFY_SOCKET")
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        // A terminal's interrupt is for us; we tell containerd when it is its turn.
        .process_group(0)
        // Its containers do not care; its database does, when the next one is started.
        .kill_on_drop(true)
        .spawn()?;
    if let Some(pid) = child.id() {
        fs::write(pid_file(directory), pid.to_string())?;
    }
    tokio::select! {
        status = child.wait() => status,
        () = token.cancelled() => stop(&mut child).await,
    }
}

/// Ends a containerd of this directory whose agent was killed: it would hold the database's lock.
pub(super) async fn end_predecessor(directory: &Path) {
    let Some(pid) = fs::read_to_string(pid_file(directory)).ok().and_then(|text| text.parse().ok()) else { return };
    let Some(process) = Pid::from_raw(pid) else { return };
    let config = directory.join("config.toml");
    let is_ours = || {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        line.split(|byte| *byte == 0).any(|word| word == config.as_os_str().as_encoded_bytes())
    };
    if !is_ours() {
        return;
    }
    tracing::info!(pid, "ending the containerd of an agent that was killed");
    for signal in [Signal::TERM, Signal::KILL] {
        // It may end by itself in between.
        let _ = kill_process(process, signal);
        let ended = async {
            while is_ours() {
                tokio::time::sleep(STOP_PERIOD).await;
            }
        };
        if tokio::time::timeout(STOP_MAX, ended).await.is_ok() {
            return;
        }
    }
}

async fn stop(child: &mut Child) -> io::Result<ExitStatus> {
    let pid = child.id().and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw);
    if let Some(pid) = pid {
        kill_process(pid, Signal::TERM)?;
    }
    match tokio::time::timeout(STOP_MAX, child.wait()).await {
        Ok(status) => status,
        Err(_) => {
            child.kill().await?;
            child.wait().await
        }
    }
}

fn pid_file(directory: &Path) -> PathBuf {
    directory.join("containerd.pid")
}

fn open_log(directory: &Path) -> io::Result<File> {
    let path = log_file(directory);
    if fs::metadata(&path).is_ok_and(|meta| meta.len() > LOG_BYTES_MAX) {
        fs::rename(&path, path.with_extension("log.1"))?;
    }
    OpenOptions::new().create(true).append(true).open(path)
}
