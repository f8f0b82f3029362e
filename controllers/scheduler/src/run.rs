//! Wires the scheduler to the API server: watches feed the cache and the queue, one task decides, others bind.

use crate::algorithm::{Algorithm, Unschedulable};
use crate::bind;
use crate::cache::Cache;
use crate::framework::{ClusterEvent, Profile, default_profile};
use crate::metrics::metrics;
use crate::pod_info::PodInfo;
use crate::queue::SchedulingQueue;
use crate::snapshot::Snapshot;
use controllers_runtime::events::Level;
use controllers_runtime::{Delta, Informer, Recorder};
use daemon::{OnError, Supervisor, TaskKind};
use k8s_openapi::api::core::v1::{Node, Pod};
use kube::runtime::watcher;
use kube::{Api, Client};
use parking_lot::Mutex;
use std::collections::BTreeSet;
use std::convert::Infallible;
use std::sync::Arc;
use tokio::sync::{Notify, Semaphore};
use tokio::time::Instant;

const DECIDER: TaskKind = TaskKind { name: "scheduler", on_error: OnError::ShutDown };
const BINDER: TaskKind = TaskKind { name: "binding", on_error: OnError::Log };
/// Bindings and status writes on their way at a time; the decider waits for a place beyond that.
const WRITES_IN_FLIGHT_MAX: usize = 64;
/// Pods that name another scheduler are not ours.
const SCHEDULER_NAME: &str = "default-scheduler";

/// Settings of the scheduler.
pub struct Options {
    /// The plugins.
    pub profile: Profile,
}

impl Default for Options {
    fn default() -> Self {
        Self { profile: default_profile() }
    }
}

/// Starts the scheduler; it runs until the supervisor's token is cancelled.
pub async fn start(client: Client, options: Options, supervisor: &Supervisor) {
    let all = || watcher::Config::default().streaming_lists();
    let nodes: Arc<Informer<Node>> = Informer::start(Api::all(client.clone()), all(), supervisor);
    let unfinished = all().fields("status.phase!=Succeeded,status.phase!=Failed");
    let pods: Arc<Informer<Pod>> = Informer::start(Api::all(client.clone()), unfinished, supervisor);
    let scheduler = Arc::new(Scheduler {
        recorder: Recorder::start(client.clone(), SCHEDULER_NAME, supervisor),
        client,
        state: Mutex::new(State { queue: SchedulingQueue::new(options.profile.clone()), cache: Cache::default() }),
        profile: options.profile,
        changed: Notify::new(),
        writes: Arc::new(Semaphore::new(WRITES_IN_FLIGHT_MAX)),
        supervisor: supervisor.clone(),
    });
    // Nodes first: a pod decided about before they are known would wait for the next event.
    nodes.synced().await;
    let own = Arc::clone(&scheduler);
    nodes.on_change(move |delta| own.node_changed(delta));
    pods.synced().await;
    let own = Arc::clone(&scheduler);
    pods.on_change(move |delta| own.pod_changed(delta));
    let token = supervisor.token().clone();
    supervisor.spawn(DECIDER, async move {
        // The informers live as long as the decider.
        let _informers = (nodes, pods);
        tokio::select! {
            () = token.cancelled() => {}
            () = scheduler.decide() => {}
        }
        Ok::<(), Infallible>(())
    });
}

struct Scheduler {
    client: Client,
    recorder: Recorder,
    profile: Profile,
    state: Mutex<State>,
    changed: Notify,
    writes: Arc<Semaphore>,
    supervisor: Supervisor,
}

struct State {
    queue: SchedulingQueue,
    cache: Cache,
}

impl Scheduler {
    fn node_changed(&self, delta: &Delta<Node>) {
        let mut state = self.state.lock();
        match delta {
            Delta::Applied { old, new } => {
                state.cache.set_node(Arc::clone(new));
                let event = ClusterEvent::Node { old: old.clone(), new: Arc::clone(new) };
                state.queue.happened(&event, Instant::now());
            }
            Delta::Deleted(node) => state.cache.remove_node(node.metadata.name.as_deref().unwrap_or_default()),
        }
        drop(state);
        self.changed.notify_one();
    }

    fn pod_changed(self: &Arc<Self>, delta: &Delta<Pod>) {
        let pod = Arc::new(PodInfo::new(Arc::clone(delta.object())));
        let now = Instant::now();
        let mut state = self.state.lock();
        let mut gated = false;
        match delta {
            Delta::Deleted(_) => {
                state.queue.remove(pod.uid());
                state.cache.remove_pod(pod.uid());
                if !pod.node_name().is_empty() {
                    state.queue.happened(&ClusterEvent::PodGone(Arc::clone(&pod)), now);
                }
            }
            Delta::Applied { .. } if !pod.node_name().is_empty() => {
                state.queue.remove(pod.uid());
                state.cache.confirm(Arc::clone(&pod));
            }
            Delta::Applied { .. } => {
                let ours = pod.spec().scheduler_name.as_deref().unwrap_or(SCHEDULER_NAME) == SCHEDULER_NAME;
                let leaving = pod.pod.metadata.deletion_timestamp.is_some();
                if leaving {
                    state.queue.remove(pod.uid());
                } else if ours && !state.cache.is_assumed(pod.uid()) {
                    gated = state.queue.put(Arc::clone(&pod), now).is_some();
                }
            }
        }
        drop(state);
        self.changed.notify_one();
        if gated {
            let (scheduler, supervisor) = (Arc::clone(self), self.supervisor.clone());
            supervisor.spawn(BINDER, async move { bind::mark_gated(&scheduler.client, &pod).await });
        }
    }

    /// Decides about one pod after another, for ever.
    async fn decide(self: Arc<Self>) {
        let (mut snapshot, mut algorithm) = (Snapshot::default(), Algorithm::default());
        loop {
            let changed = self.changed.notified();
            let place = match Arc::clone(&self.writes).acquire_owned().await {
                Ok(place) => place,
                Err(_) => return,
            };
            let (popped, due) = {
                let mut state = self.state.lock();
                let popped = state.queue.pop(Instant::now());
                state.cache.refresh(&mut snapshot);
                self.report(&state.queue);
                (popped, state.queue.next_due())
            };
            let Some(queued) = popped else {
                drop(place);
                match due {
                    None => changed.await,
                    Some(at) => tokio::select! {
                        () = changed => {}
                        () = tokio::time::sleep_until(at) => {}
                    },
                }
                continue;
            };
            let pod = queued.pod;
            let timer = metrics().algorithm_seconds.start_timer();
            let decision = algorithm.schedule(&self.profile, &snapshot, &pod);
            timer.observe_duration();
            let decision = decision.and_then(|node| self.take(&pod, node, snapshot.nodes().len()));
            let scheduler = Arc::clone(&self);
            self.supervisor.spawn(BINDER, async move {
                let _place = place;
                match decision {
                    Ok(node) => scheduler.bind(pod, node).await,
                    Err(outcome) => scheduler.refuse(pod, outcome).await,
                }
                Ok::<(), Infallible>(())
            });
        }
    }

    /// Assume, reserve, permit.
    fn take(&self, pod: &Arc<PodInfo>, node: String, nodes: usize) -> Result<String, Unschedulable> {
        self.state.lock().cache.assume(Arc::clone(pod), &node);
        for plugin in self.profile.plugins() {
            if let Err(rejection) = plugin.reserve(pod, &node).and_then(|()| plugin.permit(pod, &node)) {
                self.give_back(pod, &node);
                let reasons = rejection.reasons.into_iter().map(|reason| (reason, 1)).collect();
                return Err(Unschedulable { nodes, reasons, plugins: [plugin.name()].into(), could_preempt: false });
            }
        }
        Ok(node)
    }

    fn give_back(&self, pod: &PodInfo, node: &str) {
        self.profile.plugins().for_each(|plugin| plugin.unreserve(pod, node));
        self.state.lock().cache.forget(pod.uid());
    }

    async fn bind(&self, pod: Arc<PodInfo>, node: String) {
        match bind::bind(&self.client, &pod, &node).await {
            Ok(()) => {
                metrics().attempts.with_label_values(&["scheduled"]).inc();
                self.state.lock().queue.remove(pod.uid());
                let meta = &pod.pod.metadata;
                let (namespace, name) =
                    (meta.namespace.as_deref().unwrap_or_default(), meta.name.as_deref().unwrap_or_default());
                let message = format!("Successfully assigned {namespace}/{name} to {node}");
                self.recorder.event(pod.pod.as_ref(), Level::Normal, "Scheduled", message);
            }
            Err(error) => {
                metrics().attempts.with_label_values(&["error"]).inc();
                self.give_back(&pod, &node);
                let gone = matches!(&error, kube::Error::Api(status) if status.code == 404);
                let mut state = self.state.lock();
                if gone {
                    state.queue.remove(pod.uid());
                } else {
                    state.queue.reject(pod.uid(), BTreeSet::new(), Instant::now());
                    drop(state);
                    tracing::warn!(pod = pod.pod.metadata.name, node, %error, "binding failed; will try again");
                    self.recorder.event(
                        pod.pod.as_ref(),
                        Level::Warning,
                        "FailedScheduling",
                        format!("binding rejected: {error}"),
                    );
                }
                self.changed.notify_one();
            }
        }
    }

    async fn refuse(&self, pod: Arc<PodInfo>, outcome: Unschedulable) {
        metrics().attempts.with_label_values(&["unschedulable"]).inc();
        self.state.lock().queue.reject(pod.uid(), outcome.plugins.clone(), Instant::now());
        self.changed.notify_one();
        self.recorder.event(pod.pod.as_ref(), Level::Warning, "FailedScheduling", outcome.message());
        if let Err(error) = bind::mark_unschedulable(&self.client, &pod, &outcome).await {
            tracing::debug!(pod = pod.pod.metadata.name, %error, "the condition PodScheduled could not be written");
        }
    }

    fn report(&self, queue: &SchedulingQueue) {
        let (active, backoff, unschedulable, gated) = queue.lengths();
        for (name, length) in
            [("active", active), ("backoff", backoff), ("unschedulable", unschedulable), ("gated", gated)]
        {
            metrics().pending.with_label_values(&[name]).set(i64::try_from(length).unwrap_or(i64::MAX));
        }
    }
}
