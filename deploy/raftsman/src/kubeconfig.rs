//! `raftsman kubeconfig`, and the file that a server writes at start.

use crate::pki::Pki;
use anyhow::Result;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clap::Args;
use serde_json::json;
use std::path::PathBuf;

/// Flags of `raftsman kubeconfig`.
#[derive(Args)]
pub(crate) struct Arguments {
    /// The server's data directory
    #[arg(long, default_value = crate::config::DATA_DIR)]
    data_dir: PathBuf,
    /// The address that clients use [default: as the server wrote it]
    #[arg(long)]
    server: Option<String>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let written = crate::files::read(&path(&arguments.data_dir))?;
    match &arguments.server {
        None => print!("{written}"),
        Some(server) => {
            let pki = Pki::open(&arguments.data_dir.join("pki"))?;
            print!("{}", render(&pki, server)?);
        }
    }
    Ok(())
}

/// Where a server writes the administrator's kubeconfig.
pub(crate) fn path(data_dir: &std::path::Path) -> PathBuf {
    data_dir.join("admin.kubeconfig")
}

/// A kubeconfig with the administrator's certificate, in YAML as `kubectl config view --raw` shows it.
///
/// # Errors
/// The administrator's key or certificate cannot be read.
pub(crate) fn render(pki: &Pki, server: &str) -> Result<String> {
    let admin = pki.pair("admin")?;
    let encode = |pem: &str| STANDARD.encode(pem);
    let config = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{ "name": "raftsman", "cluster": {
            "server": server, "certificate-authority-data": encode(&pki.ca_certificate()?) } }],
        "users": [{ "name": "admin", "user": {
            "client-certificate-data": encode(&admin.certificate), "client-key-data": encode(&admin.key) } }],
        "contexts": [{ "name": "raftsman", "context": { "cluster": "raftsman", "user": "admin" } }],
        "current-context": "raftsman",
    });
    let one_line_each = serde_saphyr::ser_options! { folded_wrap_chars: usize::MAX };
    Ok(serde_saphyr::to_string_with_options(&config, one_line_each)?)
}

#[cfg(test)]
mod tests {
    use super::{Pki, render};

    #[test]
    fn a_kubeconfig_is_yaml_with_one_field_a_line() {
        let folder = tempfile::tempdir().expect("a folder");
        let pki = Pki::create(&folder.path().join("pki")).expect("keys");
        let text = render(&pki, "https://127.0.0.1:6443").expect("a kubeconfig");
        let lines: Vec<&str> = text.lines().map(|line| line.split("-data: ").next().expect("a part")).collect();
        assert_eq!(
            lines,
            [
                "apiVersion: v1",
                "clusters:",
                "- cluster:",
                "    certificate-authority",
                "    server: https://127.0.0.1:6443",
                "  name: raftsman",
                "contexts:",
                "- context:",
                "    cluster: raftsman",
                "    user: admin",
                "  name: raftsman",
                "current-context: raftsman",
                "kind: Config",
                "users:",
                "- name: admin",
                "  user:",
                "    client-certificate",
                "    client-key",
            ],
        );
        let read = kube::config::Kubeconfig::from_yaml(&text).expect("what clients read");
        assert_eq!(read.clusters[0].cluster.as_ref().expect("one").server.as_deref(), Some("https://127.0.0.1:6443"));
    }
}
