//! `raftsman server` with a temporary data directory, on a free port, with simulated nodes and no real one: what a test
//! kills must leave no containers behind.

use crate::{Process, binary};
use anyhow::{Context, Result, bail};
use k8s_openapi::api::core::v1::Node;
use kube::api::ListParams;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long a server may take to become ready, with all of its nodes, before the test fails.
const READY_TIMEOUT: Duration = Duration::from_secs(120);
/// Between two looks at something that is being waited for.
const POLL_INTERVAL: Duration = Duration::from_millis(20);
/// A request that hangs longer fails: a server that was killed cannot answer.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(20);
/// Ports are taken from here, below those that the kernel hands to outgoing connections: a server that was killed must
/// find its port free again.
const PORTS: std::ops::Range<u16> = 20_000..30_000;

/// One running server.
#[derive(Debug)]
pub struct Server {
    process: Process,
    folder: TempDir,
    port: u16,
    hollow_nodes: usize,
}

impl Server {
    /// Starts one on an empty directory and waits until it is ready, and its nodes too.
    ///
    /// # Errors
    /// It does not become ready.
    pub async fn start(hollow_nodes: usize) -> Result<Self> {
        // Whichever crate of the tree came first must not decide; a second call changes nothing.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let folder = tempfile::Builder::new().prefix("raftsman-e2e").tempdir().context("no temporary directory")?;
        let port = free_port()?;
        let process = spawn(folder.path(), port, hollow_nodes)?;
        let mut server = Self { process, folder, port, hollow_nodes };
        server.until_ready().await?;
        Ok(server)
    }

    /// Kills it and starts it again on the same data and port, without waiting for it to be ready.
    ///
    /// # Errors
    /// The process cannot be killed or started.
    pub fn crash(&mut self) -> Result<()> {
        self.process.kill()?;
        self.process = spawn(self.folder.path(), self.port, self.hollow_nodes)?;
        Ok(())
    }

    /// Waits until `/readyz` answers and every node is Ready.
    ///
    /// # Errors
    /// That takes too long, or the process ends.
    pub async fn until_ready(&mut self) -> Result<()> {
        let (kubeconfig, hollow_nodes) = (self.kubeconfig(), self.hollow_nodes);
        until(&mut self.process, async || ready(client_of(&kubeconfig).await?, hollow_nodes).await).await
    }

    /// A new client with the administrator's certificate.
    ///
    /// # Errors
    /// The server has not written its kubeconfig yet.
    pub async fn client(&self) -> Result<Client> {
        client_of(&self.kubeconfig()).await
    }

    /// The administrator's kubeconfig.
    pub fn kubeconfig(&self) -> PathBuf {
        self.folder.path().join("data/admin.kubeconfig")
    }

    /// The process.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }
}

/// Looks until `what` holds.
pub(crate) async fn until(process: &mut Process, what: impl AsyncFn() -> Result<()>) -> Result<()> {
    let deadline = Instant::now() + READY_TIMEOUT;
    loop {
        let Err(missing) = what().await else { return Ok(()) };
        process.check()?;
        if Instant::now() > deadline {
            bail!("not ready within {READY_TIMEOUT:?}: {missing:#}\n{}", process.log_tail());
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

/// A client as a kubeconfig says, which gives up on requests that hang.
pub(crate) async fn client_of(kubeconfig: &Path) -> Result<Client> {
    let written = Kubeconfig::read_from(kubeconfig).context("kubeconfig")?;
    let mut config =
        Config::from_custom_kubeconfig(written, &KubeConfigOptions::default()).await.context("kubeconfig")?;
    config.connect_timeout = Some(REQUEST_TIMEOUT);
    config.read_timeout = Some(REQUEST_TIMEOUT);
    Client::try_from(config).context("client")
}

async fn ready(client: Client, hollow_nodes: usize) -> Result<()> {
    client.request_text(readiness()?).await.context("/readyz")?;
    let nodes = Api::<Node>::all(client).list(&ListParams::default()).await.context("nodes")?;
    let ready = nodes.items.iter().filter(|node| is_ready(node)).count();
    if ready < hollow_nodes {
        bail!("{ready} of {hollow_nodes} nodes are Ready");
    }
    Ok(())
}

fn readiness() -> Result<http::Request<Vec<u8>>> {
    http::Request::get("/readyz").body(Vec::new()).context("no request")
}

fn is_ready(node: &Node) -> bool {
    let conditions = node.status.as_ref().and_then(|status| status.conditions.as_ref());
    conditions.is_some_and(|all| all.iter().any(|condition| condition.type_ == "Ready" && condition.status == "True"))
}

fn spawn(folder: &Path, port: u16, hollow_nodes: usize) -> Result<Process> {
    let mut command = Command::new(binary::raftsman()?);
    command.arg("server").arg("--data-dir").arg(folder.join("data"));
    command.args(["--no-node", "--secure-port", &port.to_string(), "--hollow-nodes", &hollow_nodes.to_string()]);
    Process::start(command, &folder.join("server.log"))
}

/// A port of the loopback address that nobody listens on now.
///
/// # Errors
/// All are taken.
pub fn free_port() -> Result<u16> {
    let start = (std::process::id() as u16) % (PORTS.end - PORTS.start);
    static TAKEN: std::sync::atomic::AtomicU16 = std::sync::atomic::AtomicU16::new(0);
    for _ in PORTS {
        let turn = TAKEN.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let port = PORTS.start + start.wrapping_add(turn) % (PORTS.end - PORTS.start);
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return Ok(port);
        }
    }
    bail!("no free port in {PORTS:?}")
}
