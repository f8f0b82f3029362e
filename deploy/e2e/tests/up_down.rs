//! `deploy/up` and `deploy/down` as they are typed, in a network namespace of their own.
//!
//! Needs root and what `deploy/test` installs; `RAFTSMAN_E2E_NO_CONTAINERS=1` says that a machine has neither.

use anyhow::{Context, Result, ensure};
use e2e::{binary, containers_are_excused};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

struct Machine {
    folder: TempDir,
    namespace: String,
}

impl Machine {
    fn new() -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("raftsman-up").tempdir().context("no folder")?;
        std::os::unix::fs::symlink(binary::kubectl("newest")?, folder.path().join("kubectl"))?;
        Ok(Self { folder, namespace: format!("raftsman-up-{}", std::process::id()) })
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Runs `deploy/up` or `deploy/down`; returns what it says.
    fn deploy(&self, script: &str, arguments: &[&str]) -> Result<String> {
        let path = std::env::var("PATH").unwrap_or_default();
        let output = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(script))
            .args(arguments)
            .arg("--data-dir")
            .arg(self.data())
            .env("RAFTSMAN_BINARY", binary::raftsman()?)
            .env("RAFTSMAN_UP_NAMESPACE", &self.namespace)
            .env("PATH", format!("{}:{path}", self.folder.path().display()))
            .output()?;
        let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        let log = fs::read_to_string(self.data().join("server.log")).unwrap_or_default();
        let tail = &log[log.floor_char_boundary(log.len().saturating_sub(4000))..];
        ensure!(output.status.success(), "{script}: {}\n{text}\n--- server\n{tail}", output.status);
        Ok(text)
    }

    /// Processes that name the folder or have their root below it, and mounts in it.
    fn left(&self) -> Vec<String> {
        let own = self.data().display().to_string();
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        let mut left: Vec<String> = mounts
            .lines()
            .filter(|line| line.contains(&format!(" {own}/")))
            .map(|line| format!("mount {line}"))
            .collect();
        for process in fs::read_dir("/proc").into_iter().flatten().flatten() {
            let read = |name: &str| fs::read(process.path().join(name)).unwrap_or_default();
            let (line, mounts) = (read("cmdline"), read("mountinfo"));
            let (line, mounts) = (String::from_utf8_lossy(&line), String::from_utf8_lossy(&mounts));
            let is_inside =
                mounts.lines().any(|line| line.split(' ').nth(4) == Some("/") && line.contains(own.as_str()));
            if is_inside || line.contains(own.as_str()) {
                left.push(format!("process {} {}", process.path().display(), line.replace('\0', " ")));
            }
        }
        left
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // Whatever the test has come to; a second time is harmless.
        let _ = self.deploy("down", &["--wipe"]);
    }
}

#[test]
fn what_comes_up_goes_down_and_leaves_nothing_and_comes_up_again() -> Result<()> {
    if containers_are_excused() {
        return Ok(());
    }
    let machine = Machine::new()?;
    let page = "<h1>Hello from Raftsman</h1>";
    let up = machine.deploy("up", &["--sandbox"])?;
    ensure!(up.contains(page), "{up}");
    let again = machine.deploy("up", &["--sandbox"])?;
    ensure!(
        again.contains("==> already running (pid ") && again.contains("deployment.apps/hello unchanged"),
        "{again}"
    );
    let down = machine.deploy("down", &[])?;
    ensure!(down.contains("stopped 2 pods"), "{down}");
    ensure!(machine.left().is_empty(), "{:#?}", machine.left());
    ensure!(!Path::new("/run/netns").join(&machine.namespace).exists(), "the network namespace is left");
    machine.deploy("down", &[])?;
    let back = machine.deploy("up", &["--sandbox"])?;
    ensure!(back.contains(page) && back.contains("deployment.apps/hello unchanged"), "{back}");
    machine.deploy("down", &["--wipe"])?;
    ensure!(machine.left().is_empty() && !machine.data().exists(), "{:#?}", machine.left());
    Ok(())
}
