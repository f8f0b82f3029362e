//! One process under test: its log is kept, and shown when the test fails; it never outlives the test.

use anyhow::{Context, Result, bail};
use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// Lines of the log that a failing test shows.
const LOG_LINES_SHOWN_MAX: usize = 60;
/// How long an orderly end may take before it counts as a failure.
const TERMINATION_TIMEOUT: Duration = Duration::from_secs(30);

/// A running process; killed when dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts it, its output appended to `log`.
    ///
    /// # Errors
    /// The program or the log cannot be opened.
    pub fn start(mut command: Command, log: &Path) -> Result<Self> {
        let open = || -> Result<File> {
            OpenOptions::new().create(true).append(true).open(log).with_context(|| format!("cannot write {log:?}"))
        };
        command.stdin(Stdio::null()).stdout(open()?).stderr(open()?);
        let child = command.spawn().with_context(|| format!("cannot start {:?}", command.get_program()))?;
        Ok(Self { child, log: log.to_owned() })
    }

    /// Its id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// SIGKILL, and waits until the kernel has taken everything back.
    ///
    /// # Errors
    /// The process cannot be waited for.
    pub fn kill(&mut self) -> Result<()> {
        self.child.kill().context("cannot kill")?;
        self.child.wait().context("cannot wait")?;
        Ok(())
    }

    /// SIGTERM, and waits for the end.
    ///
    /// # Errors
    /// It does not end in time.
    pub fn terminate(&mut self) -> Result<ExitStatus> {
        let told = Command::new("kill").arg(self.id().to_string()).status().context("cannot run kill")?;
        if !told.success() {
            bail!("cannot tell process {} to end", self.id());
        }
        let deadline = Instant::now() + TERMINATION_TIMEOUT;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait().context("cannot wait")? {
                return Ok(status);
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        bail!("process {} did not end within {TERMINATION_TIMEOUT:?} of SIGTERM\n{}", self.id(), self.log_tail());
    }

    /// An error with the end of the log if the process has ended by itself.
    ///
    /// # Errors
    /// It has.
    pub fn check(&mut self) -> Result<()> {
        match self.child.try_wait().context("cannot wait")? {
            Some(status) => bail!("the process ended by itself: {status}\n{}", self.log_tail()),
            None => Ok(()),
        }
    }

    /// Most memory that was ever resident, in KiB.
    ///
    /// # Errors
    /// The process is gone.
    pub fn peak_memory_kibibytes(&self) -> Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id())).context("the process is gone")?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no VmHWM in the status")?;
        line.trim().trim_end_matches(" kB").parse().context("VmHWM is not a number")
    }

    /// The last lines of the log.
    pub fn log_tail(&self) -> String {
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(LOG_LINES_SHOWN_MAX)..].join("\n")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Nothing is left to do if it is gone already.
        let _ = self.kill();
        if std::thread::panicking() {
            eprintln!("--- last lines of {}\n{}", self.log.display(), self.log_tail());
        }
    }
}
