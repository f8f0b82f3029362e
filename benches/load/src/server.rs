//! The server under test: started on a fresh data directory, observed from outside through `/proc`, and told to end.

use crate::connection::Connection;
use crate::kubeconfig::Target;
use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use clap::Args;
use http::{Method, StatusCode};
use rustix::process::{Pid, Signal, kill_process};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::task::JoinSet;
use tokio::time::timeout;

/// The namespace that all objects lie in.
pub(crate) const NAMESPACE: &str = "load";
/// Clock ticks of `/proc/PID/stat` in a second, on every Linux that matters.
const TICKS_PER_SECOND: f64 = 100.0;
/// A server that is not ready after this long is given up.
const START_SECONDS_MAX: u64 = 60;
/// How often a server that starts is asked.
const POLL_MILLISECONDS: u64 = 50;
/// A server that has not ended this long after SIGTERM is killed, and that is an error.
const STOP_SECONDS_MAX: u64 = 60;
const WINDOW_BYTES: u32 = 1024 * 1024;

/// Which server to start, and where.
#[derive(Args)]
pub(crate) struct ServerArguments {
    /// The server's program
    #[arg(long, default_value = "target/release/raftsman")]
    server: PathBuf,
    /// The port it serves on
    #[arg(long, default_value_t = 26443)]
    secure_port: u16,
    /// Where its data directory is made, on the disk whose fsync is to be measured; removed at the end
    #[arg(long, default_value = "/tmp")]
    scratch: PathBuf,
}

/// A running server; it is killed with this where [`Self::stop`] was not reached.
pub(crate) struct Server {
    /// How to reach it.
    pub(crate) target: Target,
    child: Child,
    data: TempDir,
}

impl Server {
    /// Starts a server and waits until it is ready and the namespace can be used.
    ///
    /// # Errors
    /// It does not start, or not in time.
    pub(crate) async fn start(arguments: &ServerArguments) -> Result<Self> {
        std::fs::create_dir_all(&arguments.scratch)?;
        let data = tempfile::Builder::new().prefix("raftsman-load-").tempdir_in(&arguments.scratch)?;
        let log = std::fs::File::create(data.path().join("log"))?;
        let mut child = Command::new(&arguments.server)
            .args(["server", "--no-node"])
            .arg("--data-dir")
            .arg(data.path().join("data"))
            .args(["--secure-port", &arguments.secure_port.to_string()])
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {}", arguments.server.display()))?;
        let deadline = Instant::now() + Duration::from_secs(START_SECONDS_MAX);
        loop {
            if let Some(status) = child.try_wait()? {
                let log = std::fs::read_to_string(data.path().join("log")).unwrap_or_default();
                bail!("the server ended with {status}:\n{log}");
            }
            match is_ready(&data.path().join("data/admin.kubeconfig")).await {
                Ok(target) => return Ok(Self { target, child, data }),
                Err(error) if Instant::now() > deadline => return Err(error.context("the server does not get ready")),
                Err(_) => tokio::time::sleep(Duration::from_millis(POLL_MILLISECONDS)).await,
            }
        }
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// CPU that it has used since it started, in all its threads, user and system.
    ///
    /// # Errors
    /// It is gone.
    pub(crate) fn cpu_seconds(&self) -> Result<f64> {
        cpu_seconds(&self.proc("stat")?)
    }

    /// Memory that it holds now.
    ///
    /// # Errors
    /// It is gone.
    pub(crate) fn rss_bytes(&self) -> Result<u64> {
        rss_bytes(&self.proc("status")?)
    }

    /// The most memory that it has held.
    ///
    /// # Errors
    /// It is gone.
    pub(crate) fn peak_rss_bytes(&self) -> Result<u64> {
        kibibytes(&self.proc("status")?, "VmHWM:")
    }

    fn proc(&self, file: &str) -> Result<String> {
        let pid = self.pid().context("the server is gone")?;
        std::fs::read_to_string(format!("/proc/{pid}/{file}")).context("the server is gone")
    }

    /// Asks it to end, as an operator would, waits for that and removes its data.
    ///
    /// # Errors
    /// It was gone already, does not end in time or not well, or its data cannot be removed.
    pub(crate) async fn stop(mut self) -> Result<()> {
        if let Some(status) = self.child.try_wait()? {
            bail!("the server ended by itself with {status}");
        }
        let pid = self.pid().and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?)).context("the server is gone")?;
        kill_process(pid, Signal::TERM)?;
        let status = match timeout(Duration::from_secs(STOP_SECONDS_MAX), self.child.wait()).await {
            Ok(status) => status?,
            Err(_elapsed) => {
                self.child.kill().await?;
                bail!("the server did not end within {STOP_SECONDS_MAX} s of SIGTERM");
            }
        };
        ensure!(status.success(), "the server ended with {status} after SIGTERM");
        self.data.close().context("cannot remove the data directory")
    }
}

/// Ready, with a namespace whose service account is there: pods need it.
async fn is_ready(kubeconfig: &std::path::Path) -> Result<Target> {
    let target = Target::read(kubeconfig)?;
    let mut drivers = JoinSet::new();
    let mut connection = Connection::open(&target, WINDOW_BYTES, &mut drivers).await?;
    connection.count(Method::GET, "/readyz", "*/*", Bytes::new()).await?;
    let namespace = format!(r#"{{"apiVersion":"v1","kind":"Namespace","metadata":{{"name":"{NAMESPACE}"}}}}"#);
    let (status, answer) = connection.fetch(Method::POST, "/api/v1/namespaces", namespace.into()).await?;
    if !status.is_success() && status != StatusCode::CONFLICT {
        bail!("namespace: {status}: {}", String::from_utf8_lossy(&answer));
    }
    let account = format!("/api/v1/namespaces/{NAMESPACE}/serviceaccounts/default");
    connection.count(Method::GET, &account, "application/json", Bytes::new()).await?;
    Ok(target)
}

/// The times in `/proc/PID/stat`: fields 14 and 15, counted behind the command, which may hold blanks and brackets.
pub(crate) fn cpu_seconds(stat: &str) -> Result<f64> {
    let (_, rest) = stat.rsplit_once(") ").context("/proc/PID/stat has no command")?;
    let ticks = |at: usize| rest.split(' ').nth(at).and_then(|field| field.parse::<f64>().ok());
    match (ticks(11), ticks(12)) {
        (Some(user), Some(system)) => Ok((user + system) / TICKS_PER_SECOND),
        _ => bail!("/proc/PID/stat has no times"),
    }
}

/// The resident memory that `/proc/PID/status` tells.
pub(crate) fn rss_bytes(status: &str) -> Result<u64> {
    kibibytes(status, "VmRSS:")
}

/// A line of `/proc/PID/status` that tells kibibytes, in bytes.
fn kibibytes(status: &str, name: &str) -> Result<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let line = line.with_context(|| format!("/proc/PID/status has no {name}"))?;
    let kibibytes: u64 =
        line.trim().trim_end_matches(" kB").parse().with_context(|| format!("{name} is no number of kB"))?;
    Ok(kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_found_behind_a_command_with_blanks_and_brackets() {
        let stat = "42 (a) b (c) S 1 2 3 4 5 6 7 8 9 10 250 50 0 0 20 0 9 0 100";
        assert!((cpu_seconds(stat).unwrap() - 3.0).abs() < 1e-9);
    }

    #[test]
    fn resident_memory_is_read_in_bytes() {
        assert_eq!(rss_bytes("VmPeak:\t  10 kB\nVmRSS:\t    12 kB\nThreads:\t3\n").unwrap(), 12 * 1024);
        assert!(rss_bytes("VmPeak:\t 10 kB\n").is_err());
    }
}
