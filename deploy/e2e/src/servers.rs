//! Several servers of one cluster: a store that they replicate, one directory of keys, one port each.

use crate::server::{client_of, free_port, until};
use crate::{Process, binary};
use anyhow::{Context, Result, ensure};
use kube::Client;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// The servers, by index.
#[derive(Debug)]
pub struct Servers {
    servers: Vec<One>,
    folder: TempDir,
    initial_cluster: String,
}

#[derive(Debug)]
struct One {
    name: String,
    secure_port: u16,
    peer_url: String,
    hollow_nodes: usize,
    /// `None` while it is down.
    process: Option<Process>,
}

impl Servers {
    /// Makes keys and data directories for a server per number, each to run so many simulated nodes. None is started.
    ///
    /// # Errors
    /// The keys cannot be made.
    pub fn prepare(hollow_nodes: &[usize]) -> Result<Self> {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let folder = tempfile::Builder::new().prefix("raftsman-e2e").tempdir().context("no temporary directory")?;
        let mut servers = Vec::new();
        for (index, hollow_nodes) in hollow_nodes.iter().copied().enumerate() {
            let (name, peer_url) = (format!("s{index}"), format!("https://127.0.0.1:{}", free_port()?));
            servers.push(One { name, secure_port: free_port()?, peer_url, hollow_nodes, process: None });
        }
        let keys = folder.path().join("keys");
        let mut pki = Command::new(binary::raftsman()?);
        pki.arg("pki").arg("--dir").arg(&keys);
        for server in &servers {
            pki.arg("--server").arg(format!("{}=127.0.0.1", server.name));
        }
        let made = pki.output().context("cannot run raftsman pki")?;
        ensure!(made.status.success(), "raftsman pki: {}", String::from_utf8_lossy(&made.stderr));
        for server in &servers {
            copy_files(&keys, &server.data(folder.path()).join("pki"))?;
        }
        let pairs: Vec<String> = servers.iter().map(|server| format!("{}={}", server.name, server.peer_url)).collect();
        Ok(Self { servers, folder, initial_cluster: pairs.join(",") })
    }

    /// Starts a server that is down, on the data that it left.
    ///
    /// # Errors
    /// The process cannot be started.
    pub fn start(&mut self, index: usize) -> Result<()> {
        let server = &mut self.servers[index];
        let mut command = Command::new(binary::raftsman()?);
        command.args(["server", "--no-node", "--name", &server.name, "--data-dir"]);
        command.arg(server.data(self.folder.path()));
        command.args(["--secure-port", &server.secure_port.to_string(), "--listen-peer-urls", &server.peer_url]);
        command.args(["--initial-cluster", &self.initial_cluster]);
        command.args(["--hollow-nodes", &server.hollow_nodes.to_string()]);
        let log = self.folder.path().join(format!("{}.log", server.name));
        server.process = Some(Process::start(command, &log)?);
        Ok(())
    }

    /// SIGKILL.
    ///
    /// # Errors
    /// The process cannot be killed.
    pub fn kill(&mut self, index: usize) -> Result<()> {
        // Dropping kills as well, but says nothing.
        self.servers[index].process.take().map_or(Ok(()), |mut process| process.kill())
    }

    /// Waits until a server answers that it is ready.
    ///
    /// # Errors
    /// It does not in time, or ends.
    pub async fn until_ready(&mut self, index: usize) -> Result<()> {
        let kubeconfig = self.kubeconfig(index);
        let process = self.servers[index].process.as_mut().context("the server is down")?;
        until(process, async || {
            let request = http::Request::get("/readyz").body(Vec::new())?;
            client_of(&kubeconfig).await?.request_text(request).await.context("/readyz").map(drop)
        })
        .await
    }

    /// A client of one server, with the administrator's certificate.
    ///
    /// # Errors
    /// The server has not written its kubeconfig yet.
    pub async fn client(&self, index: usize) -> Result<Client> {
        client_of(&self.kubeconfig(index)).await
    }

    /// The index of the server of this name.
    ///
    /// # Errors
    /// There is none.
    pub fn index_of(&self, name: &str) -> Result<usize> {
        self.servers.iter().position(|server| server.name == name).with_context(|| format!("no server {name:?}"))
    }

    fn kubeconfig(&self, index: usize) -> PathBuf {
        self.servers[index].data(self.folder.path()).join("admin.kubeconfig")
    }
}

impl One {
    fn data(&self, folder: &Path) -> PathBuf {
        folder.join(&self.name)
    }
}

/// Copies the files of a directory, with their modes.
fn copy_files(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        std::fs::copy(entry.path(), to.join(entry.file_name()))?;
    }
    Ok(())
}
