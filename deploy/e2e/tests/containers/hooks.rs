//! Hooks around a container's life, and how long its end may take.

use crate::cluster::{Cluster, IMAGE};
use anyhow::{Result, ensure};
use std::fs;
use std::time::{Duration, Instant};

/// Far below the pods' grace periods, far above what an end takes on a busy machine.
const PROMPT: Duration = Duration::from_secs(40);

pub(crate) fn hooks_run_after_the_start_and_before_the_stop(cluster: &Cluster) -> Result<()> {
    let folder = cluster.shared("hooks")?;
    fs::create_dir_all(folder.join("www/cgi-bin"))?;
    let script = folder.join("www/cgi-bin/leave");
    fs::write(&script, "#!/bin/sh\necho http > /shared/http\nprintf 'Content-Type: text/plain\\r\\n\\r\\nok\\n'\n")?;
    fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
    cluster.apply(&format!(
        r#"
apiVersion: v1
kind: Pod
metadata: {{name: hooks}}
spec:
  terminationGracePeriodSeconds: 6
  containers:
  - name: command
    image: {IMAGE}
    command: [/bin/sh, -c, "trap 'echo term > /shared/term; exit 0' TERM; while :; do busybox sleep 0.1; done"]
    lifecycle:
      postStart: {{exec: {{command: [/bin/sh, -c, "echo started > /shared/started"]}}}}
      preStop: {{exec: {{command: [/bin/sh, -c, "busybox test -f /shared/term || echo stopping > /shared/stopping"]}}}}
    volumeMounts: [{{name: shared, mountPath: /shared}}]
  - name: server
    image: {IMAGE}
    command: [/bin/busybox, httpd, -f, -p, "8080", -h, /shared/www]
    ports: [{{name: http, containerPort: 8080}}]
    lifecycle:
      preStop: {{httpGet: {{path: /cgi-bin/leave, port: http}}}}
    volumeMounts: [{{name: shared, mountPath: /shared}}]
  volumes: [{{name: shared, hostPath: {{path: {}}}}}]
---
apiVersion: v1
kind: Pod
metadata: {{name: hook-fails}}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - name: c
    image: {IMAGE}
    command: [/bin/busybox, sleep, "3600"]
    lifecycle: {{postStart: {{exec: {{command: [/bin/sh, -c, "echo no; exit 5"]}}}}}}
"#,
        folder.display()
    ))?;
    cluster.shell("kubectl wait --for=condition=Ready --timeout=90s pod/hooks")?;
    ensure!(fs::read_to_string(folder.join("started"))? == "started\n", "postStart");
    ensure!(!folder.join("stopping").exists(), "preStop before the stop");
    let began = Instant::now();
    cluster.shell("kubectl delete pod hooks --timeout=90s")?;
    ensure!(began.elapsed() < PROMPT, "took {:?}", began.elapsed());
    for (file, wanted) in [("stopping", "stopping\n"), ("term", "term\n"), ("http", "http\n")] {
        let got = fs::read_to_string(folder.join(file)).unwrap_or_default();
        ensure!(got == wanted, "{file} holds {got:?}");
    }
    let events = "kubectl get events --field-selector involvedObject.name=hooks,reason=Killing";
    cluster.until_holds(events, "Stopping container command")?;
    let events = "kubectl get events --field-selector involvedObject.name=hook-fails";
    cluster.until_holds(events, "FailedPostStartHook")?;
    let reason = "kubectl get pod hook-fails -o jsonpath='{.status.containerStatuses[0].restartCount}'";
    cluster.until_some(reason, |count| (count.parse::<u32>().ok()? >= 1).then_some(()))?;
    cluster.shell("kubectl delete pod hook-fails --now").map(drop)
}

pub(crate) fn a_pod_gets_its_grace_period_and_no_more(cluster: &Cluster) -> Result<()> {
    let stubborn = |name: &str, seconds: u32| {
        format!(
            r#"
apiVersion: v1
kind: Pod
metadata: {{name: {name}}}
spec:
  terminationGracePeriodSeconds: {seconds}
  containers:
  - name: c
    image: {IMAGE}
    command: [/bin/sh, -c, "trap '' TERM; while :; do busybox sleep 1; done"]
---
"#
        )
    };
    cluster.apply(&(stubborn("short-grace", 3) + &stubborn("long-grace", 600)))?;
    cluster.shell("kubectl wait --for=condition=Ready --timeout=90s pod/short-grace pod/long-grace")?;
    let began = Instant::now();
    cluster.shell("kubectl delete pod short-grace --timeout=90s")?;
    let took = began.elapsed();
    ensure!((Duration::from_secs(3)..PROMPT).contains(&took), "took {took:?}");
    // A second delete shortens what is left.
    cluster.shell("kubectl delete pod long-grace --wait=false")?;
    cluster.until_holds(
        "kubectl get events --field-selector involvedObject.name=long-grace,reason=Killing",
        "Stopping container c",
    )?;
    let began = Instant::now();
    cluster.shell("kubectl delete pod long-grace --grace-period=2 --timeout=90s")?;
    ensure!(began.elapsed() < PROMPT, "took {:?}", began.elapsed());
    Ok(())
}
