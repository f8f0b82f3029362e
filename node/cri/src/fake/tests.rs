//! What the fake runtime promises.

use super::*;

fn pod(uid: &str) -> SandboxConfig {
    SandboxConfig { name: uid.to_owned(), namespace: "a".to_owned(), uid: uid.to_owned(), ..SandboxConfig::default() }
}

async fn run(runtime: &FakeRuntime, uid: &str, image: &str) -> String {
    let sandbox = runtime.run_pod_sandbox(&pod(uid)).await.unwrap();
    let config = ContainerConfig { name: "c".to_owned(), image: image.to_owned(), ..ContainerConfig::default() };
    let container = runtime.create_container(&sandbox, &config, &pod(uid)).await.unwrap();
    runtime.start_container(&container).await.unwrap();
    container
}

#[tokio::test]
async fn a_container_runs_until_it_is_stopped() {
    let runtime = FakeRuntime::new(Options::default());
    let id = run(&runtime, "p", "web").await;
    assert_eq!(runtime.container_status(&id).await.unwrap().state, ContainerState::Running);
    runtime.stop_container(&id, Duration::ZERO).await.unwrap();
    let status = runtime.container_status(&id).await.unwrap();
    assert_eq!((status.state, status.exit_code, status.reason.as_str()), (ContainerState::Exited, 143, "Error"));
}

#[tokio::test]
async fn an_image_says_how_its_container_ends() {
    let runtime = FakeRuntime::new(Options::default());
    let id = run(&runtime, "p", "exit:3").await;
    let status = runtime.container_status(&id).await.unwrap();
    assert_eq!((status.state, status.exit_code), (ContainerState::Exited, 3));
    let id = run(&runtime, "q", "exit:0:3600").await;
    assert_eq!(runtime.container_status(&id).await.unwrap().state, ContainerState::Running);
    assert!(runtime.next_end().is_some());
}

#[tokio::test]
async fn pods_get_different_addresses_and_their_changes_are_told() {
    let runtime = FakeRuntime::new(Options::default());
    let mut changes = runtime.changes();
    run(&runtime, "p", "web").await;
    run(&runtime, "q", "web").await;
    let ips: Vec<_> =
        runtime.list_pod_sandboxes(None).await.unwrap().into_iter().flat_map(|sandbox| sandbox.ips).collect();
    assert_eq!(ips.len(), 2);
    assert_ne!(ips[0], ips[1]);
    assert_eq!(changes.try_recv().unwrap().pod_uid, "p");
}

#[tokio::test]
async fn the_same_seed_fails_the_same_calls() {
    let failures = async |seed| {
        let runtime = FakeRuntime::new(Options { failures_per_mille: 300, seed, ..Options::default() });
        let mut failed = Vec::new();
        for number in 0..50 {
            failed.push(runtime.run_pod_sandbox(&pod(&number.to_string())).await.is_err());
        }
        failed
    };
    let first = failures(7).await;
    assert!(first.contains(&true) && first.contains(&false));
    assert_eq!(first, failures(7).await);
    assert_ne!(first, failures(8).await);
}

#[tokio::test]
async fn removing_a_sandbox_removes_its_containers() {
    let runtime = FakeRuntime::new(Options::default());
    let id = run(&runtime, "p", "web").await;
    let sandbox = runtime.list_pod_sandboxes(Some("p")).await.unwrap().remove(0);
    runtime.stop_pod_sandbox(&sandbox.id).await.unwrap();
    runtime.remove_pod_sandbox(&sandbox.id).await.unwrap();
    assert!(runtime.container_status(&id).await.unwrap_err().is_not_found());
    assert!(runtime.list_pod_sandboxes(None).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_container_logs_its_start_and_its_end() {
    let runtime = FakeRuntime::new(Options::default());
    let id = run(&runtime, "p", "web").await;
    let log = runtime.log(&id).await.unwrap();
    assert!(log.ends_with(" stdout F simulated container c of pod a/p started: image web, attempt 0\n"), "{log}");
    runtime.crash(&id, 3);
    let log = runtime.log(&id).await.unwrap();
    assert!(log.ends_with(" stdout F simulated container c ended with code 3\n"), "{log}");
    assert!(runtime.log("none").await.unwrap_err().is_not_found());
}

#[tokio::test]
async fn a_container_that_cannot_be_started_has_ended() {
    let runtime = FakeRuntime::new(Options { failures_per_mille: 1000, ..Options::default() });
    let working = FakeRuntime::new(Options::default());
    let sandbox = working.run_pod_sandbox(&pod("p")).await.unwrap();
    let failing = FakeRuntime { options: runtime.options, ..working };
    let id = failing.create_container(&sandbox, &ContainerConfig::default(), &pod("p")).await.unwrap();
    let error = failing.start_container(&id).await.unwrap_err();
    let status = failing.container_status(&id).await.unwrap();
    assert_eq!((status.state, status.exit_code), (ContainerState::Exited, 128));
    assert_eq!((status.reason.as_str(), &status.message), ("StartError", &error.message));
}
