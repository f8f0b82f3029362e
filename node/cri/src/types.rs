//! Sandboxes and containers in the terms of CRI v1, reduced to what the agent uses.

use jiff::Timestamp;
use std::collections::BTreeMap;

/// Labels and annotations.
pub type Map = BTreeMap<String, String>;

/// Label with the pod's name, as the kubelet sets it.
pub const LABEL_POD_NAME: &str = "io.kubernetes.pod.name";
/// Label with the pod's namespace.
pub const LABEL_POD_NAMESPACE: &str = "io.kubernetes.pod.namespace";
/// Label with the pod's uid.
pub const LABEL_POD_UID: &str = "io.kubernetes.pod.uid";
/// Label with the container's name.
pub const LABEL_CONTAINER_NAME: &str = "io.kubernetes.container.name";

/// A runtime's name and version.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Version {
    /// Such as `containerd`.
    pub name: String,
    /// Such as `1.6.20`.
    pub version: String,
}

/// Whether a runtime can run pods.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RuntimeStatus {
    /// Containers can run.
    pub runtime_ready: bool,
    /// Pods get addresses.
    pub network_ready: bool,
    /// Why not.
    pub message: String,
}

/// Which namespaces of the host a pod shares.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HostNamespaces {
    /// The host's network.
    pub network: bool,
    /// The host's processes.
    pub pid: bool,
    /// The host's IPC.
    pub ipc: bool,
    /// One process namespace for all containers of the pod.
    pub shared_pid: bool,
}

/// What a sandbox is made from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SandboxConfig {
    /// Pod's name.
    pub name: String,
    /// Pod's namespace.
    pub namespace: String,
    /// Pod's uid.
    pub uid: String,
    /// Counts sandboxes of the same pod.
    pub attempt: u32,
    /// Host name in the pod.
    pub hostname: String,
    /// Folder of the pod's container logs.
    pub log_directory: String,
    /// Name servers, search domains and options of the pod's resolver.
    pub dns: Dns,
    /// Host ports to forward.
    pub port_mappings: Vec<PortMapping>,
    /// Labels.
    pub labels: Map,
    /// Annotations.
    pub annotations: Map,
    /// Namespaces shared with the host.
    pub host: HostNamespaces,
    /// Whether any container is privileged.
    pub privileged: bool,
    /// Parent of the pod's cgroups.
    pub cgroup_parent: String,
    /// Kernel settings of the pod's namespaces.
    pub sysctls: Map,
    /// Groups of all processes.
    pub supplemental_groups: Vec<i64>,
}

/// A pod's resolver.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dns {
    /// Addresses.
    pub servers: Vec<String>,
    /// Domains.
    pub searches: Vec<String>,
    /// Options such as `ndots:5`.
    pub options: Vec<String>,
}

/// A port of the host that leads into a pod.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PortMapping {
    /// `TCP`, `UDP` or `SCTP`.
    pub protocol: String,
    /// In the pod.
    pub container_port: i32,
    /// On the host.
    pub host_port: i32,
    /// Address on the host; empty for all.
    pub host_ip: String,
}

/// State of a sandbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SandboxStatus {
    /// Id.
    pub id: String,
    /// Pod's name.
    pub name: String,
    /// Pod's namespace.
    pub namespace: String,
    /// Pod's uid.
    pub uid: String,
    /// Counts sandboxes of the same pod.
    pub attempt: u32,
    /// Whether it can take containers.
    pub ready: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// The pod's addresses, the main one first; empty on the host's network.
    pub ips: Vec<String>,
}

/// What a container is made from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ContainerConfig {
    /// Name in the pod.
    pub name: String,
    /// Counts restarts.
    pub attempt: u32,
    /// Image reference.
    pub image: String,
    /// Entry point; empty for the image's.
    pub command: Vec<String>,
    /// Arguments; empty for the image's.
    pub args: Vec<String>,
    /// Working directory; empty for the image's.
    pub working_dir: String,
    /// Environment, in order.
    pub envs: Vec<(String, String)>,
    /// Files and folders of the host.
    pub mounts: Vec<Mount>,
    /// Labels.
    pub labels: Map,
    /// Annotations.
    pub annotations: Map,
    /// File of the log, relative to the sandbox's log directory.
    pub log_path: String,
    /// Keep standard input open.
    pub stdin: bool,
    /// Close it after the first client.
    pub stdin_once: bool,
    /// Give it a terminal.
    pub tty: bool,
    /// Limits.
    pub resources: Resources,
    /// Privileges.
    pub security: Security,
}

/// A file or folder of the host in a container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mount {
    /// Path in the container.
    pub container_path: String,
    /// Path on the host.
    pub host_path: String,
    /// Whether writes are refused.
    pub readonly: bool,
    /// Whether mounts made later are seen, and by whom.
    pub propagation: Propagation,
}

/// Who sees mounts made later.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Propagation {
    /// Nobody.
    #[default]
    Private,
    /// The container sees the host's.
    HostToContainer,
    /// Both see each other's.
    Bidirectional,
}

/// Limits of a container, as the kernel counts them; 0 means none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resources {
    /// Microseconds.
    pub cpu_period: i64,
    /// Microseconds of a period.
    pub cpu_quota: i64,
    /// Relative weight.
    pub cpu_shares: i64,
    /// Bytes.
    pub memory_limit_bytes: i64,
    /// -1000 to 1000.
    pub oom_score_adj: i64,
}

/// Privileges of a container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Security {
    /// All of them.
    pub privileged: bool,
    /// Capabilities beyond the default.
    pub add_capabilities: Vec<String>,
    /// Capabilities taken away.
    pub drop_capabilities: Vec<String>,
    /// Numeric user; `None` for the image's.
    pub run_as_user: Option<i64>,
    /// Numeric group; `None` for the image's.
    pub run_as_group: Option<i64>,
    /// User by name; empty for the image's.
    pub run_as_username: String,
    /// Further groups.
    pub supplemental_groups: Vec<i64>,
    /// The root file system cannot be written.
    pub readonly_rootfs: bool,
    /// No process gets more privileges than its parent.
    pub no_new_privs: bool,
    /// Which system calls are let through.
    pub seccomp: Profile,
    /// `None` leaves the choice to the runtime.
    pub app_armor: Option<Profile>,
    /// Paths hidden from the container; the runtime's default unless unmasked.
    pub unmasked_proc: bool,
    /// Namespaces shared with the host, as in the sandbox.
    pub host: HostNamespaces,
}

/// What confines the processes of a container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Profile {
    /// Nothing.
    #[default]
    Unconfined,
    /// The runtime's own profile.
    RuntimeDefault,
    /// A profile of this machine: for seccomp the path of its file, for AppArmor the name that it is loaded under.
    Localhost(String),
}

/// State of a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ContainerState {
    /// Made and not started.
    Created,
    /// Running.
    Running,
    /// Ended.
    Exited,
    /// The runtime does not know.
    Unknown,
}

/// A container as the runtime knows it. Lists may leave out what only the status call says; the agent asks for it then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerStatus {
    /// Id.
    pub id: String,
    /// Sandbox it lives in.
    pub sandbox_id: String,
    /// Name in the pod.
    pub name: String,
    /// Counts restarts.
    pub attempt: u32,
    /// State.
    pub state: ContainerState,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was started.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// How it ended.
    pub exit_code: i32,
    /// Such as `Completed`, `Error`, `OOMKilled`.
    pub reason: String,
    /// Why, in words.
    pub message: String,
    /// Reference as asked for.
    pub image: String,
    /// Reference by digest.
    pub image_ref: String,
    /// File of the log on the host; empty where the runtime itself tells the log ([`crate::Runtime::log`]).
    pub log_path: String,
    /// Whom its first process runs as, where the runtime says so.
    pub user: Option<User>,
    /// Labels.
    pub labels: Map,
    /// Annotations.
    pub annotations: Map,
}

/// Whom a process runs as.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct User {
    /// Numeric user.
    pub uid: i64,
    /// Numeric group.
    pub gid: i64,
    /// Further groups.
    pub groups: Vec<i64>,
}

/// Whom a registry takes us for.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Credentials {
    /// Name.
    pub username: String,
    /// Secret.
    pub password: String,
    /// Stands in for both.
    pub identity_token: String,
    /// The registry that they are for.
    pub server: String,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Credentials({}@{})", self.username, self.server)
    }
}

/// What a command printed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExecOutput {
    /// Standard output.
    pub stdout: Vec<u8>,
    /// Standard error.
    pub stderr: Vec<u8>,
    /// 0 for success.
    pub exit_code: i32,
}

/// An image that is here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Image {
    /// Id (digest of its configuration).
    pub id: String,
    /// Names.
    pub tags: Vec<String>,
    /// Names by digest.
    pub digests: Vec<String>,
    /// Bytes.
    pub size_bytes: u64,
    /// The numeric user it runs as.
    pub uid: Option<i64>,
    /// The user it runs as, by name.
    pub username: String,
}

/// A pod whose sandbox or containers changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The pod's uid.
    pub pod_uid: String,
}
