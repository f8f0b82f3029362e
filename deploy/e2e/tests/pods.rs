//! Many pods at once.

use anyhow::{Context, Result, ensure};
use e2e::Server;
use futures::StreamExt;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::{ListParams, PostParams, WatchEvent, WatchParams};
use serde_json::json;
use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

const NODES: usize = 100;
const PODS: i32 = 1_000;
/// The goal is 20 s with a release build on an idle machine; a debug build on a busy one gets more.
const AVAILABLE_TIMEOUT: Duration = Duration::from_secs(150);
/// More is a leak.
const MEMORY_KIBIBYTES_MAX: u64 = 2 * 1024 * 1024;

// proves: KL-03
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deployment_of_a_thousand_pods_on_a_hundred_nodes_becomes_available() -> Result<()> {
    let mut server = Server::start(NODES).await?;
    let client = server.client().await?;
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), "default");
    let deployment: Deployment = serde_json::from_value(json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "many" },
        "spec": { "replicas": PODS, "selector": { "matchLabels": { "app": "many" } }, "template": {
            "metadata": { "labels": { "app": "many" } },
            "spec": { "containers": [{ "name": "main", "image": "registry.k8s.io/pause:3.10" }] } } } }))?;
    let started = Instant::now();
    let created = deployments.create(&PostParams::default(), &deployment).await?;
    let version = created.metadata.resource_version.context("no resourceVersion")?;
    tokio::time::timeout(AVAILABLE_TIMEOUT, until_available(&deployments, version))
        .await
        .with_context(|| format!("not available within {AVAILABLE_TIMEOUT:?}\n{}", server.process().log_tail()))??;
    let took = started.elapsed();

    let pods = Api::<Pod>::namespaced(client, "default").list(&ListParams::default().labels("app=many")).await?;
    let mut names = HashSet::new();
    let mut by_node: HashMap<String, usize> = HashMap::new();
    for pod in pods {
        let node = pod.spec.and_then(|spec| spec.node_name).context("a pod without node")?;
        *by_node.entry(node).or_default() += 1;
        ensure!(names.insert(pod.metadata.name), "two pods of one name");
    }
    ensure!(names.len() == PODS as usize, "{} pods instead of {PODS}", names.len());
    ensure!(by_node.len() == NODES, "pods on {} nodes only", by_node.len());
    let memory = server.process().peak_memory_kibibytes()?;
    println!("{PODS} pods on {NODES} nodes available after {took:?}, peak memory {} MiB", memory / 1024);
    ensure!(memory < MEMORY_KIBIBYTES_MAX, "{memory} KiB resident");
    Ok(())
}

async fn until_available(deployments: &Api<Deployment>, mut version: String) -> Result<()> {
    loop {
        let stream = deployments.watch(&WatchParams::default(), &version).await?;
        let mut stream = std::pin::pin!(stream);
        // A stream that breaks is resumed where it stood.
        while let Some(Ok(event)) = stream.next().await {
            if let WatchEvent::Added(object) | WatchEvent::Modified(object) = event {
                version = object.metadata.resource_version.context("no resourceVersion")?;
                let status = object.status.unwrap_or_default();
                if status.available_replicas == Some(PODS) && status.ready_replicas == Some(PODS) {
                    return Ok(());
                }
            }
        }
    }
}
