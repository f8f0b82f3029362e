//! What real containers need before they are made: volumes, environment, resolver, hosts file, privileges.
//!
//! Simulated nodes have none of it. What is decided is decided in pure functions; this fetches, calls them and writes.

pub mod environment;
pub mod fields;
pub mod network;
pub mod registry;
pub mod security;
pub mod services;
pub mod sources;
pub mod storage;
pub mod usage;

use crate::options::{Options, Real};
use crate::pods::config;
use crate::pods::observed::uid;
use crate::volumes;
use fields::Addresses;
use k8s_openapi::api::core::v1::{Container, Pod};
use kube::Client;
use node_cri::{ContainerConfig, Image, Mount, SandboxConfig, SandboxStatus};
use sources::Sources;
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;

/// Where a container writes why it ended, unless it says otherwise.
const TERMINATION_PATH: &str = "/dev/termination-log";
/// Longest termination message (upstream's limit); the rest is cut.
const TERMINATION_BYTES_MAX: usize = 4096;
const HOSTS_PATH: &str = "/etc/hosts";

/// Makes what containers need. One for an agent.
pub struct Materials {
    client: Client,
    options: Arc<Options>,
    settings: Real,
}

/// Why a container cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The pod asks for something that is not there; the message of `CreateContainerConfigError`.
    #[error("{0}")]
    Config(String),
    /// The API server did not answer.
    #[error("API server: {0}")]
    Api(#[from] kube::Error),
    /// The agent's folder cannot be written.
    #[error("{0}")]
    Files(#[from] io::Error),
}

impl Materials {
    /// For a node with real containers.
    pub fn new(client: Client, options: Arc<Options>, settings: Real) -> Self {
        Self { client, options, settings }
    }

    /// Adds the resolver, the full host name where it is asked for, and kernel settings to a sandbox.
    ///
    /// # Errors
    /// The host name is longer than the kernel takes.
    pub async fn sandbox(&self, pod: &Pod, mut sandbox: SandboxConfig) -> Result<SandboxConfig, String> {
        sandbox.hostname = network::hostname(pod, sandbox.hostname, &self.settings.cluster_domain)?;
        let context = pod.spec.as_ref().and_then(|spec| spec.security_context.as_ref());
        let sysctls = context.into_iter().flat_map(|context| context.sysctls.iter().flatten());
        sandbox.sysctls = sysctls.map(|one| (one.name.replace('/', "."), one.value.clone())).collect();
        let host = tokio::fs::read_to_string("/etc/resolv.conf").await.unwrap_or_default();
        sandbox.dns = network::dns(pod, &self.settings, &host);
        let containers = pod.spec.iter().flat_map(|spec| &spec.containers);
        let is_privileged = |container: &Container| security::security(pod, container, &self.settings.root).privileged;
        sandbox.privileged = containers.into_iter().any(is_privileged);
        Ok(sandbox)
    }

    /// Everything about a container.
    ///
    /// # Errors
    /// Something that it refers to is missing, or it would run as root and must not.
    pub async fn container(
        &self,
        pod: &Pod,
        container: &Container,
        sandbox: &SandboxStatus,
        image: &Image,
        attempt: u32,
    ) -> Result<ContainerConfig, ConfigError> {
        let namespace = pod.metadata.namespace.as_deref().unwrap_or_default();
        let links = pod.spec.as_ref().and_then(|spec| spec.enable_service_links).unwrap_or(true);
        security::verify_non_root(pod, container, image).map_err(ConfigError::Config)?;
        let sources = Sources::fetch(&self.client, namespace, &environment::wanted(container)).await?;
        let services = sources::services(&self.client, namespace, links).await?;
        let addresses = self.addresses(pod, &sandbox.ips);
        let inputs = environment::Inputs {
            pod,
            container,
            sources: &sources,
            services: &services,
            addresses: &addresses,
            capacity: &self.options.capacity,
        };
        let envs = environment::environment(&inputs).map_err(ConfigError::Config)?;
        let lookup = |name: &str| envs.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
        let mut config = config::container(pod, container, attempt);
        for text in config.command.iter_mut().chain(&mut config.args) {
            *text = environment::expand(text, lookup);
        }
        config.security = security::security(pod, container, &self.settings.root);
        config.resources = security::resources(pod, container, self.options.capacity.memory_bytes);
        let mut mounts =
            storage::mounts(&self.settings.root, pod, container, lookup).await.map_err(ConfigError::Config)?;
        self.add_files(pod, container, &addresses, attempt, &mut mounts)?;
        config.mounts = mounts;
        config.envs = envs;
        Ok(config)
    }

    /// What a container that ended left as its last words.
    pub async fn termination_message(&self, pod_uid: &str, container: &str, attempt: u32) -> Option<String> {
        let mut bytes = tokio::fs::read(self.termination_file(pod_uid, container, attempt)).await.ok()?;
        bytes.truncate(TERMINATION_BYTES_MAX);
        Some(String::from_utf8_lossy(&bytes).into_owned()).filter(|text| !text.is_empty())
    }

    /// The client that the pod's objects are fetched with.
    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// The agent's settings.
    pub(crate) fn options(&self) -> &Options {
        &self.options
    }

    /// The settings of real containers.
    pub(crate) fn settings(&self) -> &Real {
        &self.settings
    }

    /// Addresses that the pod's fields show.
    pub(crate) fn addresses(&self, pod: &Pod, pod_ips: &[String]) -> Addresses {
        let host = vec![self.options.node_ip.to_string()];
        let on_host = pod.spec.as_ref().and_then(|spec| spec.host_network) == Some(true);
        Addresses { pod_ips: if on_host { host.clone() } else { pod_ips.to_vec() }, host_ips: host }
    }

    /// The hosts file and the file of the last words.
    fn add_files(
        &self,
        pod: &Pod,
        container: &Container,
        addresses: &Addresses,
        attempt: u32,
        mounts: &mut Vec<Mount>,
    ) -> Result<(), io::Error> {
        let folder = volumes::pod_folder(&self.settings.root, uid(pod));
        fs::create_dir_all(&folder)?;
        if !mounts.iter().any(|mount| mount.container_path == HOSTS_PATH) {
            let file = folder.join("etc-hosts");
            let host = fs::read_to_string(HOSTS_PATH).unwrap_or_default();
            let hostname = config::sandbox(pod, 0, String::new()).hostname;
            fs::write(&file, network::hosts(pod, &hostname, &addresses.pod_ips, &self.settings, &host))?;
            fs::set_permissions(&file, Permissions::from_mode(0o644))?;
            mounts.push(file_mount(HOSTS_PATH, file));
        }
        let path = container.termination_message_path.as_deref().unwrap_or(TERMINATION_PATH);
        let file = self.termination_file(uid(pod), &container.name, attempt);
        if let Some(parent) = file.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(&file, "")?;
        // Whatever user the container runs as has to be able to write it.
        fs::set_permissions(&file, Permissions::from_mode(0o666))?;
        mounts.push(file_mount(path, file));
        Ok(())
    }

    fn termination_file(&self, pod_uid: &str, container: &str, attempt: u32) -> PathBuf {
        volumes::pod_folder(&self.settings.root, pod_uid).join("containers").join(container).join(attempt.to_string())
    }
}

fn file_mount(path: &str, file: PathBuf) -> Mount {
    Mount { container_path: path.to_owned(), host_path: file.to_string_lossy().into_owned(), ..Mount::default() }
}
