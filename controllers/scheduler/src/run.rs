//! Wires the scheduler to the API server: watches feed the cache and the queue, one task decides, others bind.

use crate::algorithm::Algorithm;
use crate::bind;
use crate::cache::Cache;
use crate::framework::points::Waiting;
use crate::framework::{ClusterEvent, Failure, Profile, Refusal, Unschedulable, default_profile};
use crate::metrics::metrics;
use crate::plugins::default_binder::DefaultBinder;
use crate::pod_info::PodInfo;
use crate::queue::{Queued, SchedulingQueue};
use crate::snapshot::Snapshot;
use controllers_runtime::events::Level;
use controllers_runtime::{Delta, Informer, Recorder, trim};
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
const SCHEDULER_NAME: &str = crate::metrics::PROFILE;

/// Settings of the scheduler.
pub struct Options {
    /// The plugins; `DefaultBinder` is added behind them.
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
    let pods = Informer::start_trimmed(Api::all(client.clone()), unfinished, trim::pod, supervisor);
    let profile = options.profile.with(Arc::new(DefaultBinder { client: client.clone() }), 0);
    let scheduler = Arc::new(Scheduler {
        recorder: Recorder::start(client.clone(), SCHEDULER_NAME, supervisor),
        client,
        state: Mutex::new(State { queue: SchedulingQueue::new(profile.clone()), cache: Cache::default() }),
        profile,
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
                report(&state);
                (popped, state.queue.next_due())
            };
            let since = Instant::now();
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
            let timer = metrics().algorithm_seconds.start_timer();
            let decision = algorithm.schedule(&self.profile, &snapshot, &queued.pod);
            timer.observe_duration();
            let nodes = snapshot.nodes().len();
            let decision = decision.and_then(|node| self.take(&queued.pod, &node, nodes).map(|waits| (node, waits)));
            let scheduler = Arc::clone(&self);
            self.supervisor.spawn(BINDER, async move {
                let _place = place;
                match decision {
                    Ok((node, waiting)) => scheduler.bind(queued, node, waiting, nodes, since).await,
                    Err(outcome) => scheduler.refuse(queued.pod, outcome, since).await,
                }
                Ok::<(), Infallible>(())
            });
        }
    }

    /// Assume, reserve, ask for permission.
    fn take(&self, pod: &Arc<PodInfo>, node: &str, nodes: usize) -> Result<Vec<Waiting>, Unschedulable> {
        self.state.lock().cache.assume(Arc::clone(pod), node);
        if let Err(refusal) = self.profile.reserve(pod, node) {
            self.state.lock().cache.forget(pod.uid());
            return Err(refused_on_one(refusal, nodes));
        }
        self.profile.permit(pod, node).map_err(|refusal| {
            self.give_back(pod, node);
            refused_on_one(refusal, nodes)
        })
    }

    fn give_back(&self, pod: &PodInfo, node: &str) {
        self.profile.unreserve(pod, node);
        self.state.lock().cache.forget(pod.uid());
    }

    async fn bind(&self, queued: Queued, node: String, waiting: Vec<Waiting>, nodes: usize, since: Instant) {
        let pod = queued.pod;
        if let Err(refusal) = self.profile.permitted(waiting).await {
            self.give_back(&pod, &node);
            return self.refuse(pod, refused_on_one(refusal, nodes), since).await;
        }
        match self.profile.bind(&pod, &node).await {
            Ok(()) => {
                metrics().attempt("scheduled", since);
                metrics().pod_attempts.observe(f64::from(queued.attempts));
                self.state.lock().queue.remove(pod.uid());
                let meta = &pod.pod.metadata;
                let (namespace, name) =
                    (meta.namespace.as_deref().unwrap_or_default(), meta.name.as_deref().unwrap_or_default());
                let message = format!("Successfully assigned {namespace}/{name} to {node}");
                self.recorder.action(pod.pod.as_ref(), Level::Normal, "Scheduled", "Binding", message);
            }
            Err(failure) => {
                metrics().attempt("error", since);
                self.give_back(&pod, &node);
                self.bind_failed(&pod, &node, &failure);
            }
        }
    }

    fn bind_failed(&self, pod: &PodInfo, node: &str, failure: &Failure) {
        let mut state = self.state.lock();
        if failure.pod_is_gone {
            state.queue.remove(pod.uid());
        } else {
            state.queue.reject(pod.uid(), BTreeSet::new(), Instant::now());
        }
        drop(state);
        if !failure.pod_is_gone {
            let message = format!("binding rejected: {}", failure.message);
            tracing::warn!(
                pod = pod.pod.metadata.name,
                node,
                error = failure.message,
                "binding failed; will try again"
            );
            self.recorder.action(pod.pod.as_ref(), Level::Warning, "FailedScheduling", "Scheduling", message);
        }
        self.changed.notify_one();
    }

    async fn refuse(&self, pod: Arc<PodInfo>, outcome: Unschedulable, since: Instant) {
        metrics().attempt("unschedulable", since);
        self.state.lock().queue.reject(pod.uid(), outcome.plugins.clone(), Instant::now());
        self.changed.notify_one();
        self.recorder.action(pod.pod.as_ref(), Level::Warning, "FailedScheduling", "Scheduling", outcome.message());
        if let Err(error) = bind::mark_unschedulable(&self.client, &pod, &outcome).await {
            tracing::debug!(pod = pod.pod.metadata.name, %error, "the condition PodScheduled could not be written");
        }
    }
}

fn report(state: &State) {
    let count = |length: usize| i64::try_from(length).unwrap_or(i64::MAX);
    let (active, backoff, unschedulable, gated) = state.queue.lengths();
    for (name, length) in [("active", active), ("backoff", backoff), ("unschedulable", unschedulable), ("gated", gated)]
    {
        metrics().pending.with_label_values(&[name]).set(count(length));
    }
    let (nodes, pods, assumed) = state.cache.lengths();
    for (name, length) in [("nodes", nodes), ("pods", pods), ("assumed_pods", assumed)] {
        metrics().cache_size.with_label_values(&[name]).set(count(length));
    }
}

/// A plugin changed its mind about the node that had been chosen.
fn refused_on_one((plugin, rejection): Refusal, nodes: usize) -> Unschedulable {
    let nodes_unresolvable = usize::from(rejection.is_final);
    let reasons = rejection.reasons.into_iter().map(|reason| (reason, 1)).collect();
    Unschedulable { nodes, nodes_unresolvable, reasons, plugins: [plugin].into(), ..Unschedulable::default() }
}
