//! Real containers: the server with a real node of its own, in a network namespace, and pods of a busybox image.
//!
//! Needs root and what `deploy/test` installs. A machine without them fails this test, unless
//! `RAFTSMAN_E2E_NO_CONTAINERS=1` says that it is meant to.

#[path = "containers/cluster.rs"]
mod cluster;
#[path = "containers/confinement.rs"]
mod confinement;
#[path = "containers/failures.rs"]
mod failures;
#[path = "containers/hooks.rs"]
mod hooks;
#[path = "containers/images.rs"]
mod images;
#[path = "containers/kills.rs"]
mod kills;
#[path = "containers/logs.rs"]
mod logs;
#[path = "containers/materials.rs"]
mod materials;
#[path = "containers/probes.rs"]
mod probes;
#[path = "containers/restarts.rs"]
mod restarts;
#[path = "containers/survival.rs"]
mod survival;
#[path = "containers/updates.rs"]
mod updates;
#[path = "containers/web.rs"]
mod web;

use anyhow::{Context, Result, ensure};
use cluster::Cluster;
use e2e::containers_are_excused;

type Scenario = (&'static str, fn(&Cluster) -> Result<()>);

const SCENARIOS: [Scenario; 24] = [
    ("a Deployment serves pages", web::a_deployment_serves_pages),
    ("containers get what their pod asks for", materials::containers_get_what_their_pod_asks_for),
    ("what cannot be done is refused by name", materials::what_cannot_be_done_is_refused_by_name),
    ("a container that fails is started again", restarts::a_container_that_fails_is_started_again),
    ("a container that ends for good says how", restarts::a_container_that_ends_for_good_says_how),
    ("readiness follows a command", probes::readiness_follows_a_command),
    ("liveness over HTTP restarts a container", probes::liveness_over_http_restarts_a_container),
    ("a startup probe holds the others back", probes::a_startup_probe_holds_the_others_back),
    ("hooks run after the start and before the stop", hooks::hooks_run_after_the_start_and_before_the_stop),
    ("a pod gets its grace period and no more", hooks::a_pod_gets_its_grace_period_and_no_more),
    ("logs are shown as asked for", logs::logs_are_shown_as_asked_for),
    ("a long log is rotated", logs::a_long_log_is_rotated_and_followed),
    ("probes ask over gRPC and HTTPS", probes::probes_ask_over_grpc_and_https),
    ("an image that cannot be had is told", images::an_image_that_cannot_be_had_is_told_as_upstream_does),
    ("a container that cannot be made says why", failures::a_container_that_cannot_be_made_or_started_says_why),
    ("too much memory kills", failures::a_container_that_takes_too_much_memory_is_killed_and_says_so),
    ("too much storage evicts", failures::a_pod_that_takes_too_much_storage_is_evicted),
    ("init containers are tried again", failures::init_containers_are_tried_again_or_end_the_pod),
    ("privileges are those of the pod", confinement::a_container_has_the_privileges_that_its_pod_says),
    ("new contents reach a running pod", updates::new_contents_reach_a_running_pod),
    ("what comes is told", updates::what_comes_is_told_before_it_is_there),
    ("another image, another container", updates::another_image_means_another_container),
    ("a pod that is held back", updates::a_pod_that_is_held_back_keeps_what_was_told_of_its_end),
    ("a deletion by force", updates::a_pod_that_is_deleted_by_force_is_gone_at_once_and_its_container_soon),
];

// proves: KL-02, KL-04, KL-06, KL-07, KL-08
#[test]
fn real_containers_run_as_their_pods_say_and_outlive_the_server() -> Result<()> {
    if containers_are_excused() {
        return Ok(());
    }
    let mut cluster = Cluster::start().context("cannot run containers (see deploy/test for what it takes)")?;
    let failures: Vec<String> = std::thread::scope(|scope| {
        let cluster = &cluster;
        let running = SCENARIOS.map(|(name, run)| (name, scope.spawn(move || run(cluster))));
        let failures = running.into_iter().filter_map(|(name, thread)| match thread.join() {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(format!("{name}: {error:#}")),
            Err(_) => Some(format!("{name}: panicked")),
        });
        failures.collect()
    });
    ensure!(failures.is_empty(), "{}\n{}", failures.join("\n\n"), cluster.evidence());
    survival::containers_outlive_the_server(&mut cluster).with_context(|| cluster.evidence())?;
    kills::ten_kills_leave_nothing_half_done(&mut cluster).with_context(|| cluster.evidence())
}
