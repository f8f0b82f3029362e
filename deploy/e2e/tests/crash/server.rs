//! One server, killed again and again while ConfigMaps are written through its API.

use anyhow::{Context, Result, bail, ensure};
use e2e::Server;
use futures::StreamExt;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{ListParams, PostParams, WatchEvent, WatchParams};
use kube::{Api, Client, ResourceExt};
use rand::Rng;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

const KILLS: usize = 20;
const WRITERS: usize = 4;
/// Writes that must be acknowledged between two kills, at random.
const WRITES_BETWEEN_KILLS: std::ops::Range<usize> = 20..200;
/// Filler of every object, so that a write spans more than one block of the disk.
const FILLER_BYTES: usize = 5_000;
/// How long the writers may take for their share before the test fails.
const PROGRESS_TIMEOUT: Duration = Duration::from_secs(60);
const RETRY_INTERVAL: Duration = Duration::from_millis(20);

/// What a writer or the watcher knows of one state of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Version {
    resource_version: u64,
    name: String,
    turn: u64,
}

impl Version {
    /// Checks that the object is whole.
    fn of(object: &ConfigMap) -> Result<Self> {
        let name = object.name_any();
        let data = object.data.as_ref().with_context(|| format!("{name} has no data"))?;
        let turn = data.get("turn").with_context(|| format!("{name} has no turn"))?.parse()?;
        ensure!(data.get("filler").is_some_and(|text| *text == filler(turn)), "{name} is half written");
        let resource_version = object.resource_version().context("no resourceVersion")?.parse()?;
        Ok(Self { resource_version, name, turn })
    }
}

fn filler(turn: u64) -> String {
    let text = format!("{turn}.");
    text.repeat(FILLER_BYTES / text.len())
}

fn config_map(name: &str, turn: u64) -> ConfigMap {
    let data = [("turn".to_owned(), turn.to_string()), ("filler".to_owned(), filler(turn))];
    let mut object = ConfigMap { data: Some(data.into()), ..ConfigMap::default() };
    object.metadata.name = Some(name.to_owned());
    object.metadata.labels = Some([("load".to_owned(), "crash".to_owned())].into());
    object
}

fn load() -> ListParams {
    ListParams::default().labels("load=crash")
}

#[derive(Debug, Default)]
struct Progress {
    acknowledged: AtomicUsize,
    stop: AtomicBool,
}

/// Creates objects, and updates one of its own after each. Returns what was acknowledged, in order.
async fn write(writer: usize, client: Client, progress: Arc<Progress>) -> Result<Vec<Version>> {
    let api: Api<ConfigMap> = Api::namespaced(client, "default");
    let mut acknowledged = Vec::new();
    let hot = format!("hot-{writer}");
    for turn in 0.. {
        if progress.stop.load(Ordering::Relaxed) {
            break;
        }
        let created = api.create(&PostParams::default(), &config_map(&format!("w{writer}-{turn}"), turn)).await;
        // Without a resourceVersion an update is unconditional; it creates nothing, so the first turn does.
        let written = match turn {
            0 => api.create(&PostParams::default(), &config_map(&hot, turn)).await,
            _ => api.replace(&hot, &PostParams::default(), &config_map(&hot, turn)).await,
        };
        for answer in [created, written] {
            match answer {
                Ok(object) => {
                    let version = Version::of(&object)?;
                    ensure!(version.turn == turn, "the answer to turn {turn} of writer {writer} is {version:?}");
                    acknowledged.push(version);
                    progress.acknowledged.fetch_add(1, Ordering::Relaxed);
                }
                // A refusal: nothing in this load may be refused while the server is up.
                Err(kube::Error::Api(status)) if status.code < 500 && status.code != 429 => {
                    bail!("writer {writer}, turn {turn}: {status:?}")
                }
                // The connection broke: the write may have happened or not, and is not sent again.
                Err(_) => tokio::time::sleep(RETRY_INTERVAL).await,
            }
        }
    }
    Ok(acknowledged)
}

/// Watches from the given resourceVersion until an event has the last one, resuming where it stood after every break.
async fn watch(client: Client, from: u64, last: Arc<tokio::sync::OnceCell<u64>>) -> Result<Vec<(bool, Version)>> {
    let api: Api<ConfigMap> = Api::namespaced(client, "default");
    let params = WatchParams::default().labels("load=crash").timeout(20);
    let mut seen: Vec<(bool, Version)> = Vec::new();
    let mut position = from;
    loop {
        let Ok(stream) = api.watch(&params, &position.to_string()).await else {
            tokio::time::sleep(RETRY_INTERVAL).await;
            continue;
        };
        let mut stream = std::pin::pin!(stream);
        loop {
            if last.get().is_some_and(|last| position >= *last) {
                return Ok(seen);
            }
            let event = match tokio::time::timeout(Duration::from_millis(500), stream.next()).await {
                Err(_) => continue,
                Ok(Some(Ok(event))) => event,
                Ok(Some(Err(_)) | None) => break,
            };
            let (added, object) = match event {
                WatchEvent::Added(object) => (true, object),
                WatchEvent::Modified(object) => (false, object),
                WatchEvent::Deleted(object) => bail!("{} was deleted by nobody", object.name_any()),
                WatchEvent::Bookmark(mark) => {
                    position = mark.metadata.resource_version.parse()?;
                    continue;
                }
                WatchEvent::Error(status) if status.code >= 500 => break,
                WatchEvent::Error(status) => bail!("the watch ended: {status:?}"),
            };
            let version = Version::of(&object)?;
            ensure!(version.resource_version > position, "{version:?} came after {position}");
            position = version.resource_version;
            seen.push((added, version));
        }
    }
}

/// Waits until the writers have done their share.
async fn until_written(progress: &Progress, wanted: usize) -> Result<()> {
    let deadline = Instant::now() + PROGRESS_TIMEOUT;
    while progress.acknowledged.load(Ordering::Relaxed) < wanted {
        ensure!(Instant::now() < deadline, "the writers are stuck");
        tokio::time::sleep(RETRY_INTERVAL).await;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_killed_under_load_loses_nothing_that_it_answered() -> Result<()> {
    let started = Instant::now();
    let mut server = Server::start(1).await?;
    let client = server.client().await?;
    let api: Api<ConfigMap> = Api::namespaced(client.clone(), "default");
    let listed = api.list(&load()).await?;
    let from: u64 = listed.metadata.resource_version.context("no resourceVersion")?.parse()?;
    let last = Arc::new(tokio::sync::OnceCell::new());
    let progress = Arc::new(Progress::default());
    let mut watcher = JoinSet::new();
    watcher.spawn(watch(client.clone(), from, Arc::clone(&last)));
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        writers.spawn(write(writer, client.clone(), Arc::clone(&progress)));
    }

    let mut position = from;
    for _ in 0..KILLS {
        let share = rand::rng().random_range(WRITES_BETWEEN_KILLS);
        until_written(&progress, progress.acknowledged.load(Ordering::Relaxed) + share).await?;
        server.crash()?;
        server.until_ready().await?;
        let listed = api.list(&load().limit(1)).await?;
        let now: u64 = listed.metadata.resource_version.context("no resourceVersion")?.parse()?;
        ensure!(now > position, "the resourceVersion went from {position} to {now}");
        position = now;
    }
    until_written(&progress, progress.acknowledged.load(Ordering::Relaxed) + 1).await?;
    progress.stop.store(true, Ordering::Relaxed);
    let mut acknowledged = Vec::new();
    while let Some(written) = writers.join_next().await {
        let written = written??;
        ensure!(written.is_sorted_by_key(|version| version.resource_version), "resourceVersions of answers go back");
        acknowledged.extend(written);
    }

    let listed = api.list(&load()).await?.items.iter().map(Version::of).collect::<Result<Vec<_>>>()?;
    let newest = listed.iter().map(|version| version.resource_version).max().context("nothing was written")?;
    last.set(newest)?;
    let seen =
        tokio::time::timeout(PROGRESS_TIMEOUT, watcher.join_next()).await.context("the watcher never caught up")?;
    let seen = seen.context("there was a watcher")???;

    // That versions rise from event to event was checked while watching, so none comes twice.
    let by_version: HashMap<u64, &Version> =
        seen.iter().map(|(_, version)| (version.resource_version, version)).collect();
    for version in &acknowledged {
        let event = by_version.get(&version.resource_version);
        ensure!(event == Some(&version), "{version:?} was answered, the watch saw {event:?}");
    }
    let mut replayed: BTreeMap<&str, &Version> = BTreeMap::new();
    for (added, version) in &seen {
        let before = replayed.insert(&version.name, version);
        ensure!(before.is_none() == *added, "{version:?} came as added: {added}, before it was {before:?}");
    }
    let stored: BTreeMap<&str, &Version> = listed.iter().map(|version| (version.name.as_str(), version)).collect();
    ensure!(replayed == stored, "the events lead to another state than the list");
    println!(
        "{KILLS} kills, {} writes answered, {} events seen, {:?}",
        acknowledged.len(),
        seen.len(),
        started.elapsed()
    );
    Ok(())
}
