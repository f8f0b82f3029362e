//! A real containerd, supervised, in a network namespace of its own: from an image built here to a pod that answers.

#![allow(clippy::unwrap_used, reason = "a failed step ends the test")]

use node_cri::image::ImageSource;
use node_cri::supervise::{Containerd, Tools};
use node_cri::{Client, ContainerConfig, ContainerState, ContainerStatus, Runtime, SandboxConfig};
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

const IN_NAMESPACE: &str = "NODE_CRI_TEST_IN_NAMESPACE";
const STEP_MAX: Duration = Duration::from_secs(60);

// proves: KL-02, KL-10
#[test]
fn a_pod_of_a_built_image_runs_has_an_address_and_survives_its_supervisor() {
    if let Err(missing) = Tools::find() {
        eprintln!("SKIPPED: {missing}");
        return;
    }
    if std::env::var_os(IN_NAMESPACE).is_some() {
        tokio::runtime::Runtime::new().unwrap().block_on(pod());
        return;
    }
    // Bridges and firewall rules go into a network namespace that ends with this process; the file systems, with the
    // control groups, stay the machine's.
    let status = Command::new("unshare")
        .args(["--net", "sh", "-c", "ip link set lo up && exec \"$0\" \"$@\""])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "a_pod_of_a_built_image_runs_has_an_address_and_survives_its_supervisor", "--nocapture"])
        .env(IN_NAMESPACE, "1")
        .status()
        .unwrap();
    assert!(status.success());
}

async fn pod() {
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().join("containerd");
    let path = directory.clone();
    #[allow(clippy::disallowed_methods, reason = "its panic is caught, so that containerd's log can be shown")]
    let outcome = tokio::task::spawn(async move { scenario(&path).await }).await;
    if outcome.is_err() {
        let log = std::fs::read_to_string(directory.join("containerd.log")).unwrap_or_default();
        let start = log.len().saturating_sub(8_000);
        eprintln!("{}", log.get(start..).unwrap_or_default());
    }
    outcome.unwrap();
}

async fn scenario(directory: &Path) {
    let logs = directory.join("logs");
    let (client, runtime, stop) = start(directory).await;
    let status = client.status().await.unwrap();
    assert!(status.runtime_ready && status.network_ready, "{status:?}");

    let busybox = std::fs::read("/bin/busybox").unwrap();
    let image = ImageSource {
        name: "docker.io/library/web:1".to_owned(),
        files: vec![
            ("bin/busybox".to_owned(), busybox, 0o755),
            ("www/index.html".to_owned(), b"hello from a pod\n".to_vec(), 0o644),
        ],
        links: vec![("bin/sh".to_owned(), "busybox".to_owned())],
        entrypoint: ["/bin/busybox", "httpd", "-f", "-p", "80", "-h", "/www"].map(str::to_owned).into(),
        ..ImageSource::default()
    };
    let importer = Containerd::configure(directory, Tools::find().unwrap(), "10.99.0.0/24".parse().unwrap());
    importer.unwrap().importer().import(&image.archive().unwrap()).await.unwrap();
    let listed = until(|| listed(&client)).await.unwrap();
    assert_eq!(listed.tags, ["docker.io/library/web:1"]);

    let pod = SandboxConfig {
        name: "web".to_owned(),
        namespace: "default".to_owned(),
        uid: "uid-1".to_owned(),
        hostname: "web".to_owned(),
        log_directory: logs.display().to_string(),
        ..SandboxConfig::default()
    };
    let mut changes = client.changes();
    let sandbox = client.run_pod_sandbox(&pod).await.unwrap();
    let found = client.list_pod_sandboxes(Some("uid-1")).await.unwrap();
    assert_eq!((found.len(), found[0].id == sandbox, found[0].ready), (1, true, true));
    let ip = found[0].ips[0].clone();
    assert!(ip.starts_with("10.99.0."), "{ip}");
    assert_eq!(client.list_pod_sandboxes(Some("other")).await.unwrap(), []);

    let container = |name: &str, command: &[&str]| ContainerConfig {
        name: name.to_owned(),
        image: "web:1".to_owned(),
        command: command.iter().map(|word| (*word).to_owned()).collect(),
        log_path: format!("{name}/0.log"),
        ..ContainerConfig::default()
    };
    let web = client.create_container(&sandbox, &container("web", &[]), &pod).await.unwrap();
    client.start_container(&web).await.unwrap();
    let page = until(|| async {
        let get = Command::new("/bin/busybox").args(["wget", "-q", "-O", "-", &format!("http://{ip}/")]).output();
        get.ok().filter(|output| output.status.success()).map(|output| output.stdout)
    });
    assert_eq!(page.await.unwrap(), b"hello from a pod\n");
    let change = tokio::time::timeout(STEP_MAX, changes.recv()).await.unwrap().unwrap();
    assert_eq!(change.pod_uid, "uid-1");

    let exec = ["/bin/sh", "-c", "hostname; echo no >&2; exit 3"].map(str::to_owned);
    let output = client.exec_sync(&web, &exec, Duration::from_secs(20)).await.unwrap();
    assert_eq!(
        (output.stdout.as_slice(), output.stderr.as_slice(), output.exit_code),
        (&b"web\n"[..], &b"no\n"[..], 3)
    );

    let job = container("job", &["/bin/sh", "-c", "echo done; exit 7"]);
    let job = client.create_container(&sandbox, &job, &pod).await.unwrap();
    client.start_container(&job).await.unwrap();
    let ended = until(|| ended(&client, &job)).await.unwrap();
    assert_eq!((ended.exit_code, ended.reason.as_str()), (7, "Error"));
    let log = std::fs::read_to_string(&ended.log_path).unwrap();
    assert_eq!(ended.log_path, logs.join("job/0.log").display().to_string());
    assert!(log.ends_with(" stdout F done\n"), "{log}");

    // The supervisor ends, containerd with it; the pod goes on, and the next containerd knows it.
    stop.cancel();
    runtime.await.unwrap();
    assert!(client.version().await.is_err());
    let (client, runtime, stop) = start(directory).await;
    let kept = client.container_status(&web).await.unwrap();
    assert_eq!((kept.state, kept.sandbox_id.as_str()), (ContainerState::Running, sandbox.as_str()));

    client.stop_container(&web, Duration::from_secs(1)).await.unwrap();
    assert_eq!(client.container_status(&web).await.unwrap().state, ContainerState::Exited);
    client.remove_container(&web).await.unwrap();
    client.stop_pod_sandbox(&sandbox).await.unwrap();
    client.remove_pod_sandbox(&sandbox).await.unwrap();
    assert!(client.list_containers(Some("uid-1")).await.unwrap().is_empty());
    assert!(client.container_status(&web).await.unwrap_err().is_not_found());
    client.stop_pod_sandbox(&sandbox).await.unwrap();
    client.remove_container(&web).await.unwrap();
    stop.cancel();
    runtime.await.unwrap();
}

async fn start(directory: &Path) -> (Client, tokio::task::JoinHandle<()>, CancellationToken) {
    let cidr = "10.99.0.0/24".parse().unwrap();
    let containerd = Containerd::configure(directory, Tools::find().unwrap(), cidr).unwrap();
    let client = Client::connect(&containerd.socket());
    let stop = CancellationToken::new();
    #[allow(clippy::disallowed_methods, reason = "the test owns both tasks")]
    let running = {
        let watched = (client.clone().watch(), stop.clone());
        tokio::spawn(async move { watched.1.run_until_cancelled(watched.0).await });
        tokio::spawn(containerd.clone().run(stop.clone()))
    };
    containerd.ready(&client).await.unwrap();
    (client, running, stop)
}

async fn listed(client: &Client) -> Option<node_cri::Image> {
    client.image_status("web:1").await.unwrap().filter(|image| !image.tags.is_empty())
}

async fn ended(client: &Client, id: &str) -> Option<ContainerStatus> {
    Some(client.container_status(id).await.unwrap()).filter(|status| status.state == ContainerState::Exited)
}

/// Looks again until there is something, for a limited time.
async fn until<T, F: Future<Output = Option<T>>>(mut look: impl FnMut() -> F) -> Option<T> {
    let deadline = tokio::time::Instant::now() + STEP_MAX;
    while tokio::time::Instant::now() < deadline {
        if let Some(found) = look().await {
            return Some(found);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    None
}
