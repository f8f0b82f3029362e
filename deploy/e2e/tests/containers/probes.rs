//! Probes change what the pod's status says, and restart what does not live.

use crate::cluster::{Cluster, IMAGE};
use anyhow::{Result, ensure};
use std::fs;

pub(crate) fn readiness_follows_a_command(cluster: &Cluster) -> Result<()> {
    let folder = cluster.shared("readiness")?;
    cluster.apply(&format!(
        r#"
apiVersion: v1
kind: Pod
metadata: {{name: readiness}}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - name: c
    image: {IMAGE}
    command: [/bin/busybox, sleep, "3600"]
    readinessProbe: {{exec: {{command: [/bin/busybox, cat, /shared/ready]}}, periodSeconds: 1, failureThreshold: 1}}
    volumeMounts: [{{name: shared, mountPath: /shared}}]
  volumes: [{{name: shared, hostPath: {{path: {}}}}}]
"#,
        folder.display()
    ))?;
    let state = "kubectl get pod readiness -o jsonpath='{.status.phase} {.status.containerStatuses[0].ready} \
        {.status.conditions[?(@.type==\"Ready\")].status} {.status.conditions[?(@.type==\"Ready\")].message}'";
    let unready = "Running false False containers with unready status: [c]";
    cluster.until(state, unready)?;
    let events = "kubectl get events --field-selector involvedObject.name=readiness,reason=Unhealthy";
    cluster
        .until_holds(events, "Readiness probe failed: cat: can't open '/shared/ready': No such file or directory")?;
    fs::write(folder.join("ready"), "yes")?;
    cluster.until(state, "Running true True ")?;
    fs::remove_file(folder.join("ready"))?;
    cluster.until(state, unready)?;
    let restarts =
        cluster.shell("kubectl get pod readiness -o jsonpath='{.status.containerStatuses[0].restartCount}'")?;
    ensure!(restarts == "0", "readiness restarts nothing: {restarts}");
    Ok(())
}

pub(crate) fn liveness_over_http_restarts_a_container(cluster: &Cluster) -> Result<()> {
    let folder = cluster.shared("liveness")?;
    fs::write(folder.join("live"), "yes")?;
    cluster.apply(&format!(
        r#"
apiVersion: v1
kind: Pod
metadata: {{name: liveness}}
spec:
  terminationGracePeriodSeconds: 30
  containers:
  - name: c
    image: {IMAGE}
    command: [/bin/busybox, httpd, -f, -p, "8080", -h, /shared]
    ports: [{{name: http, containerPort: 8080}}]
    livenessProbe:
      httpGet: {{path: /live, port: http, httpHeaders: [{{name: X-Probe, value: live}}]}}
      periodSeconds: 1
      failureThreshold: 2
      terminationGracePeriodSeconds: 1
    volumeMounts: [{{name: shared, mountPath: /shared}}]
  volumes: [{{name: shared, hostPath: {{path: {}}}}}]
"#,
        folder.display()
    ))?;
    cluster.until("kubectl get pod liveness -o jsonpath='{.status.containerStatuses[0].ready}'", "true")?;
    fs::remove_file(folder.join("live"))?;
    let events = "kubectl get events --field-selector involvedObject.name=liveness";
    cluster.until_holds(events, "Liveness probe failed: HTTP probe failed with statuscode: 404")?;
    cluster.until_holds(events, "Container c failed liveness probe, will be restarted")?;
    fs::write(folder.join("live"), "yes")?;
    let state = ".status.containerStatuses[0]";
    cluster.until_some(
        &format!("kubectl get pod liveness -o jsonpath='{{{state}.restartCount}} {{{state}.ready}}'"),
        |out| {
            let (restarts, ready) = out.split_once(' ')?;
            (restarts.parse::<u32>().ok()? >= 1 && ready == "true").then_some(())
        },
    )
}

pub(crate) fn a_startup_probe_holds_the_others_back(cluster: &Cluster) -> Result<()> {
    let folder = cluster.shared("startup")?;
    cluster.apply(&format!(
        r#"
apiVersion: v1
kind: Pod
metadata: {{name: startup}}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - name: c
    image: {IMAGE}
    command: [/bin/sh, -c, "until busybox test -f /shared/go; do busybox sleep 0.2; done; exec busybox httpd -f -p 8080 -h /www"]
    startupProbe: {{tcpSocket: {{port: 8080}}, periodSeconds: 1, failureThreshold: 300}}
    livenessProbe: {{exec: {{command: [/bin/busybox, test, -f, /shared/go]}}, periodSeconds: 1, failureThreshold: 1}}
    readinessProbe: {{tcpSocket: {{port: 8080}}, periodSeconds: 1}}
    volumeMounts: [{{name: shared, mountPath: /shared}}]
  volumes: [{{name: shared, hostPath: {{path: {}}}}}]
"#,
        folder.display()
    ))?;
    let state = ".status.containerStatuses[0]";
    let state = format!(
        "kubectl get pod startup -o jsonpath='{{.status.phase}} {{{state}.started}} {{{state}.ready}} {{{state}.restartCount}}'"
    );
    cluster.until(&state, "Running false false 0")?;
    let events = "kubectl get events --field-selector involvedObject.name=startup,reason=Unhealthy";
    cluster.until_holds(events, "Startup probe failed: dial tcp ")?;
    cluster.until_holds(events, ":8080: connect: connection refused")?;
    fs::write(folder.join("go"), "")?;
    cluster.until(&state, "Running true true 0")
}
