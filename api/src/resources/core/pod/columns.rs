//! Columns of pods: what `kubectl get pods` prints.

use crate::registry::strategy::Column;
use crate::resources::cells;
use crate::resources::value::{flag, has, int, list, name, text};
use jiff::Timestamp;
use serde_json::Value;

/// What a pod's status says once its node cannot be reached.
const NODE_LOST: &str = "NodeLost";

pub(super) const COLUMNS: &[Column] = &[
    Column::NAME,
    Column::new("Ready", "string"),
    Column::new("Status", "string"),
    Column::new("Restarts", "string"),
    Column::AGE,
    Column::wide("IP", "string"),
    Column::wide("Node", "string"),
    Column::wide("Nominated Node", "string"),
    Column::wide("Readiness Gates", "string"),
];

pub(super) fn row(pod: &Value, now: Timestamp) -> Vec<Value> {
    let summary = Summary::of(pod);
    let (spec, status) = (&pod["spec"], &pod["status"]);
    let restarts = match summary.restarts {
        (count @ 1.., Some(last)) => format!("{count} ({} ago)", cells::since(last, now)),
        (count, _) => count.to_string(),
    };
    let address = list(status, "podIPs").first().map_or("", |address| text(address, "ip"));
    let or_none = |text: &str| Value::String(cells::or_none(text.to_owned()));
    vec![
        name(pod).into(),
        format!("{}/{}", summary.ready, summary.total).into(),
        summary.reason.into(),
        restarts.into(),
        cells::age(pod, now),
        or_none(address),
        or_none(text(spec, "nodeName")),
        or_none(text(status, "nominatedNodeName")),
        readiness_gates(pod).into(),
    ]
}

/// What the containers of a pod amount to.
struct Summary<'a> {
    reason: String,
    ready: usize,
    total: usize,
    /// How often, and when last if known.
    restarts: (i64, Option<&'a str>),
}

impl<'a> Summary<'a> {
    fn of(pod: &'a Value) -> Self {
        let (spec, status) = (&pod["spec"], &pod["status"]);
        let phase = text(status, "phase");
        let mut summary = Summary {
            reason: cells::or(text(status, "reason").to_owned(), phase),
            ready: 0,
            total: list(spec, "containers").len(),
            restarts: (0, None),
        };
        let scheduled = |condition: &Value| text(condition, "type") == "PodScheduled";
        if list(status, "conditions").iter().any(|it| scheduled(it) && text(it, "reason") == "SchedulingGated") {
            summary.reason = "SchedulingGated".to_owned();
        }
        summary.total += list(spec, "initContainers").iter().filter(|container| is_sidecar(container)).count();
        let (initializing, sidecar_restarts) = summary.look_at_init_containers(spec, status);
        if !initializing || has_true_condition(status, "Initialized") {
            summary.restarts = sidecar_restarts;
            summary.look_at_containers(status);
        }
        if has(&pod["metadata"], "deletionTimestamp") {
            if text(status, "reason") == NODE_LOST {
                summary.reason = "Unknown".to_owned();
            } else if !matches!(phase, "Succeeded" | "Failed") {
                summary.reason = "Terminating".to_owned();
            }
        }
        summary
    }

    /// Stops at the first init container that is not through. Says whether there is one, and how often sidecars
    /// restarted.
    fn look_at_init_containers(&mut self, spec: &'a Value, status: &'a Value) -> (bool, (i64, Option<&'a str>)) {
        let containers = list(spec, "initContainers");
        let mut sidecar_restarts = (0, None);
        for (index, container) in list(status, "initContainerStatuses").iter().enumerate() {
            add_restarts(&mut self.restarts, container);
            let sidecar =
                containers.iter().find(|it| text(it, "name") == text(container, "name")).is_some_and(is_sidecar);
            if sidecar {
                add_restarts(&mut sidecar_restarts, container);
            }
            let state = &container["state"];
            let terminated = &state["terminated"];
            let waiting = text(&state["waiting"], "reason");
            if !terminated.is_null() && int(terminated, "exitCode").unwrap_or(0) == 0 {
                continue;
            }
            if sidecar && flag(container, "started") {
                self.ready += usize::from(flag(container, "ready"));
                continue;
            }
            self.reason = if !terminated.is_null() {
                format!("Init:{}", ended(terminated))
            } else if !waiting.is_empty() && waiting != "PodInitializing" {
                format!("Init:{waiting}")
            } else {
                format!("Init:{index}/{}", containers.len())
            };
            return (true, sidecar_restarts);
        }
        (false, sidecar_restarts)
    }

    /// The first container that waits or has ended gives the reason, hence from the last to the first; one that ended well
    /// does not hide that others run or failed.
    fn look_at_containers(&mut self, status: &'a Value) {
        let (mut running, mut failed) = (false, None);
        for container in list(status, "containerStatuses").iter().rev() {
            add_restarts(&mut self.restarts, container);
            let state = &container["state"];
            let waiting = text(&state["waiting"], "reason");
            if !waiting.is_empty() {
                self.reason = waiting.to_owned();
            } else if has(state, "terminated") {
                self.reason = ended(&state["terminated"]);
                if int(&state["terminated"], "exitCode").unwrap_or(0) != 0 {
                    failed = Some(self.reason.clone());
                }
            } else if flag(container, "ready") && has(state, "running") {
                running = true;
                self.ready += 1;
            }
        }
        if self.reason == "Completed" {
            self.reason = match (running, failed) {
                (true, _) if has_true_condition(status, "Ready") => "Running".to_owned(),
                (_, Some(reason)) => reason,
                (true, None) => "NotReady".to_owned(),
                (false, None) => return,
            };
        }
    }
}

/// How a container ended.
fn ended(terminated: &Value) -> String {
    let signal = int(terminated, "signal").unwrap_or(0);
    match text(terminated, "reason") {
        "" if signal != 0 => format!("Signal:{signal}"),
        "" => format!("ExitCode:{}", int(terminated, "exitCode").unwrap_or(0)),
        reason => reason.to_owned(),
    }
}

/// Adds up restarts and keeps the latest end; all ends are RFC 3339 in UTC, so they compare as text.
fn add_restarts<'a>(restarts: &mut (i64, Option<&'a str>), container: &'a Value) {
    restarts.0 += int(container, "restartCount").unwrap_or(0);
    restarts.1 = restarts.1.max(container["lastState"]["terminated"]["finishedAt"].as_str());
}

fn is_sidecar(container: &Value) -> bool {
    text(container, "restartPolicy") == "Always"
}

fn has_true_condition(status: &Value, kind: &str) -> bool {
    list(status, "conditions").iter().any(|it| text(it, "type") == kind && text(it, "status") == "True")
}

fn readiness_gates(pod: &Value) -> String {
    let gates = list(&pod["spec"], "readinessGates");
    if gates.is_empty() {
        return "<none>".to_owned();
    }
    let open = gates.iter().filter(|gate| has_true_condition(&pod["status"], text(gate, "conditionType"))).count();
    format!("{open}/{}", gates.len())
}
