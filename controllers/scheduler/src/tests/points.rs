//! A plugin at every extension point, and what the metrics say of it.

use crate::algorithm::Algorithm;
use crate::framework::registry::Weighted;
use crate::framework::{CycleState, Failure, Permit, Plugin, Profile, Rejection, Step, Unschedulable, default_profile};
use crate::node_info::NodeInfo;
use crate::pod_info::PodInfo;
use crate::queue::SchedulingQueue;
use crate::snapshot::Snapshot;
use crate::testing::{cluster, pod};
use parking_lot::Mutex;
use std::cmp::Ordering;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Writes down where it is called; refuses at the point called `refuses`.
struct Scribe {
    name: &'static str,
    log: Arc<Mutex<Vec<String>>>,
    refuses: &'static str,
}

impl Scribe {
    fn at(&self, point: &str) -> Result<(), Rejection> {
        let mut log = self.log.lock();
        let entry = format!("{} {point}", self.name);
        if log.last() != Some(&entry) {
            log.push(entry);
        }
        if self.refuses == point { Err(Rejection::resolvable(format!("no at {point}"))) } else { Ok(()) }
    }

    fn step(&self, point: &str) -> Result<(), Failure> {
        self.at(point).map_err(|rejection| Failure::new(rejection.reasons.join(" ")))
    }
}

impl Plugin for Scribe {
    fn name(&self) -> &'static str {
        self.name
    }

    fn pre_enqueue(&self, _: &PodInfo) -> Result<(), Rejection> {
        self.at("PreEnqueue")
    }

    fn queue_sort(&self, left: &PodInfo, right: &PodInfo) -> Option<Ordering> {
        self.at("QueueSort").ok()?;
        // The last by name goes first, so that it shows who sorts.
        Some(right.uid().cmp(left.uid()))
    }

    fn pre_filter(&self, _: &mut CycleState, _: &PodInfo, _: &Snapshot) -> Result<(), Rejection> {
        self.at("PreFilter")
    }

    fn filter(&self, _: &CycleState, _: &PodInfo, _: &NodeInfo) -> Result<(), Rejection> {
        self.at("Filter")
    }

    fn post_filter(&self, _: &CycleState, _: &PodInfo, _: &Snapshot, _: &Unschedulable) -> Option<String> {
        self.at("PostFilter").ok()?;
        Some("nothing helps".to_owned())
    }

    fn pre_score(&self, _: &mut CycleState, _: &PodInfo) -> bool {
        self.at("PreScore").is_ok()
    }

    fn score(&self, _: &CycleState, _: &PodInfo, node: &NodeInfo) -> i64 {
        let _ = self.at("Score");
        if node.name() == "b" { 1 } else { 0 }
    }

    fn normalize(&self, _: &mut [i64]) {
        let _ = self.at("NormalizeScore");
    }

    fn reserve(&self, _: &PodInfo, _: &str) -> Result<(), Rejection> {
        self.at("Reserve")
    }

    fn unreserve(&self, _: &PodInfo, _: &str) {
        let _ = self.at("Unreserve");
    }

    fn permit(&self, _: &PodInfo, _: &str) -> Result<Permit, Rejection> {
        self.at("Permit")?;
        if self.refuses == "wait" {
            return Ok(Permit::Wait { verdict: Box::pin(std::future::pending()), at_most: Duration::from_secs(3) });
        }
        Ok(Permit::Allow)
    }

    fn pre_bind<'a>(&'a self, _: &'a PodInfo, _: &'a str) -> Step<'a> {
        Box::pin(async { self.step("PreBind") })
    }

    fn bind<'a>(&'a self, _: &'a PodInfo, _: &'a str) -> Option<Step<'a>> {
        Some(Box::pin(async { self.step("Bind") }))
    }

    fn post_bind(&self, _: &PodInfo, _: &str) {
        let _ = self.at("PostBind");
    }
}

/// Two scribes, of which the second refuses at one point.
fn profile(refuses: &'static str) -> (Profile, Arc<Mutex<Vec<String>>>) {
    let log = Arc::new(Mutex::new(Vec::new()));
    let scribe = |name, refuses| {
        let plugin: Arc<dyn Plugin> = Arc::new(Scribe { name, log: Arc::clone(&log), refuses });
        Weighted { plugin, weight: 1 }
    };
    (Profile::new(vec![scribe("1", ""), scribe("2", refuses)]), log)
}

/// One pod's way from the queue to its node, as the scheduler goes it.
async fn walk(profile: &Profile) -> Result<String, String> {
    let mut queue = SchedulingQueue::new(profile.clone());
    for name in ["p", "q"] {
        if let Some(reason) = queue.put(pod(name), Instant::now()) {
            return Err(reason);
        }
    }
    let queued = queue.pop(Instant::now()).unwrap();
    let mut snapshot = Snapshot::default();
    cluster(&["a", "b"], &[]).refresh(&mut snapshot);
    let node = Algorithm::default().schedule(profile, &snapshot, &queued.pod).map_err(|why| why.message())?;
    let text = |(plugin, rejection): (&str, Rejection)| format!("{plugin}: {}", rejection.reasons.join(" "));
    profile.reserve(&queued.pod, &node).map_err(text)?;
    let waiting = profile.permit(&queued.pod, &node).map_err(text)?;
    profile.permitted(waiting).await.map_err(text)?;
    profile.bind(&queued.pod, &node).await.map_err(|failure| failure.message)?;
    Ok(format!("{} on {node}", queued.pod.uid()))
}

// proves: SC-01
#[tokio::test(start_paused = true)]
async fn plugins_take_part_at_every_point_in_upstreams_order() {
    let (profile, log) = profile("");
    assert_eq!(walk(&profile).await.as_deref(), Ok("q on b"));
    let points: Vec<String> =
        log.lock().iter().filter_map(|entry| entry.strip_prefix("1 ")).map(str::to_owned).collect();
    let expected = [
        "PreEnqueue",
        "PreEnqueue",
        "QueueSort",
        "PreFilter",
        "Filter",
        "Filter",
        "PreScore",
        "Score",
        "NormalizeScore",
        "Reserve",
        "Permit",
        "PreBind",
        "Bind",
        "PostBind",
    ];
    assert_eq!(points, expected, "{:?}", log.lock());
    let second: Vec<String> =
        log.lock().iter().filter_map(|entry| entry.strip_prefix("2 ")).map(str::to_owned).collect();
    let takes_no_part = ["QueueSort", "Bind"];
    let expected: Vec<_> = expected.into_iter().filter(|point| !takes_no_part.contains(point)).collect();
    assert_eq!(second, expected, "one plugin sorts and one binds, all others are asked too");
}

// proves: SC-01
#[tokio::test(start_paused = true)]
async fn a_refusal_ends_the_way_where_it_is_spoken() {
    for (point, expected) in [
        ("PreEnqueue", "no at PreEnqueue"),
        ("PreFilter", "0/2 nodes are available: no at PreFilter. nothing helps, nothing helps"),
        ("Filter", "0/2 nodes are available: 2 no at Filter. nothing helps, nothing helps"),
        ("Reserve", "2: no at Reserve"),
        ("Permit", "2: no at Permit"),
        ("wait", "2: rejected due to timeout after waiting 3s at plugin 2"),
        ("PreBind", "running PreBind plugin \"2\": no at PreBind"),
    ] {
        let (profile, _) = profile(point);
        assert_eq!(walk(&profile).await, Err(expected.to_owned()), "{point}");
    }
}

#[tokio::test]
async fn what_was_reserved_is_given_back_the_last_first() {
    let (profile, log) = profile("Reserve");
    assert!(profile.reserve(&pod("p"), "a").is_err());
    assert_eq!(*log.lock(), ["1 Reserve", "2 Reserve", "2 Unreserve", "1 Unreserve"]);
}

// proves: SC-18
#[tokio::test]
async fn metrics_have_upstreams_names_and_labels() {
    crate::metrics::metrics().attempt("unschedulable", Instant::now());
    let mut queue = SchedulingQueue::new(default_profile());
    queue.put(pod("metrics"), Instant::now());
    let (profile, _) = profile("");
    walk(&profile).await.unwrap();
    let text = String::from_utf8(daemon::metrics::render()).unwrap();
    for line in [
        "scheduler_schedule_attempts_total{profile=\"default-scheduler\",result=\"unschedulable\"} ",
        "scheduler_scheduling_attempt_duration_seconds_bucket{profile=\"default-scheduler\",result=\"unschedulable\",le=\"0.001\"} ",
        "scheduler_queue_incoming_pods_total{event=\"PodAdd\",queue=\"active\"} ",
        "scheduler_framework_extension_point_duration_seconds_count{extension_point=\"Filter\",profile=\"default-scheduler\",status=\"Success\"} ",
        "scheduler_framework_extension_point_duration_seconds_count{extension_point=\"Bind\",profile=\"default-scheduler\",status=\"Success\"} ",
        "scheduler_scheduling_algorithm_duration_seconds_bucket{le=\"0.001\"} ",
        "scheduler_pod_scheduling_attempts_bucket{le=\"16\"} ",
    ] {
        assert!(text.lines().any(|found| found.starts_with(line)), "{line} is not in {text}");
    }
}
