//! Tables of the plan, and stories over the fake runtime.

use super::backoff::Backoff;
use super::config;
use super::observed::Observed;
use super::plan::{self, Action, Health};
use super::status;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use node_cri::{ContainerState, ContainerStatus, Map, SandboxStatus};
use serde_json::{Value, json};

const NOW: &str = "2026-01-01T01:00:00Z";

fn now() -> Timestamp {
    NOW.parse().unwrap()
}

fn pod(spec: Value) -> Pod {
    let mut object = json!({"metadata": {"name": "p", "namespace": "a", "uid": "u", "generation": 1},
        "spec": {"containers": [{"name": "c", "image": "web"}]}});
    object["spec"].as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
    serde_json::from_value(object).unwrap()
}

/// Containers from words such as `c:0:running c:1:exited=3@30` (name, attempt, state, exit code, seconds ago).
fn observed(sandbox: bool, text: &str) -> Observed {
    let mut observed = Observed::default();
    if sandbox {
        observed.sandboxes.push(SandboxStatus {
            id: "s".into(),
            name: "p".into(),
            namespace: "a".into(),
            uid: "u".into(),
            attempt: 0,
            ready: true,
            created_at: now(),
            ips: vec!["10.0.0.1".into()],
        });
    }
    for word in text.split_whitespace() {
        let parts: Vec<&str> = word.split(':').collect();
        let (state, ending) = parts[2].split_once('=').unwrap_or((parts[2], "0@0"));
        let (code, ago) = ending.split_once('@').unwrap_or((ending, "0"));
        let exited = state == "exited";
        observed.containers.push(ContainerStatus {
            id: word.into(),
            sandbox_id: "s".into(),
            name: parts[0].into(),
            attempt: parts[1].parse().unwrap(),
            state: match state {
                "exited" => ContainerState::Exited,
                "created" => ContainerState::Created,
                _ => ContainerState::Running,
            },
            created_at: now(),
            started_at: Some(now()),
            finished_at: exited
                .then(|| Timestamp::from_second(now().as_second() - ago.parse::<i64>().unwrap()).unwrap()),
            exit_code: code.parse().unwrap(),
            reason: String::new(),
            message: String::new(),
            image: "web".into(),
            image_ref: "fake://web".into(),
            log_path: String::new(),
            user: None,
            labels: Map::new(),
            annotations: Map::new(),
        });
    }
    observed.containers.sort_by_key(|container| std::cmp::Reverse(container.attempt));
    observed
}

fn describe(actions: &[Action]) -> String {
    let one = |action: &Action| match action {
        Action::CreateSandbox(attempt) => format!("sandbox#{attempt}"),
        Action::Start { name, attempt, .. } => format!("start {name}#{attempt}"),
        Action::Stop { id, .. } => format!("stop {id}"),
        Action::StopPod => "stop pod".into(),
        Action::Remove(id) => format!("remove {id}"),
        Action::Finish => "finish".into(),
    };
    actions.iter().map(one).collect::<Vec<_>>().join(", ")
}

fn check(spec: Value, sandbox: bool, containers: &str, expected: &str) {
    let plan =
        plan::plan(&pod(spec.clone()), &observed(sandbox, containers), &Backoff::default(), &Health::default(), now());
    assert_eq!(describe(&plan.actions), expected, "{spec} with {containers:?}");
}

// proves: KL-04
#[test]
fn a_pod_is_built_up_and_kept_running() {
    check(json!({}), false, "", "sandbox#0");
    check(json!({}), true, "", "start c#0");
    check(json!({}), true, "c:0:running", "");
    check(json!({}), true, "c:0:exited=1", "start c#1");
    check(json!({"restartPolicy": "OnFailure"}), true, "c:0:exited=1", "start c#1");
    check(json!({"restartPolicy": "OnFailure"}), true, "c:0:exited=0", "stop pod");
    check(json!({"restartPolicy": "Never"}), true, "c:0:exited=1", "stop pod");
    check(json!({"restartPolicy": "Never"}), false, "c:0:exited=1", "");
    check(json!({}), true, "c:0:exited=1 c:1:exited=1 c:2:running", "remove c:0:exited=1");
    check(json!({}), true, "c:1:created c:0:exited=1", "remove c:1:created, start c#1");
}

#[test]
fn a_containers_own_restart_policy_wins_over_the_pods() {
    let own = |policy: &str| json!({"containers": [{"name": "c", "restartPolicy": policy}]});
    check(own("Never"), true, "c:0:exited=1", "stop pod");
    check(own("OnFailure"), true, "c:0:exited=0", "stop pod");
    check(own("OnFailure"), true, "c:0:exited=1", "start c#1");
    let mut never = own("Always");
    never["restartPolicy"] = json!("Never");
    check(never, true, "c:0:exited=0", "start c#1");
    let init = json!({"initContainers": [{"name": "i", "restartPolicy": "Never"}]});
    check(init.clone(), true, "i:0:exited=1", "");
    assert!(plan::is_done(&pod(init).spec.unwrap(), &observed(true, "i:0:exited=1"), &Health::default()));
}

#[test]
fn a_pod_that_uses_too_much_is_stopped_at_once_and_says_so() {
    let health = Health { evicted: Some("Too much. ".to_owned()), ..Health::default() };
    let (pod, running) = (pod(json!({})), observed(true, "c:0:running"));
    let plan = plan::plan(&pod, &running, &Backoff::default(), &health, now());
    assert_eq!(describe(&plan.actions), "stop pod");
    assert_eq!(plan.failure.as_ref().unwrap().grace_seconds, Some(1));
    let status = status::status(&pod, &observed(false, "c:0:exited=137"), &plan, &health, &Default::default(), now());
    assert_eq!(
        (&status["phase"], &status["reason"], &status["message"]),
        (&json!("Failed"), &json!("Evicted"), &json!("Too much. "))
    );
    let mut conditions = status["conditions"].as_array().unwrap().iter();
    assert!(!conditions.any(|one| one["type"] == "DisruptionTarget"), "its own doing is no disruption");
}

#[test]
fn init_containers_run_one_after_another_and_sidecars_stay() {
    let init = json!({"initContainers": [{"name": "i1"}, {"name": "i2"}]});
    check(init.clone(), true, "", "start i1#0");
    check(init.clone(), true, "i1:0:running", "");
    check(init.clone(), true, "i1:0:exited=0", "start i2#0");
    check(init.clone(), true, "i1:0:exited=1", "start i1#1");
    check(init, true, "i1:0:exited=0 i2:0:exited=0", "start c#0");
    check(json!({"restartPolicy": "Never", "initContainers": [{"name": "i"}]}), true, "i:0:exited=1", "");
    let sidecar = json!({"initContainers": [{"name": "s", "restartPolicy": "Always"}]});
    check(sidecar.clone(), true, "", "start s#0");
    check(sidecar.clone(), true, "s:0:running", "start c#0");
    check(sidecar, true, "s:0:exited=1 c:0:running", "start s#1");
}

#[test]
fn a_container_that_keeps_ending_waits_longer_each_time() {
    let mut backoff = Backoff::default();
    let ended = |ago: i64| Timestamp::from_second(now().as_second() - ago).unwrap();
    assert_eq!(backoff.seconds_left("c", ended(0), now()), 0, "the first restart is immediate");
    for wait in [10, 20, 40, 80, 160, 300, 300] {
        backoff.restarted("c", ended(0), now());
        assert_eq!(backoff.seconds_left("c", ended(0), now()), wait);
    }
    let plan = plan::plan(&pod(json!({})), &observed(true, "c:1:exited=1@100"), &backoff, &Health::default(), now());
    assert_eq!((plan.actions.len(), plan.look_again_seconds), (0, Some(200)));
    let context = status::Context { backoff_seconds: [("c".to_owned(), 300)].into(), ..status::Context::default() };
    let status = status::status(
        &pod(json!({})),
        &observed(true, "c:1:exited=1@100"),
        &plan,
        &Health::default(),
        &context,
        now(),
    );
    let waiting = &status["containerStatuses"][0]["state"]["waiting"];
    assert_eq!(waiting["reason"], "CrashLoopBackOff");
    assert_eq!(waiting["message"], "back-off 5m0s restarting failed container=c pod=p_a(u)");
}

#[test]
fn a_container_that_its_probe_ended_backs_off_by_the_end_before() {
    let ended = |ago: i64| Timestamp::from_second(now().as_second() - ago).unwrap();
    let mut backoff = Backoff::default();
    let replaced = Health { replaced: ["c".to_owned()].into(), ..Health::default() };
    let after = |backoff: &Backoff, containers: &str, health: &Health| {
        let plan = plan::plan(&pod(json!({})), &observed(true, containers), backoff, health, now());
        plan.actions.iter().find_map(|action| match action {
            Action::Start { after, .. } => Some(*after),
            _ => None,
        })
    };
    assert_eq!(after(&backoff, "c:0:exited=137", &replaced), Some(None), "its first end counts for nothing");
    let two = "c:0:exited=137@12 c:1:exited=137";
    assert_eq!(after(&backoff, two, &replaced), Some(Some(ended(12))));
    backoff.restarted("c", ended(12), ended(12));
    assert_eq!(after(&backoff, two, &replaced), Some(Some(ended(12))), "ten seconds are over since the end before");
    assert_eq!(after(&backoff, two, &Health::default()), None, "a container that ended by itself waits");
}

#[test]
fn a_container_whose_image_changes_is_replaced_whatever_the_restart_policy() {
    let (pod, none) = (pod(json!({"restartPolicy": "Never"})), Backoff::default());
    let made_of = |image: &str, containers: &str| {
        let mut observed = observed(true, containers);
        let annotation = (config::IMAGE_ANNOTATION.to_owned(), image.to_owned());
        observed.containers[0].annotations = [annotation].into();
        observed
    };
    let decide = |observed: &Observed, health: &Health| plan::plan(&pod, observed, &none, health, now());
    assert!(decide(&made_of("web", "c:0:running"), &Health::default()).actions.is_empty());
    let message = "Container c definition changed, will be restarted".to_owned();
    let stop = Action::Stop { id: "c:0:running".to_owned(), message, grace_seconds: None };
    assert_eq!(decide(&made_of("old", "c:0:running"), &Health::default()).actions, [stop]);
    let replaced = Health { replaced: ["c".to_owned()].into(), ..Health::default() };
    let ended = made_of("old", "c:0:exited=137");
    let plan = decide(&ended, &replaced);
    assert_eq!(describe(&plan.actions), "start c#1");
    let status = status::status(&pod, &ended, &plan, &replaced, &status::Context::default(), now());
    assert_eq!(status["phase"], "Running");
    assert_eq!(describe(&decide(&ended, &Health::default()).actions), "stop pod", "one that ended by itself has ended");
}

#[test]
fn a_container_that_fails_its_probe_is_said_to_be_restarted_only_if_it_is() {
    let failed = plan::Failed { text: "failed liveness probe".to_owned(), grace_seconds: Some(3) };
    let words = |spec: Value, name: &str| {
        let health = Health { failed: [(name.to_owned(), failed.clone())].into(), ..Health::default() };
        let observed = observed(true, "s:0:running c:0:running");
        let plan = plan::plan(&pod(spec), &observed, &Backoff::default(), &health, now());
        plan.actions.into_iter().find_map(|action| match action {
            Action::Stop { message, grace_seconds: Some(3), .. } => Some(message),
            _ => None,
        })
    };
    assert_eq!(words(json!({}), "c").unwrap(), "Container c failed liveness probe, will be restarted");
    assert_eq!(words(json!({"restartPolicy": "Never"}), "c").unwrap(), "Container c failed liveness probe");
    let sidecar = json!({"initContainers": [{"name": "s", "restartPolicy": "Always"}]});
    assert_eq!(words(sidecar, "s").unwrap(), "Init container s failed liveness probe");
}

#[test]
fn a_pod_on_its_way_out_is_stopped_then_finished() {
    let mut leaving = pod(json!({}));
    leaving.metadata.deletion_timestamp = Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(now()));
    let decide = |observed: &Observed| {
        describe(&plan::plan(&leaving, observed, &Backoff::default(), &Health::default(), now()).actions)
    };
    assert_eq!(decide(&observed(true, "c:0:running")), "stop pod");
    assert_eq!(decide(&observed(false, "c:0:exited=143")), "finish");
}

#[test]
fn what_is_not_supported_fails_by_name_and_never_runs() {
    let spec = json!({"volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "x"}}]});
    let plan = plan::plan(&pod(spec), &observed(false, ""), &Backoff::default(), &Health::default(), now());
    assert!(plan.actions.is_empty());
    let failure = plan.failure.clone().unwrap();
    assert_eq!(failure.reason, "UnsupportedPodSpec");
    assert!(failure.message.starts_with("Pod was rejected: ") && failure.message.contains("volume \"v\""));
    assert!(!failure.event.starts_with("Pod was rejected"), "{}", failure.event);
    let status =
        status::status(&pod(json!({})), &observed(false, ""), &plan, &Health::default(), &Default::default(), now());
    assert_eq!((&status["phase"], &status["reason"]), (&json!("Failed"), &json!("UnsupportedPodSpec")));
    assert_eq!(status["conditions"], Value::Null, "nothing is known of a pod that was never begun");
}

#[test]
fn phases_and_conditions_follow_the_containers() {
    let phase = |spec: Value, sandbox: bool, containers: &str| {
        let (pod, observed, health) = (pod(spec), observed(sandbox, containers), Health::default());
        let plan = plan::plan(&pod, &observed, &Backoff::default(), &health, now());
        let status = status::status(&pod, &observed, &plan, &health, &status::Context::default(), now());
        let ready =
            status["conditions"].as_array().unwrap().iter().find(|condition| condition["type"] == "Ready").unwrap();
        format!("{} {}", status["phase"].as_str().unwrap(), ready["status"].as_str().unwrap())
    };
    let first = |sandbox: bool, containers: &str| {
        let (pod, observed, health) = (
            pod(json!({"restartPolicy": "Never", "initContainers": [{"name": "i"}]})),
            observed(sandbox, containers),
            Health::default(),
        );
        let plan = plan::plan(&pod, &observed, &Backoff::default(), &health, now());
        status::status(&pod, &observed, &plan, &health, &status::Context::default(), now())
    };
    let before = first(false, "");
    assert_eq!(before["conditions"][0]["reason"], "PodSandboxNotReady");
    assert_eq!(before["conditions"][0]["message"], "no pod sandbox exists");
    assert_eq!(before["containerStatuses"][0]["state"], json!({"waiting": {"reason": "PodInitializing"}}));
    assert_eq!(first(true, "")["conditions"][0]["status"], "True");
    assert_eq!(phase(json!({}), true, ""), "Pending False");
    assert_eq!(phase(json!({}), true, "c:0:running"), "Running True");
    assert_eq!(phase(json!({}), true, "c:0:exited=1"), "Running False");
    assert_eq!(phase(json!({"restartPolicy": "Never"}), true, "c:0:exited=0"), "Succeeded False");
    assert_eq!(phase(json!({"restartPolicy": "Never"}), true, "c:0:exited=1"), "Failed False");
    assert_eq!(phase(json!({"initContainers": [{"name": "i"}]}), true, "i:0:running"), "Pending False");
}
