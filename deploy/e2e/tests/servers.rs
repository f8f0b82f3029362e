//! Three servers are one cluster: any one of them may die, and without two of them the last says so.

use anyhow::{Context, Result, bail, ensure};
use e2e::Servers;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Client, Error};
use serde_json::json;
use std::time::{Duration, Instant};

/// The leases of who runs them; both last 15 s, which is what a successor waits for.
const ELECTED: [&str; 2] = ["kube-controller-manager", "kube-scheduler"];
/// Far above the leases' duration, for a busy machine.
const SUCCESSION_TIMEOUT: Duration = Duration::from_secs(120);
/// What a request may take that cannot be answered for want of a quorum; etcd's request timeout is 7 s.
const REFUSAL_TIMEOUT: Duration = Duration::from_secs(15);
const POLL_INTERVAL: Duration = Duration::from_millis(100);

// proves: OP-11
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_the_server_dies_that_runs_the_controllers_another_one_takes_over() -> Result<()> {
    // The nodes live with a server that nobody kills, so it starts last and leads nothing.
    let mut servers = Servers::prepare(&[0, 0, 2])?;
    for index in [0, 1] {
        servers.start(index)?;
    }
    servers.until_ready(0).await?;
    let [controllers, _] = holders(&servers.client(0).await?, |_| true).await?;
    servers.start(2)?;
    servers.until_ready(2).await?;
    let client = servers.client(2).await?;
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), "default");
    let deployment: Deployment = serde_json::from_value(json!({
        "metadata": { "name": "web" },
        "spec": { "replicas": 3, "selector": { "matchLabels": { "app": "web" } }, "template": {
            "metadata": { "labels": { "app": "web" } }, "spec": { "containers": [{ "name": "c", "image": "i" }] } } } }))?;
    deployments.create(&PostParams::default(), &deployment).await?;
    until_available(&deployments, 3).await?;

    let victim = servers.index_of(&controllers)?;
    servers.kill(victim)?;
    let scale = json!({ "spec": { "replicas": 5 } });
    deployments
        .patch("web", &PatchParams::default(), &Patch::Merge(scale))
        .await
        .context("a write without the victim")?;
    until_available(&deployments, 5).await?;
    holders(&client, |name| name != controllers).await?;

    servers.start(victim)?;
    servers.until_ready(victim).await?;
    let returned: Api<Deployment> = Api::namespaced(servers.client(victim).await?, "default");
    until_available(&returned, 5).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_quorum_requests_are_refused_in_time_and_work_again_when_it_is_back() -> Result<()> {
    let mut servers = Servers::prepare(&[0, 0, 0])?;
    for index in 0..3 {
        servers.start(index)?;
    }
    servers.until_ready(2).await?;
    let maps: Api<ConfigMap> = Api::namespaced(servers.client(2).await?, "default");
    maps.create(&PostParams::default(), &map("before")?).await?;
    servers.kill(0)?;
    servers.kill(1)?;
    for what in ["read", "write"] {
        let asked = Instant::now();
        let outcome = match what {
            "read" => maps.get("before").await,
            _ => maps.create(&PostParams::default(), &map("without")?).await,
        };
        match outcome {
            Err(Error::Api(status)) => {
                ensure!(status.code == 500 && status.message.starts_with("etcdserver: "), "{what}: {status:?}");
            }
            other => bail!("{what}: {other:?}"),
        }
        ensure!(asked.elapsed() < REFUSAL_TIMEOUT, "{what}: refused after {:?}", asked.elapsed());
    }
    servers.start(0)?;
    servers.until_ready(0).await?;
    servers.until_ready(2).await?;
    ensure!(maps.get("before").await?.metadata.name.as_deref() == Some("before"), "what was acknowledged is there");
    maps.create(&PostParams::default(), &map("after")?).await.map(drop).context("a write with the quorum back")
}

fn map(name: &str) -> Result<ConfigMap> {
    Ok(serde_json::from_value(json!({ "metadata": { "name": name } }))?)
}

/// Who holds the leases of [`ELECTED`], once each is held by somebody who is `wanted`.
async fn holders(client: &Client, wanted: impl Fn(&str) -> bool) -> Result<[String; 2]> {
    let leases: Api<Lease> = Api::namespaced(client.clone(), "kube-system");
    let deadline = Instant::now() + SUCCESSION_TIMEOUT;
    loop {
        let mut held = Vec::new();
        for name in ELECTED {
            let holder = leases.get_opt(name).await?.and_then(|lease| lease.spec?.holder_identity);
            held.extend(holder.filter(|holder| wanted(holder)));
        }
        match <[String; 2]>::try_from(held) {
            Ok(holders) => return Ok(holders),
            Err(held) => ensure!(Instant::now() < deadline, "only {held:?} are elected"),
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

async fn until_available(deployments: &Api<Deployment>, replicas: i32) -> Result<()> {
    let deadline = Instant::now() + SUCCESSION_TIMEOUT;
    loop {
        let status = deployments.get("web").await?.status.unwrap_or_default();
        if status.available_replicas == Some(replicas) {
            return Ok(());
        }
        ensure!(Instant::now() < deadline, "not {replicas} available: {status:?}");
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}
