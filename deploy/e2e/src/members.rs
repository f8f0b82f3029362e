//! A static set of `raftsman store` members that serve etcd's wire on the loopback address.

use crate::server::free_port;
use crate::{Process, binary};
use anyhow::{Context, Result, bail};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};
use store_client::{RemoteOptions, RemoteStore, Store};
use store_types::etcdserverpb as pb;
use tempfile::TempDir;

/// How long the members may take to agree on a leader before the test fails.
const LEADER_TIMEOUT: Duration = Duration::from_secs(60);
/// Between two looks at something that is being waited for.
const POLL_INTERVAL: Duration = Duration::from_millis(20);
/// How long one member may take to tell its state.
const STATUS_TIMEOUT: Duration = Duration::from_secs(2);

/// The members, by index.
#[derive(Debug)]
pub struct Members {
    members: Vec<Member>,
    folder: TempDir,
    initial_cluster: String,
}

#[derive(Debug)]
struct Member {
    name: String,
    client_url: String,
    peer_url: String,
    /// `None` while it is down.
    process: Option<Process>,
}

impl Members {
    /// Starts `count` members on empty directories and waits for a leader.
    ///
    /// # Errors
    /// There is none in time.
    pub async fn start(count: usize) -> Result<Self> {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let folder = tempfile::Builder::new().prefix("raftsman-e2e").tempdir().context("no temporary directory")?;
        let url = || free_port().map(|port| format!("http://127.0.0.1:{port}"));
        let members = (0..count)
            .map(|index| Ok(Member { name: format!("m{index}"), client_url: url()?, peer_url: url()?, process: None }))
            .collect::<Result<Vec<_>>>()?;
        let pairs: Vec<String> = members.iter().map(|member| format!("{}={}", member.name, member.peer_url)).collect();
        let mut started = Self { members, folder, initial_cluster: pairs.join(",") };
        for index in 0..count {
            started.revive(index)?;
        }
        started.leader().await?;
        Ok(started)
    }

    /// Starts a member that is down, on the data that it left.
    ///
    /// # Errors
    /// The process cannot be started.
    pub fn revive(&mut self, index: usize) -> Result<()> {
        let member = &mut self.members[index];
        member.process = Some(spawn(member, self.folder.path(), &self.initial_cluster)?);
        Ok(())
    }

    /// SIGKILL.
    ///
    /// # Errors
    /// The process cannot be killed.
    pub fn kill(&mut self, index: usize) -> Result<()> {
        // Dropping kills as well, but says nothing.
        self.members[index].process.take().map_or(Ok(()), |mut process| process.kill())
    }

    /// Waits until a member leads and says so itself.
    ///
    /// # Errors
    /// None does in time.
    pub async fn leader(&mut self) -> Result<usize> {
        let deadline = Instant::now() + LEADER_TIMEOUT;
        while Instant::now() < deadline {
            for index in 0..self.members.len() {
                let Some(process) = &mut self.members[index].process else { continue };
                process.check()?;
                if let Ok(status) = self.status(index).await
                    && status.header.as_ref().is_some_and(|header| header.member_id == status.leader)
                {
                    return Ok(index);
                }
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
        bail!("no leader within {LEADER_TIMEOUT:?}")
    }

    /// Waits until the member knows a leader, and has applied what that leader had applied when asked.
    ///
    /// # Errors
    /// It does not in time.
    pub async fn until_caught_up(&mut self, index: usize) -> Result<()> {
        let leader = self.leader().await?;
        let wanted = self.status(leader).await?.raft_applied_index;
        let deadline = Instant::now() + LEADER_TIMEOUT;
        while Instant::now() < deadline {
            if let Ok(status) = self.status(index).await
                && status.leader != 0
                && status.raft_applied_index >= wanted
            {
                return Ok(());
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
        bail!("member {index} did not catch up with index {wanted} within {LEADER_TIMEOUT:?}")
    }

    /// A client of all members.
    ///
    /// # Errors
    /// The URLs are not such.
    pub fn client(&self) -> Result<RemoteStore> {
        let endpoints = self.members.iter().map(|member| member.client_url.clone()).collect();
        Ok(RemoteStore::new(&RemoteOptions { endpoints, tls: None })?)
    }

    /// A client of one member.
    ///
    /// # Errors
    /// The URL is not such.
    pub fn client_of(&self, index: usize) -> Result<RemoteStore> {
        let endpoints = vec![self.members[index].client_url.clone()];
        Ok(RemoteStore::new(&RemoteOptions { endpoints, tls: None })?)
    }

    async fn status(&self, index: usize) -> Result<pb::StatusResponse> {
        let client = self.client_of(index)?;
        let asked = tokio::time::timeout(STATUS_TIMEOUT, client.status(pb::StatusRequest::default())).await;
        Ok(asked.context("no status in time")??)
    }
}

fn spawn(member: &Member, folder: &Path, initial_cluster: &str) -> Result<Process> {
    let mut command = Command::new(binary::raftsman()?);
    command.args(["store", "--name", &member.name, "--data-dir"]).arg(folder.join(&member.name));
    command.args(["--listen-client-urls", &member.client_url, "--advertise-client-urls", &member.client_url]);
    command.args(["--listen-peer-urls", &member.peer_url, "--initial-advertise-peer-urls", &member.peer_url]);
    command.args(["--initial-cluster", initial_cluster]);
    Process::start(command, &folder.join(format!("{}.log", member.name)))
}
