//! `raftsman status`: what a server says of itself, through its own API.

use crate::kubeconfig;
use crate::version::Output;
use anyhow::{Context, Result, bail};
use clap::Args;
use k8s_openapi::api::core::v1::{Node, Pod};
use kube::api::ListParams;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client};
use serde::Serialize;
use std::path::PathBuf;
use std::time::Duration;

/// A server that has not answered by then counts as not running.
const ANSWER_MAX: Duration = Duration::from_secs(5);

/// Flags of `raftsman status`.
#[derive(Args)]
pub(crate) struct Arguments {
    /// The server's data directory
    #[arg(long, default_value = crate::config::DATA_DIR)]
    data_dir: PathBuf,
    /// How to print
    #[arg(short, long, value_enum, default_value_t)]
    output: Output,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    server: String,
    version: String,
    ready: bool,
    /// Lines of `/readyz?verbose`.
    checks: Vec<String>,
    nodes: usize,
    nodes_ready: usize,
    pods: usize,
    pods_running: usize,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let path = kubeconfig::path(&arguments.data_dir);
    if !path.is_file() {
        bail!("no server has run in {}", arguments.data_dir.display());
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let asked = runtime.block_on(async { tokio::time::timeout(ANSWER_MAX, ask(&path)).await });
    let status = asked.with_context(|| format!("no answer within {} s", ANSWER_MAX.as_secs()))??;
    match arguments.output {
        Output::Json => println!("{}", serde_json::to_string_pretty(&status)?),
        Output::Text => {
            println!("{} {} at {}", if status.ready { "ready" } else { "not ready" }, status.version, status.server);
            println!(
                "nodes {}/{} ready, pods {}/{} running",
                status.nodes_ready, status.nodes, status.pods_running, status.pods
            );
            status.checks.iter().filter(|check| check.starts_with("[-]")).for_each(|check| println!("{check}"));
        }
    }
    if !status.ready {
        bail!("the server is not ready");
    }
    Ok(())
}

async fn ask(path: &std::path::Path) -> Result<Status> {
    let written = Kubeconfig::read_from(path)?;
    let config = kube::Config::from_custom_kubeconfig(written, &KubeConfigOptions::default()).await?;
    let server = config.cluster_url.to_string();
    let client = Client::try_from(config)?;
    let version = client.apiserver_version().await.with_context(|| format!("no server answers at {server}"))?;
    let request = http::Request::get("/readyz?verbose").body(Vec::new())?;
    let (ready, text) = match client.request_text(request).await {
        Ok(text) => (true, text),
        Err(error) => (false, error.to_string()),
    };
    let nodes = Api::<Node>::all(client.clone()).list(&ListParams::default()).await?.items;
    let pods = Api::<Pod>::all(client).list(&ListParams::default()).await?.items;
    let is_ready = |node: &&Node| {
        let conditions = node.status.as_ref().and_then(|status| status.conditions.as_ref());
        conditions.into_iter().flatten().any(|condition| condition.type_ == "Ready" && condition.status == "True")
    };
    let is_running = |pod: &&Pod| pod.status.as_ref().and_then(|status| status.phase.as_deref()) == Some("Running");
    Ok(Status {
        server,
        version: version.git_version,
        ready,
        checks: text.lines().map(str::to_owned).collect(),
        nodes: nodes.len(),
        nodes_ready: nodes.iter().filter(is_ready).count(),
        pods: pods.len(),
        pods_running: pods.iter().filter(is_running).count(),
    })
}
