//! Pods that wait for a decision (upstream: `SchedulingQueue`).
//!
//! ```text
//! gated          kept out by PreEnqueue until the pod changes
//! active         ready to be decided about, best first
//! backoff        failed lately: 1 s, then twice as long each time, at most 10 s
//! unschedulable  rejected; waits for an event that one of the rejecting plugins says may help, at most 5 min
//! ```
//! Time is an argument; nothing here waits. Work per call grows with what it concerns, not with all pods that wait.

mod rank;

use crate::framework::{ClusterEvent, Hint, Profile};
use crate::metrics::metrics;
use crate::pod_info::PodInfo;
use rank::Rank;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// First delay after a failure (upstream: `podInitialBackoffSeconds`).
const BACKOFF_MIN: Duration = Duration::from_secs(1);
/// Longest delay (upstream: `podMaxBackoffSeconds`).
const BACKOFF_MAX: Duration = Duration::from_secs(10);
/// An event may have been misjudged: everybody gets another chance after this (upstream: 5 min).
const UNSCHEDULABLE_MAX: Duration = Duration::from_secs(5 * 60);

/// A pod on its way through the queue.
#[derive(Clone, Debug)]
pub struct Queued {
    /// The pod.
    pub pod: Arc<PodInfo>,
    /// How often it was tried.
    pub attempts: u32,
    /// Order of arrival.
    arrival: u64,
    /// The plugins that rejected it last.
    rejected_by: BTreeSet<&'static str>,
    since: Instant,
}

#[derive(Debug, PartialEq, Eq)]
enum Place {
    Gated,
    Active(Rank),
    Backoff(Instant),
    /// Waits since then.
    Unschedulable(Instant),
    /// Handed out and not yet settled; events that pass meanwhile count as missed.
    InFlight,
}

/// The queue. A pod is in one place at a time.
pub struct SchedulingQueue {
    profile: Profile,
    pods: HashMap<String, (Queued, Place)>,
    active: BTreeMap<Rank, String>,
    backoff: BTreeSet<(Instant, String)>,
    unschedulable: BTreeSet<(Instant, String)>,
    gated: HashSet<String>,
    in_flight: HashSet<String>,
    arrivals: u64,
    /// Events since the oldest pod in flight was handed out.
    missed: Vec<ClusterEvent>,
}

impl SchedulingQueue {
    /// An empty queue.
    pub fn new(profile: Profile) -> Self {
        Self {
            profile,
            pods: HashMap::new(),
            active: BTreeMap::new(),
            backoff: BTreeSet::new(),
            unschedulable: BTreeSet::new(),
            gated: HashSet::new(),
            in_flight: HashSet::new(),
            arrivals: 0,
            missed: Vec::new(),
        }
    }

    /// A pod without a node appeared or changed. Returns why it is kept out of the queue, if it is.
    pub fn put(&mut self, pod: Arc<PodInfo>, now: Instant) -> Option<String> {
        let gate = self.profile.pre_enqueue(&pod).err();
        let uid = pod.uid().to_owned();
        if let Some((queued, place)) = self.pods.get_mut(&uid) {
            let is_news = !queued.pod.asks_for_the_same(&pod);
            if *place == Place::InFlight {
                // Being decided about: keep the news for when it comes back.
                queued.pod = pod;
                if is_news {
                    self.missed.push(ClusterEvent::Updated);
                }
                return None;
            }
            // Most often the scheduler's own condition: no reason to try again.
            if !is_news && matches!(place, Place::Unschedulable(_)) {
                queued.pod = pod;
                return None;
            }
        }
        let (queued, event) = match self.take_out(&uid) {
            Some(queued) => (Queued { pod, ..queued }, "PodUpdate"),
            None => {
                self.arrivals += 1;
                let new = Queued { pod, attempts: 0, arrival: self.arrivals, rejected_by: BTreeSet::new(), since: now };
                (new, "PodAdd")
            }
        };
        match gate {
            Some((_, gate)) => {
                self.place(queued, Place::Gated, event);
                Some(gate.reasons.join(", "))
            }
            None if !queued.rejected_by.is_empty() && !self.helps(&queued, &ClusterEvent::Updated) => {
                let since = queued.since;
                self.place(queued, Place::Unschedulable(since), event);
                None
            }
            None => {
                self.activate_or_back_off(queued, now, event);
                None
            }
        }
    }

    /// The pod has a node, is finished or gone.
    pub fn remove(&mut self, uid: &str) {
        self.take_out(uid);
        self.settle_missed();
    }

    /// The next pod to decide about. It stays known until [`Self::reject`] or [`Self::remove`].
    pub fn pop(&mut self, now: Instant) -> Option<Queued> {
        self.flush(now);
        let (_, uid) = self.active.pop_first()?;
        let (queued, place) = self.pods.get_mut(&uid)?;
        queued.attempts += 1;
        *place = Place::InFlight;
        self.in_flight.insert(uid);
        Some(queued.clone())
    }

    /// When [`Self::pop`] may have something again although nothing happened.
    pub fn next_due(&self) -> Option<Instant> {
        let backoff = self.backoff.first().map(|(at, _)| *at);
        let forgotten = self.unschedulable.first().map(|(since, _)| *since + UNSCHEDULABLE_MAX);
        backoff.into_iter().chain(forgotten).min()
    }

    /// No node was found, or binding failed (then no plugin rejected it, and it is tried again after a delay).
    pub fn reject(&mut self, uid: &str, rejected_by: BTreeSet<&'static str>, now: Instant) {
        let Some(queued) = self.take_out(uid) else { return };
        let queued = Queued { rejected_by, since: now, ..queued };
        let missed_help = self.missed.iter().any(|event| self.helps(&queued, event));
        if queued.rejected_by.is_empty() || missed_help {
            self.activate_or_back_off(queued, now, "ScheduleAttemptFailure");
        } else {
            self.place(queued, Place::Unschedulable(now), "ScheduleAttemptFailure");
        }
        self.settle_missed();
    }

    /// Something happened: pods that it may help move on.
    pub fn happened(&mut self, event: &ClusterEvent, now: Instant) {
        if !self.in_flight.is_empty() {
            self.missed.push(event.clone());
        }
        let waiting = self.unschedulable.iter().map(|(_, uid)| uid);
        let helped: Vec<String> = waiting
            .filter(|uid| self.pods.get(*uid).is_some_and(|(queued, _)| self.helps(queued, event)))
            .cloned()
            .collect();
        for uid in helped {
            if let Some(queued) = self.take_out(&uid) {
                self.activate_or_back_off(queued, now, event.name());
            }
        }
    }

    /// Pods in (active, backoff, unschedulable, gated), for metrics (upstream: `scheduler_pending_pods`).
    pub fn lengths(&self) -> (usize, usize, usize, usize) {
        (self.active.len(), self.backoff.len(), self.unschedulable.len(), self.gated.len())
    }

    fn helps(&self, queued: &Queued, event: &ClusterEvent) -> bool {
        let plugins = queued.rejected_by.iter().filter_map(|name| self.profile.plugin(name));
        plugins.into_iter().any(|plugin| plugin.hint(&queued.pod, event) == Hint::Queue)
    }

    fn activate_or_back_off(&mut self, queued: Queued, now: Instant, event: &str) {
        let until = queued.since + backoff(queued.attempts);
        let place = if until > now {
            Place::Backoff(until)
        } else {
            Place::Active(Rank::new(&self.profile, &queued.pod, queued.arrival))
        };
        self.place(queued, place, event);
    }

    /// Moves pods whose delay is over, and those that waited for an event for too long.
    fn flush(&mut self, now: Instant) {
        while let Some(uid) = self.backoff.first().filter(|(at, _)| *at <= now).map(|(_, uid)| uid.clone()) {
            if let Some(queued) = self.take_out(&uid) {
                self.activate_or_back_off(queued, now, "BackoffComplete");
            }
        }
        let is_late = |since: &Instant| *since + UNSCHEDULABLE_MAX <= now;
        while let Some(uid) = self.unschedulable.first().filter(|(at, _)| is_late(at)).map(|(_, uid)| uid.clone()) {
            if let Some(queued) = self.take_out(&uid) {
                self.activate_or_back_off(queued, now, "UnschedulableTimeout");
            }
        }
    }

    /// Puts a pod that is nowhere in its place.
    fn place(&mut self, queued: Queued, place: Place, event: &str) {
        let uid = queued.pod.uid().to_owned();
        let queue = match &place {
            Place::Gated => {
                self.gated.insert(uid.clone());
                "gated"
            }
            Place::Active(rank) => {
                self.active.insert(rank.clone(), uid.clone());
                "active"
            }
            Place::Backoff(at) => {
                self.backoff.insert((*at, uid.clone()));
                "backoff"
            }
            Place::Unschedulable(since) => {
                self.unschedulable.insert((*since, uid.clone()));
                "unschedulable"
            }
            Place::InFlight => {
                self.in_flight.insert(uid.clone());
                "in flight"
            }
        };
        self.count_refusals(&queued, &place, 1);
        metrics().incoming.with_label_values(&[event, queue]).inc();
        self.pods.insert(uid, (queued, place));
    }

    /// Takes a pod from wherever it is.
    fn take_out(&mut self, uid: &str) -> Option<Queued> {
        let (queued, place) = self.pods.remove(uid)?;
        self.count_refusals(&queued, &place, -1);
        match place {
            Place::Gated => drop(self.gated.remove(uid)),
            Place::Active(rank) => drop(self.active.remove(&rank)),
            Place::Backoff(at) => drop(self.backoff.remove(&(at, uid.to_owned()))),
            Place::Unschedulable(since) => drop(self.unschedulable.remove(&(since, uid.to_owned()))),
            Place::InFlight => drop(self.in_flight.remove(uid)),
        }
        Some(queued)
    }

    fn count_refusals(&self, queued: &Queued, place: &Place, change: i64) {
        if matches!(place, Place::Unschedulable(_)) {
            for plugin in &queued.rejected_by {
                metrics().unschedulable.with_label_values(&[plugin, crate::metrics::PROFILE]).add(change);
            }
        }
    }

    fn settle_missed(&mut self) {
        if self.in_flight.is_empty() {
            self.missed.clear();
        }
    }
}

fn backoff(attempts: u32) -> Duration {
    match attempts {
        0 => Duration::ZERO,
        _ => BACKOFF_MIN.saturating_mul(1 << (attempts - 1).min(10)).min(BACKOFF_MAX),
    }
}
