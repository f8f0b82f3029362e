//! Real containers: the server with a real node of its own, in a network namespace, and pods of a busybox image.
//!
//! Needs root and what `deploy/test` installs. A machine without them fails this test, unless
//! `RAFTSMAN_E2E_NO_CONTAINERS=1` says that it is meant to.

#[path = "containers/cluster.rs"]
mod cluster;
#[path = "containers/hooks.rs"]
mod hooks;
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
#[path = "containers/web.rs"]
mod web;

use anyhow::{Context, Result, ensure};
use cluster::Cluster;

type Scenario = (&'static str, fn(&Cluster) -> Result<()>);

const SCENARIOS: [Scenario; 11] = [
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
];

// proves: KL-02, KL-04, KL-06, KL-07, KL-08
#[test]
fn real_containers_run_as_their_pods_say_and_outlive_the_server() -> Result<()> {
    if cluster::is_excused() {
        eprintln!("NO CONTAINERS: RAFTSMAN_E2E_NO_CONTAINERS=1");
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
    survival::containers_outlive_the_server(&mut cluster).with_context(|| cluster.evidence())
}
