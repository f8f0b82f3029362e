//! Pods that wait for a decision (upstream: `SchedulingQueue`).
//!
//! ```text
//! gated          kept out by PreEnqueue until the pod changes
//! active         ready to be decided about, best first
//! backoff        failed lately: 1 s, then twice as long each time, at most 10 s
//! unschedulable  rejected; waits for an event that one of the rejecting plugins says may help, at most 5 min
//! ```
//! Time is an argument; nothing here waits.

use crate::framework::{ClusterEvent, Hint, Profile};
use crate::pod_info::PodInfo;
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet, HashMap};
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
    Unschedulable,
    /// Handed out and not yet settled; events that pass meanwhile count as missed.
    InFlight,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Rank {
    priority: i32,
    arrival: u64,
}

impl PartialOrd for Rank {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Rank {
    fn cmp(&self, other: &Self) -> Ordering {
        other.priority.cmp(&self.priority).then(self.arrival.cmp(&other.arrival))
    }
}

/// The queue. A pod is in one place at a time.
pub struct SchedulingQueue {
    profile: Profile,
    pods: HashMap<String, (Queued, Place)>,
    active: BTreeMap<Rank, String>,
    backoff: BTreeSet<(Instant, String)>,
    arrivals: u64,
    /// Events since the oldest pod in flight was handed out.
    missed: Vec<ClusterEvent>,
}

impl SchedulingQueue {
    /// An empty queue.
    pub fn new(profile: Profile) -> Self {
        let (pods, active, backoff) = (HashMap::new(), BTreeMap::new(), BTreeSet::new());
        Self { profile, pods, active, backoff, arrivals: 0, missed: Vec::new() }
    }

    /// A pod without a node appeared or changed. Returns why it is kept out of the queue, if it is.
    pub fn put(&mut self, pod: Arc<PodInfo>, now: Instant) -> Option<String> {
        let gate = self.profile.plugins().find_map(|plugin| plugin.pre_enqueue(&pod).err());
        let uid = pod.uid().to_owned();
        let known = self.pods.get(&uid).map(|(queued, place)| (queued.clone(), matches!(place, Place::InFlight)));
        if let Some((_, true)) = known {
            // Being decided about: keep the news for when it comes back.
            if let Some((queued, _)) = self.pods.get_mut(&uid) {
                queued.pod = pod;
            }
            self.missed.push(ClusterEvent::Updated);
            return None;
        }
        self.take_out(&uid);
        let queued = match known {
            Some((queued, _)) => Queued { pod, ..queued },
            None => {
                self.arrivals += 1;
                Queued { pod, attempts: 0, arrival: self.arrivals, rejected_by: BTreeSet::new(), since: now }
            }
        };
        match gate {
            Some(gate) => {
                self.pods.insert(uid, (queued, Place::Gated));
                Some(gate.reasons.join(", "))
            }
            None if !queued.rejected_by.is_empty() && !self.helps(&queued, &ClusterEvent::Updated) => {
                self.pods.insert(uid, (queued, Place::Unschedulable));
                None
            }
            None => {
                self.activate_or_back_off(queued, now);
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
        Some(queued.clone())
    }

    /// When [`Self::pop`] may have something again although nothing happened.
    pub fn next_due(&self) -> Option<Instant> {
        let backoff = self.backoff.first().map(|(at, _)| *at);
        let waiting = self.pods.values().filter(|(_, place)| *place == Place::Unschedulable);
        let forgotten = waiting.map(|(queued, _)| queued.since + UNSCHEDULABLE_MAX).min();
        backoff.into_iter().chain(forgotten).min()
    }

    /// No node was found, or binding failed (then no plugin rejected it, and it is tried again after a delay).
    pub fn reject(&mut self, uid: &str, rejected_by: BTreeSet<&'static str>, now: Instant) {
        let Some((queued, _)) = self.pods.get(uid) else { return };
        let queued = Queued { rejected_by, since: now, ..queued.clone() };
        let missed_help = self.missed.iter().any(|event| self.helps(&queued, event));
        if queued.rejected_by.is_empty() || missed_help {
            self.activate_or_back_off(queued, now);
        } else {
            self.pods.insert(uid.to_owned(), (queued, Place::Unschedulable));
        }
        self.settle_missed();
    }

    /// Something happened: pods that it may help move on.
    pub fn happened(&mut self, event: &ClusterEvent, now: Instant) {
        if self.pods.values().any(|(_, place)| *place == Place::InFlight) {
            self.missed.push(event.clone());
        }
        let waiting = self.pods.iter().filter(|(_, (_, place))| *place == Place::Unschedulable);
        let helped: Vec<String> =
            waiting.filter(|(_, (queued, _))| self.helps(queued, event)).map(|(uid, _)| uid.clone()).collect();
        for uid in helped {
            if let Some((queued, _)) = self.pods.remove(&uid) {
                self.activate_or_back_off(queued, now);
            }
        }
    }

    /// Pods in (active, backoff, unschedulable, gated), for metrics (upstream: `scheduler_pending_pods`).
    pub fn lengths(&self) -> (usize, usize, usize, usize) {
        let count = |wanted: &Place| self.pods.values().filter(|(_, place)| place == wanted).count();
        (self.active.len(), self.backoff.len(), count(&Place::Unschedulable), count(&Place::Gated))
    }

    fn helps(&self, queued: &Queued, event: &ClusterEvent) -> bool {
        let plugins = queued.rejected_by.iter().filter_map(|name| self.profile.plugin(name));
        plugins.into_iter().any(|plugin| plugin.hint(&queued.pod, event) == Hint::Queue)
    }

    fn activate_or_back_off(&mut self, queued: Queued, now: Instant) {
        let uid = queued.pod.uid().to_owned();
        let until = queued.since + backoff(queued.attempts);
        let place = if until > now {
            self.backoff.insert((until, uid.clone()));
            Place::Backoff(until)
        } else {
            let rank = Rank { priority: queued.pod.priority(), arrival: queued.arrival };
            self.active.insert(rank.clone(), uid.clone());
            Place::Active(rank)
        };
        self.pods.insert(uid, (queued, place));
    }

    /// Moves pods whose delay is over, and those that waited for an event for too long.
    fn flush(&mut self, now: Instant) {
        while self.backoff.first().is_some_and(|(at, _)| *at <= now) {
            let Some((_, uid)) = self.backoff.pop_first() else { break };
            if let Some((queued, _)) = self.pods.remove(&uid) {
                self.activate_or_back_off(queued, now);
            }
        }
        let waiting = self
            .pods
            .iter()
            .filter(|(_, (queued, place))| *place == Place::Unschedulable && queued.since + UNSCHEDULABLE_MAX <= now);
        let late: Vec<String> = waiting.map(|(uid, _)| uid.clone()).collect();
        for uid in late {
            if let Some((queued, _)) = self.pods.remove(&uid) {
                self.activate_or_back_off(queued, now);
            }
        }
    }

    fn take_out(&mut self, uid: &str) {
        match self.pods.remove(uid) {
            Some((_, Place::Active(rank))) => drop(self.active.remove(&rank)),
            Some((_, Place::Backoff(at))) => drop(self.backoff.remove(&(at, uid.to_owned()))),
            _ => {}
        }
    }

    fn settle_missed(&mut self) {
        if !self.pods.values().any(|(_, place)| *place == Place::InFlight) {
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
