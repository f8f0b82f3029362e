//! The agent of one node: its heartbeat, its watch of pods, and a worker a pod.

use crate::events::Recorder;
use crate::logs::rotation;
use crate::materials::Materials;
use crate::node::heartbeat::Heartbeat;
use crate::node::object::Machine;
use crate::options::Options;
use crate::pods::admission;
use crate::pods::observed::uid;
use crate::pods::unsupported::Refusal;
use crate::pods::worker::{Shared, Worker};
use crate::server::{self, Backend};
use daemon::{OnError, Supervisor, TaskKind};
use futures::{StreamExt, pin_mut};
use k8s_openapi::api::core::v1::{Node, Pod};
use kube::runtime::reflector::{ObjectRef, Store};
use kube::runtime::{WatchStreamExt, reflector, watcher};
use kube::{Api, Client};
use node_cri::{Change, Runtime};
use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, broadcast, watch};
use tokio_util::sync::CancellationToken;

const HEARTBEAT: TaskKind = TaskKind { name: "node heartbeat", on_error: OnError::ShutDown };
const LOGS: TaskKind = TaskKind { name: "log rotation", on_error: OnError::ShutDown };
const NODE: TaskKind = TaskKind { name: "node watch", on_error: OnError::ShutDown };
const PODS: TaskKind = TaskKind { name: "node pods", on_error: OnError::ShutDown };
const WORKER: TaskKind = TaskKind { name: "pod worker", on_error: OnError::Log };

/// The agent could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The container runtime does not answer.
    #[error("container runtime: {0}")]
    Runtime(#[from] node_cri::Error),
    /// The agent's server.
    #[error("the agent's server: {0}")]
    Server(#[from] server::ServeError),
    /// The runtime's folder cannot be written.
    #[error("container runtime: {0}")]
    Folder(#[from] std::io::Error),
}

/// A running agent.
#[derive(Debug)]
pub struct Agent {
    /// The node's name.
    pub node_name: String,
}

/// Starts an agent on this runtime; it runs until the supervisor's token is cancelled, and leaves its pods running.
///
/// # Errors
/// The runtime does not answer.
pub async fn start(
    client: Client,
    options: Options,
    runtime: Arc<dyn Runtime>,
    first_delay: Duration,
    supervisor: &Supervisor,
) -> Result<Agent, StartError> {
    let version = runtime.version().await?;
    let mut options = options;
    if let Some(server) = &options.server {
        let backend = Backend {
            client: client.clone(),
            runtime: Arc::clone(&runtime),
            runtime_name: version.name.clone(),
            node_name: options.node_name.clone(),
        };
        options.server_port = server::start(server, backend, supervisor).await?.port();
    }
    let machine = Machine::read(format!("{}://{}", version.name, shown_version(&version.version)));
    let options = Arc::new(options);
    let recorder = Recorder::start(client.clone(), &options.node_name, supervisor);
    let heartbeat = Heartbeat::new(&client, Arc::clone(&options), Arc::clone(&runtime), machine, recorder.clone());
    let token = supervisor.token().clone();
    supervisor.spawn(HEARTBEAT, async move {
        heartbeat.run(first_delay, token).await;
        Ok::<(), Infallible>(())
    });
    if let Some(real) = &options.real {
        let rotation = rotation::run(real.root.clone(), Arc::clone(&runtime));
        let token = supervisor.token().clone();
        supervisor.spawn(LOGS, async move {
            tokio::select! {
                () = token.cancelled() => {}
                () = rotation => {}
            }
            Ok::<(), Infallible>(())
        });
    }
    let materials =
        options.real.clone().map(|real| Arc::new(Materials::new(client.clone(), Arc::clone(&options), real)));
    let shared = Arc::new(Shared {
        materials,
        recorder,
        client,
        runtime,
        options: Arc::clone(&options),
        runtime_name: version.name,
    });
    // Nobody binds pods to simulated nodes by hand, and a watch for each of them would cost more than it tells.
    let node = options.real.as_ref().map(|_| watch_node(shared.client.clone(), &options.node_name, supervisor));
    let pods = Pods { shared, node, supervisor: supervisor.clone(), workers: BTreeMap::new(), listed: BTreeSet::new() };
    let token = supervisor.token().clone();
    supervisor.spawn(PODS, async move {
        if let Some(node) = &pods.node {
            tokio::select! {
                () = token.cancelled() => return Ok(()),
                ready = node.wait_until_ready() => if ready.is_err() { return Ok(()) },
            }
        }
        pods.run(token).await;
        Ok::<(), Infallible>(())
    });
    Ok(Agent { node_name: options.node_name.clone() })
}

/// A runtime's version as nodes tell it: one that is none of `semver.org` loses what follows its numbers, such as a
/// distribution's suffix.
fn shown_version(version: &str) -> &str {
    let version = version.strip_prefix('v').unwrap_or(version);
    let end = version.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(version.len());
    let is_semantic = version[..end].split('.').count() == 3 && version[end..].starts_with(['-', '+']);
    if is_semantic { version } else { &version[..end] }
}

/// Follows the node's own object: its labels and taints decide on pods.
fn watch_node(client: Client, name: &str, supervisor: &Supervisor) -> Store<Node> {
    let (store, writer) = reflector::store();
    let config = watcher::Config::default().fields(&format!("metadata.name={name}")).streaming_lists();
    let changes = watcher(Api::<Node>::all(client), config).default_backoff().reflect(writer);
    let token = supervisor.token().clone();
    supervisor.spawn(NODE, async move {
        let all = changes.for_each(|change| async {
            if let Err(error) = change {
                tracing::warn!(%error, "watch of the node interrupted; resuming");
            }
        });
        tokio::select! {
            () = token.cancelled() => {}
            () = all => {}
        }
        Ok::<(), Infallible>(())
    });
    store
}

/// The workers by the pods' uids.
struct Pods {
    shared: Arc<Shared>,
    /// The node's own object; `None` for simulated ones.
    node: Option<Store<Node>>,
    supervisor: Supervisor,
    workers: BTreeMap<String, Handle>,
    /// Uids of the list that is arriving.
    listed: BTreeSet<String>,
}

struct Handle {
    pod: watch::Sender<Arc<Pod>>,
    wake: Arc<Notify>,
    /// The pod is no more: the worker removes what is left. A handle that is just dropped, because the agent stops, says
    /// nothing of the kind.
    removed: CancellationToken,
}

impl Pods {
    async fn run(mut self, token: CancellationToken) {
        let fields = format!("spec.nodeName={}", self.shared.options.node_name);
        let config = watcher::Config::default().fields(&fields).streaming_lists();
        let stream = watcher(Api::<Pod>::all(self.shared.client.clone()), config).default_backoff();
        pin_mut!(stream);
        let mut changes = self.shared.runtime.changes();
        loop {
            tokio::select! {
                () = token.cancelled() => return,
                event = stream.next() => match event {
                    Some(Ok(event)) => self.event(event).await,
                    Some(Err(error)) => tracing::warn!(%error, "watch of the node's pods interrupted; resuming"),
                    None => return,
                },
                change = changes.recv() => self.changed(change),
            }
        }
    }

    async fn event(&mut self, event: watcher::Event<Pod>) {
        match event {
            watcher::Event::Init => self.listed.clear(),
            watcher::Event::InitApply(pod) => {
                self.listed.insert(uid(&pod).to_owned());
                self.apply(pod);
            }
            watcher::Event::InitDone => {
                let listed = std::mem::take(&mut self.listed);
                for (_, handle) in self.workers.extract_if(.., |uid, _| !listed.contains(uid)) {
                    handle.removed.cancel();
                }
                self.remove_orphans(&listed).await;
            }
            watcher::Event::Apply(pod) => self.apply(pod),
            watcher::Event::Delete(pod) => {
                if let Some(handle) = self.workers.remove(uid(&pod)) {
                    handle.removed.cancel();
                }
            }
        }
    }

    fn apply(&mut self, pod: Pod) {
        let key = uid(&pod).to_owned();
        let pod = Arc::new(pod);
        match self.workers.get(&key) {
            Some(handle) if !handle.pod.is_closed() => drop(handle.pod.send_replace(pod)),
            _ => {
                let refused = self.refusal(&key, &pod);
                let (sender, receiver) = watch::channel(pod);
                let wake = Arc::new(Notify::new());
                let removed = CancellationToken::new();
                let worker =
                    Worker::new(Arc::clone(&self.shared), receiver, refused, Arc::clone(&wake), removed.clone());
                let token = self.supervisor.token().clone();
                self.supervisor.spawn(WORKER, async move {
                    worker.run(token).await;
                    Ok::<(), Infallible>(())
                });
                self.workers.insert(key, Handle { pod: sender, wake, removed });
            }
        }
    }

    /// Why a pod that is new here cannot stay. One that an agent before has begun has been let in already.
    fn refusal(&self, key: &str, pod: &Pod) -> Option<Refusal> {
        if pod.status.as_ref().is_some_and(|status| status.container_statuses.is_some()) {
            return None;
        }
        let others = self.workers.iter().filter(|(other, _)| *other != key);
        let others: Vec<Arc<Pod>> = others.map(|(_, handle)| Arc::clone(&handle.pod.borrow())).collect();
        let name = ObjectRef::new(&self.shared.options.node_name);
        let node = self.node.as_ref().and_then(|nodes| nodes.get(&name));
        admission::refusal(pod, others.iter().map(Arc::as_ref), &self.shared.options.capacity, node.as_deref())
    }

    fn changed(&self, change: Result<Change, broadcast::error::RecvError>) {
        match change {
            Ok(change) => {
                if let Some(handle) = self.workers.get(&change.pod_uid) {
                    handle.wake.notify_one();
                }
            }
            // Too many at once: everybody looks.
            Err(_) => self.workers.values().for_each(|handle| handle.wake.notify_one()),
        }
    }

    /// Sandboxes and folders of pods that the API server no longer knows, left by an agent that was not running.
    async fn remove_orphans(&self, known: &BTreeSet<String>) {
        let runtime = &self.shared.runtime;
        for sandbox in runtime.list_pod_sandboxes(None).await.unwrap_or_default() {
            if known.contains(&sandbox.uid) || self.workers.contains_key(&sandbox.uid) {
                continue;
            }
            tracing::info!(pod = sandbox.name, namespace = sandbox.namespace, "removing a sandbox without a pod");
            let removed = async {
                runtime.stop_pod_sandbox(&sandbox.id).await?;
                runtime.remove_pod_sandbox(&sandbox.id).await
            };
            if let Err(error) = removed.await {
                tracing::warn!(%error, "a sandbox without a pod could not be removed");
            }
        }
        let Some(materials) = &self.shared.materials else { return };
        let known = known.iter().chain(self.workers.keys()).cloned().collect();
        if let Err(error) = materials.remove_others(known).await {
            tracing::warn!(%error, "a folder without a pod could not be removed");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::shown_version;

    #[test]
    fn a_distributions_suffix_is_no_part_of_a_runtimes_version() {
        let shown = ["1.6.20~ds1", "v2.0.1", "1.7.0-rc.1", "1.7.0+x", "1.7", "1.7-x"].map(shown_version);
        assert_eq!(shown, ["1.6.20", "2.0.1", "1.7.0-rc.1", "1.7.0+x", "1.7", "1.7"]);
    }
}
