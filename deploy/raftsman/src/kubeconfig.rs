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

/// A kubeconfig with the administrator's certificate, as JSON, which is YAML.
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
    Ok(serde_json::to_string_pretty(&config)? + "\n")
}
