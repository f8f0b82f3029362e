//! What a machine must have to run pods.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// Where distributions put the network plugins.
const CNI_DIRECTORIES: [&str; 2] = ["/opt/cni/bin", "/usr/lib/cni"];
const CNI_PLUGINS: [&str; 3] = ["bridge", "host-local", "loopback"];
/// Where programs are looked for besides `PATH`, which for services often lacks them.
const SYSTEM_DIRECTORIES: [&str; 3] = ["/usr/local/sbin", "/usr/sbin", "/sbin"];

/// The programs found on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tools {
    pub(super) containerd: PathBuf,
    pub(super) ctr: PathBuf,
    pub(super) busybox: PathBuf,
    pub(super) cni_directory: PathBuf,
    pub(super) has_iptables: bool,
    pub(super) has_portmap: bool,
}

/// Why this machine cannot run pods.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Missing {
    /// Namespaces and mounts need root.
    #[error("not running as root")]
    Root,
    /// A program is not there.
    #[error("{0} is not installed")]
    Program(&'static str),
    /// No folder with the network plugins.
    #[error("no CNI plugins (bridge, host-local, loopback) in /opt/cni/bin or /usr/lib/cni")]
    Network,
}

impl Tools {
    /// Looks for them.
    ///
    /// # Errors
    /// The first thing that is missing.
    pub fn find() -> Result<Self, Missing> {
        if !rustix::process::geteuid().is_root() {
            return Err(Missing::Root);
        }
        let need = |name| find(name).ok_or(Missing::Program(name));
        let containerd = need("containerd")?;
        need("containerd-shim-runc-v2")?;
        need("runc")?;
        let ctr = need("ctr")?;
        let busybox = need("busybox")?;
        if !std::fs::read(&busybox).is_ok_and(|bytes| is_static(&bytes)) {
            return Err(Missing::Program("a static busybox"));
        }
        let has_all = |folder: &&&str| CNI_PLUGINS.iter().all(|plugin| Path::new(folder).join(plugin).is_file());
        let cni_directory = CNI_DIRECTORIES.iter().find(has_all).map(PathBuf::from).ok_or(Missing::Network)?;
        Ok(Self {
            containerd,
            ctr,
            busybox,
            has_iptables: find("iptables").is_some(),
            has_portmap: cni_directory.join("portmap").is_file(),
            cni_directory,
        })
    }
}

fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(SYSTEM_DIRECTORIES.iter().map(PathBuf::from));
    folders
        .filter(|folder| folder.as_os_str() != OsStr::new(""))
        .map(|folder| folder.join(name))
        .find(|at| at.is_file())
}

/// Whether an executable needs no loader: it must run in an otherwise empty image. 64-bit little-endian ELF only, as on
/// all platforms that this is built for.
fn is_static(elf: &[u8]) -> bool {
    const PROGRAM_HEADERS_AT: usize = 32;
    const HEADER_BYTES_AT: usize = 54;
    const HEADER_COUNT_AT: usize = 56;
    const INTERPRETER: u64 = 3;
    let number = |at: usize, bytes: usize| {
        let bytes = elf.get(at..at.checked_add(bytes)?)?;
        Some(bytes.iter().rev().fold(0_u64, |number, byte| number << 8 | u64::from(*byte)))
    };
    let kinds = || {
        let start = usize::try_from(number(PROGRAM_HEADERS_AT, 8)?).ok()?;
        let size = usize::try_from(number(HEADER_BYTES_AT, 2)?).ok()?;
        let count = usize::try_from(number(HEADER_COUNT_AT, 2)?).ok()?;
        (0..count).map(|index| number(start.checked_add(index * size)?, 4)).collect::<Option<Vec<_>>>()
    };
    elf.starts_with(b"\x7fELF") && kinds().is_some_and(|kinds| !kinds.contains(&INTERPRETER))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_needs_a_loader_is_not_static() {
        let own = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        assert!(!is_static(&own));
        assert!(!is_static(b"#!/bin/sh"));
        assert!(!is_static(b"\x7fELF"));
        // A 64-bit header with one loadable segment right behind it.
        let mut header = vec![0_u8; 64 + 56];
        header[..4].copy_from_slice(b"\x7fELF");
        (header[32], header[54], header[56], header[64]) = (64, 56, 1, 1);
        assert!(is_static(&header));
    }
}
