//! One server with a real node, in a network namespace of its own; nothing of it is left when it is dropped.

use anyhow::{Context, Result, bail, ensure};
use e2e::{Process, binary};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long anything that is waited for may take. Debug builds on a busy machine are slow.
pub(crate) const STEP_TIMEOUT: Duration = Duration::from_secs(90);
/// Between two looks.
const POLL_INTERVAL: Duration = Duration::from_millis(250);
/// The image that all pods run: a static busybox.
pub(crate) const IMAGE: &str = "raftsman.local/hello:1";

/// A running cluster of one real node.
pub(crate) struct Cluster {
    process: Option<Process>,
    namespace: String,
    folder: TempDir,
}

impl Cluster {
    /// Makes the namespace, starts the server, waits for the node, imports the image.
    pub(crate) fn start() -> Result<Self> {
        ensure!(text("id", &["-u"])?.trim() == "0", "namespaces and mounts need root");
        let folder = tempfile::Builder::new().prefix("raftsman-containers").tempdir().context("no folder")?;
        let namespace = format!("raftsman-e2e-{}", std::process::id());
        let mut cluster = Self { process: None, namespace, folder };
        text("ip", &["netns", "add", &cluster.namespace])?;
        text("nsenter", &[&cluster.enter(), "ip", "link", "set", "lo", "up"])?;
        fs::create_dir(cluster.path("bin"))?;
        fs::create_dir(cluster.path("shared"))?;
        std::os::unix::fs::symlink(binary::kubectl("newest")?, cluster.path("bin/kubectl"))?;
        cluster.run_server(&[])?;
        cluster.until_ready()?;
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../hello-image");
        let socket = cluster.socket();
        cluster.shell(&format!("{} | ctr -a {} -n k8s.io images import -", script.display(), socket.display()))?;
        Ok(cluster)
    }

    /// Starts the server on the same data.
    pub(crate) fn run_server(&mut self, further: &[&str]) -> Result<()> {
        let mut command = Command::new("nsenter");
        command.arg(self.enter()).arg(binary::raftsman()?).arg("server").arg("--data-dir").arg(self.path("data"));
        command.args(["--node-name", "real"]).args(further);
        self.process = Some(Process::start(command, &self.path("server.log"))?);
        Ok(())
    }

    /// SIGTERM and the end.
    pub(crate) fn end_server(&mut self) -> Result<()> {
        let mut process = self.process.take().context("no server runs")?;
        let status = process.terminate()?;
        ensure!(status.success(), "the server ended with {status}");
        Ok(())
    }

    /// SIGKILL.
    pub(crate) fn kill_server(&mut self) -> Result<()> {
        self.process.take().context("no server runs")?.kill()
    }

    /// Waits for the node.
    pub(crate) fn until_ready(&mut self) -> Result<()> {
        let deadline = Instant::now() + STEP_TIMEOUT;
        let ready = "kubectl get node real -o jsonpath='{.status.conditions[?(@.type==\"Ready\")].status}'";
        loop {
            if self.shell(ready).is_ok_and(|out| out == "True") {
                return Ok(());
            }
            self.process.as_mut().context("no server runs")?.check()?;
            ensure!(Instant::now() < deadline, "no Ready node\n{}", self.evidence());
            std::thread::sleep(POLL_INTERVAL);
        }
    }

    /// Runs a line of shell inside the namespace, with `kubectl` in its path; returns what it prints.
    pub(crate) fn shell(&self, line: &str) -> Result<String> {
        self.shell_with(line, "")
    }

    /// Applies a manifest.
    pub(crate) fn apply(&self, manifest: &str) -> Result<()> {
        self.shell_with("kubectl apply -f -", manifest).map(drop)
    }

    /// Waits until the line prints this.
    pub(crate) fn until(&self, line: &str, wanted: &str) -> Result<()> {
        self.until_some(line, |out| (out == wanted).then_some(())).with_context(|| format!("wanted {wanted:?}"))
    }

    /// Waits until what the line prints holds this.
    pub(crate) fn until_holds(&self, line: &str, wanted: &str) -> Result<()> {
        self.until_some(line, |out| out.contains(wanted).then_some(())).with_context(|| format!("wanted {wanted:?}"))
    }

    /// Waits until something is found in what the line prints.
    pub(crate) fn until_some<T>(&self, line: &str, find: impl Fn(&str) -> Option<T>) -> Result<T> {
        let deadline = Instant::now() + STEP_TIMEOUT;
        loop {
            let got = self.shell(line);
            if let Some(found) = got.as_ref().ok().and_then(|out| find(out)) {
                return Ok(found);
            }
            if Instant::now() > deadline {
                bail!("`{line}` printed last: {got:?}");
            }
            std::thread::sleep(POLL_INTERVAL);
        }
    }

    /// A path below the test's folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A folder that pods can mount as `hostPath`.
    pub(crate) fn shared(&self, name: &str) -> Result<PathBuf> {
        let path = self.path("shared").join(name);
        fs::create_dir_all(&path)?;
        Ok(path)
    }

    /// The private containerd's socket.
    pub(crate) fn socket(&self) -> PathBuf {
        self.path("data/node/containerd/containerd.sock")
    }

    /// What helps to see why something failed.
    pub(crate) fn evidence(&self) -> String {
        let pods = self.shell("kubectl get pods -A -o wide; kubectl get events --sort-by=.lastTimestamp | tail -n 60");
        let log = self.process.as_ref().map(Process::log_tail).unwrap_or_default();
        format!("--- pods and events\n{}\n--- server\n{log}", pods.unwrap_or_default())
    }

    fn enter(&self) -> String {
        format!("--net=/run/netns/{}", self.namespace)
    }

    fn shell_with(&self, line: &str, input: &str) -> Result<String> {
        let path = std::env::var("PATH").unwrap_or_default();
        let mut child = Command::new("nsenter")
            .args([&self.enter(), "sh", "-c", line])
            .env("PATH", format!("{}:{path}", self.path("bin").display()))
            .env("KUBECONFIG", self.path("data/admin.kubeconfig"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        child.stdin.take().context("no input")?.write_all(input.as_bytes())?;
        let output = child.wait_with_output()?;
        let out = String::from_utf8_lossy(&output.stdout).into_owned();
        if !output.status.success() {
            bail!("`{line}`: {}{out}{}", output.status, String::from_utf8_lossy(&output.stderr));
        }
        Ok(out)
    }

    /// Containers outlive the server on purpose. What has its root file system below the folder is ours.
    fn kill_containers(&self) {
        let own = self.folder.path().display().to_string();
        let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
        for process in processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok()) {
            let read = |name: &str| fs::read_to_string(format!("/proc/{process}/{name}")).unwrap_or_default();
            let mounts = read("mountinfo");
            let is_inside =
                mounts.lines().any(|line| line.split(' ').nth(4) == Some("/") && line.contains(own.as_str()));
            let line = read("cmdline");
            if is_inside || (line.contains("containerd") && line.contains(own.as_str())) {
                // Best effort: it may have ended in between.
                let _ = Command::new("kill").args(["-KILL", &process.to_string()]).stderr(Stdio::null()).status();
            }
        }
    }

    fn unmount(&self) {
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        let points = mounts.lines().filter_map(|line| line.split(' ').nth(4));
        let mut own: Vec<&str> = points.filter(|point| Path::new(point).starts_with(self.folder.path())).collect();
        own.sort_unstable_by_key(|point| std::cmp::Reverse(point.len()));
        for point in own {
            let _ = Command::new("umount").args(["-l", point]).stderr(Stdio::null()).status();
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.terminate();
        }
        // Shims first seen may start a last process while they are ended: a second look finds it.
        self.kill_containers();
        self.kill_containers();
        self.unmount();
        let _ = Command::new("ip").args(["netns", "delete", &self.namespace]).status();
    }
}

fn text(program: &str, arguments: &[&str]) -> Result<String> {
    let output = Command::new(program).args(arguments).output().with_context(|| format!("{program} is missing"))?;
    ensure!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
