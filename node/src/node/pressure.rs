//! What of the machine is running out, as the node's conditions tell it.

use serde_json::{Value, json};
use std::path::Path;

/// With less memory than this the node takes no new pods (upstream: `memory.available<100Mi`).
const MEMORY_BYTES_MIN: u64 = 100 << 20;
/// The same of the file system. Upstream takes a part of it, which on a large one is more than pods will ever write.
const DISK_BYTES_MIN: u64 = 1 << 30;
/// The same of its names.
const INODES_MIN: u64 = 10_000;

/// What is short.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pressure {
    /// Memory.
    pub memory: bool,
    /// Room, or names, on the agent's file system.
    pub disk: bool,
}

impl Pressure {
    /// Looks at this machine, and at the file system of `directory`. What cannot be read is not short.
    pub fn read(directory: &Path) -> Self {
        let memory = std::fs::read_to_string("/proc/meminfo").ok();
        let available = memory.as_deref().and_then(available_bytes);
        let disk = rustix::fs::statvfs(directory).ok();
        Self {
            memory: available.is_some_and(|bytes| bytes < MEMORY_BYTES_MIN),
            disk: disk.is_some_and(|disk| {
                let bytes = |blocks: u64| blocks.saturating_mul(disk.f_frsize);
                is_short(bytes(disk.f_bavail), bytes(disk.f_blocks), DISK_BYTES_MIN)
                    || is_short(disk.f_favail, disk.f_files, INODES_MIN)
            }),
        }
    }

    /// Three conditions, in upstream's order and words; processes are not counted (upstream has no threshold either).
    pub(super) fn conditions(self) -> [Value; 3] {
        let memory = match self.memory {
            false => ("False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
            true => ("True", "KubeletHasInsufficientMemory", "kubelet has insufficient memory available"),
        };
        let disk = match self.disk {
            false => ("False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
            true => ("True", "KubeletHasDiskPressure", "kubelet has disk pressure"),
        };
        [
            condition("MemoryPressure", memory.0, memory.1, memory.2),
            condition("DiskPressure", disk.0, disk.1, disk.2),
            condition("PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
        ]
    }
}

/// A condition without its times.
pub(super) fn condition(type_: &str, status: &str, reason: &str, message: &str) -> Value {
    json!({ "type": type_, "status": status, "reason": reason, "message": message })
}

fn available_bytes(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.trim().strip_suffix(" kB")?.parse::<u64>().ok().map(|kib| kib * 1024)
}

/// Some file systems count no names: there are none of them in all, and none is missing.
fn is_short(available: u64, all: u64, least: u64) -> bool {
    all > 0 && available < least
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_short_is_told_by_its_condition() {
        let told = |memory, disk| {
            let all = Pressure { memory, disk }.conditions();
            all.map(|one| format!("{}={}", one["type"].as_str().unwrap(), one["status"].as_str().unwrap())).join(" ")
        };
        assert_eq!(told(false, false), "MemoryPressure=False DiskPressure=False PIDPressure=False");
        assert_eq!(told(true, true), "MemoryPressure=True DiskPressure=True PIDPressure=False");
        assert_eq!(Pressure { disk: true, memory: false }.conditions()[1]["reason"], "KubeletHasDiskPressure");
    }

    #[test]
    fn what_is_not_counted_is_not_short() {
        assert!(is_short(49, 1000, 50) && !is_short(50, 1000, 50) && !is_short(0, 0, 50));
        assert_eq!(available_bytes("MemTotal: 9 kB\nMemAvailable:     12 kB\n"), Some(12 << 10));
        assert!(Pressure::read(Path::new("/proc")) == Pressure::read(Path::new("/none")));
    }
}
