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

/// A server of `grpc.health.v1.Health` that says the same to everybody, as frames of HTTP/2: its settings, and after the
/// question the answer. `state` is 1 for SERVING, 2 for NOT_SERVING.
fn health_server(state: u8) -> (Vec<u8>, Vec<u8>) {
    let frame = |kind: u8, flags: u8, stream: u8, payload: &[u8]| {
        let length = u8::try_from(payload.len()).unwrap_or(u8::MAX);
        [&[0, 0, length, kind, flags, 0, 0, 0, stream], payload].concat()
    };
    let (data, headers, settings) = (0, 1, 4);
    let (end_stream, end_headers) = (1, 4);
    // `:status: 200` and `content-type: application/grpc` by their places in HPACK's table, then a name in full.
    let head = [&[0x88, 0x0f, 0x10, 16][..], b"application/grpc"].concat();
    let trailer = [&[0, 11][..], b"grpc-status", &[1], b"0"].concat();
    let answer = [
        frame(settings, 1, 0, &[]),
        frame(headers, end_headers, 1, &head),
        frame(data, 0, 1, &[0, 0, 0, 0, 2, 8, state]),
        frame(headers, end_stream | end_headers, 1, &trailer),
    ];
    (frame(settings, 0, 0, &[]), answer.concat())
}

pub(crate) fn probes_ask_over_grpc_and_https(cluster: &Cluster) -> Result<()> {
    let folder = cluster.shared("calls")?;
    let tell = |state: u8| -> Result<()> {
        let (settings, answer) = health_server(state);
        fs::write(folder.join("settings"), settings)?;
        fs::write(folder.join("answer.new"), answer)?;
        Ok(fs::rename(folder.join("answer.new"), folder.join("answer"))?)
    };
    tell(2)?;
    // Half a second is enough for the question; nobody reads it.
    let serve =
        "#!/bin/sh\nbusybox cat /shared/settings; busybox sleep 0.5; busybox cat /shared/answer; busybox sleep 1\n";
    fs::write(folder.join("serve"), serve)?;
    fs::set_permissions(folder.join("serve"), std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
    cluster.apply(&format!(
        r#"
apiVersion: v1
kind: Pod
metadata: {{name: calls}}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - name: grpc
    image: {IMAGE}
    command: [/bin/busybox, nc, -ll, -p, "9000", -e, /shared/serve]
    readinessProbe: {{grpc: {{port: 9000, service: web}}, periodSeconds: 1, timeoutSeconds: 5, failureThreshold: 1}}
    volumeMounts: [{{name: shared, mountPath: /shared}}]
  - name: https
    image: {IMAGE}
    command: [/bin/busybox, sleep, "3600"]
    startupProbe: {{httpGet: {{scheme: HTTPS, host: 127.0.0.1, port: 6443, path: /livez}}, periodSeconds: 1}}
    readinessProbe: {{httpGet: {{scheme: HTTPS, host: 127.0.0.1, port: 6443, path: /api/v1/nodes}}, periodSeconds: 1}}
  volumes: [{{name: shared, hostPath: {{path: {}}}}}]
"#,
        folder.display()
    ))?;
    let events = "kubectl get events --field-selector involvedObject.name=calls,reason=Unhealthy";
    cluster.until_holds(events, "Readiness probe failed: service unhealthy (responded with \"NOT_SERVING\")")?;
    // Whoever shows no certificate may ask for the server's health and for nothing else.
    cluster.until_holds(events, "Readiness probe failed: HTTP probe failed with statuscode: 40")?;
    let state =
        "kubectl get pod calls -o jsonpath='{range .status.containerStatuses[*]}{.name} {.started} {.ready};{end}'";
    cluster.until(state, "grpc true false;https true false;")?;
    tell(1)?;
    cluster.until(state, "grpc true true;https true false;")?;
    cluster.shell("kubectl delete pod calls --now").map(drop)
}
