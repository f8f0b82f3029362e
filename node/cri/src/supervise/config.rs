//! What containerd and the network plugins are told.

use crate::image::PAUSE_IMAGE;
use serde_json::{Value, json};
use std::ffi::CString;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// The bridge that the pods of this machine hang on.
const BRIDGE: &str = "raftsman0";

pub(super) fn socket(directory: &Path) -> PathBuf {
    directory.join("containerd.sock")
}

/// containerd's own configuration, version 2: one runtime, no ports, nothing outside `directory`.
pub(super) fn containerd(directory: &Path, cni_directory: &Path, snapshotter: &str, can_lower_oom: bool) -> String {
    let quoted = |path: PathBuf| Value::from(path.to_string_lossy()).to_string();
    format!(
        r#"version = 2
root = {root}
state = {state}
disabled_plugins = [
    "io.containerd.internal.v1.opt",
    "io.containerd.internal.v1.restart",
    "io.containerd.snapshotter.v1.aufs",
    "io.containerd.snapshotter.v1.btrfs",
    "io.containerd.snapshotter.v1.devmapper",
    "io.containerd.snapshotter.v1.zfs",
]

[grpc]
address = {socket}

[plugins."io.containerd.grpc.v1.cri"]
disable_tcp_service = true
stream_server_address = "127.0.0.1"
sandbox_image = "{PAUSE_IMAGE}"
netns_mounts_under_state_dir = true
restrict_oom_score_adj = {restrict_oom}

[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = {plugins}
conf_dir = {network}
max_conf_num = 1

[plugins."io.containerd.grpc.v1.cri".containerd]
snapshotter = "{snapshotter}"
default_runtime_name = "runc"
discard_unpacked_layers = false

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
SystemdCgroup = false
"#,
        restrict_oom = !can_lower_oom,
        root = quoted(directory.join("root")),
        state = quoted(directory.join("state")),
        socket = quoted(socket(directory)),
        plugins = quoted(cni_directory.to_owned()),
        network = quoted(directory.join("net.d")),
    )
}

/// Whether this process may protect others from the out-of-memory killer, as sandboxes are: `CAP_SYS_RESOURCE`, which
/// machines within machines often lack.
pub(super) fn can_lower_oom() -> bool {
    const CAP_SYS_RESOURCE: u32 = 24;
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let bits = effective.and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok()).unwrap_or(0);
    bits >> CAP_SYS_RESOURCE & 1 == 1
}

/// A bridge with addresses from `pod_cidr`; with iptables also masquerading towards the world and host ports.
pub(super) fn network(pod_cidr: ipnet::IpNet, addresses: &Path, has_portmap: bool, has_iptables: bool) -> String {
    let everywhere = if pod_cidr.addr().is_ipv4() { "0.0.0.0/0" } else { "::/0" };
    let mut plugins = vec![json!({
        "type": "bridge",
        "bridge": BRIDGE,
        "isGateway": true,
        "ipMasq": has_iptables,
        "hairpinMode": true,
        "ipam": {
            "type": "host-local",
            "ranges": [[{ "subnet": pod_cidr.trunc() }]],
            "routes": [{ "dst": everywhere }],
            "dataDir": addresses,
        },
    })];
    if has_portmap {
        plugins.push(json!({ "type": "portmap", "capabilities": { "portMappings": true } }));
    }
    format!("{:#}\n", json!({ "cniVersion": "0.4.0", "name": "raftsman", "plugins": plugins }))
}

/// `overlayfs` if the kernel and the file system of `directory` can do it (tried out), otherwise `native`, which copies.
pub(super) fn snapshotter(directory: &Path) -> io::Result<&'static str> {
    let probe = directory.join("overlay-probe");
    for name in ["lower", "upper", "work", "merged"] {
        std::fs::create_dir_all(probe.join(name))?;
    }
    let path = |name: &str| probe.join(name).display().to_string();
    let options = format!("lowerdir={},upperdir={},workdir={}", path("lower"), path("upper"), path("work"));
    let options = CString::new(options)?;
    let merged = CString::new(probe.join("merged").as_os_str().as_bytes())?;
    let mounted = rustix::mount::mount(
        c"overlay",
        merged.as_c_str(),
        c"overlay",
        rustix::mount::MountFlags::empty(),
        Some(options.as_c_str()),
    );
    let can = mounted.is_ok();
    if can {
        rustix::mount::unmount(merged.as_c_str(), rustix::mount::UnmountFlags::empty())?;
    }
    std::fs::remove_dir_all(&probe)?;
    Ok(if can { "overlayfs" } else { "native" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pods_are_masqueraded_and_ports_forwarded_only_where_iptables_is() {
        let network = |has_iptables| {
            let text = network("10.42.7.3/24".parse().unwrap(), Path::new("/a"), has_iptables, has_iptables);
            serde_json::from_str::<Value>(&text).unwrap()
        };
        let full = network(true);
        assert_eq!(full["plugins"][0]["ipam"]["ranges"][0][0]["subnet"], "10.42.7.0/24");
        assert_eq!((&full["plugins"][0]["ipMasq"], &full["plugins"][1]["type"]), (&json!(true), &json!("portmap")));
        let bare = network(false);
        assert_eq!((&bare["plugins"][0]["ipMasq"], bare["plugins"].get(1)), (&json!(false), None));
    }

    #[test]
    fn nothing_of_containerd_lies_outside_its_directory() {
        let text = containerd(Path::new("/data/containerd"), Path::new("/usr/lib/cni"), "overlayfs", true);
        let paths: Vec<_> = text.lines().filter_map(|line| line.split_once(" = \"/")).collect();
        assert_eq!(paths.len(), 5, "{paths:?}");
        for (key, path) in paths {
            assert!(key == "bin_dir" || path.starts_with("data/containerd/"), "{key} {path}");
        }
    }
}
