//! Changes that reach a pod: what is told of its start, new contents of its volumes, another image, and its end.

use crate::cluster::{Cluster, IMAGE};
use anyhow::{Result, ensure};

pub(crate) fn new_contents_reach_a_running_pod(cluster: &Cluster) -> Result<()> {
    cluster.apply(&format!(
        r#"
apiVersion: v1
kind: ConfigMap
metadata: {{name: weather}}
data: {{sky: clear, wind: calm}}
---
apiVersion: v1
kind: Secret
metadata: {{name: code}}
stringData: {{word: old}}
---
apiVersion: v1
kind: Pod
metadata: {{name: reader, annotations: {{mood: good}}}}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - name: c
    image: {IMAGE}
    command: [/bin/sh, -c]
    args:
    - |
      last=
      while :; do
        now="$(busybox ls /config | busybox tr '\n' ' ')$(busybox cat /config/sky) $(busybox cat /secret/word) $(busybox cat /down/mood) $(busybox cat /sub)"
        [ "$now" = "$last" ] || echo "$now"
        last=$now
        busybox sleep 0.2
      done
    volumeMounts:
    - {{name: config, mountPath: /config}}
    - {{name: config, mountPath: /sub, subPath: sky}}
    - {{name: secret, mountPath: /secret}}
    - {{name: down, mountPath: /down}}
  volumes:
  - {{name: config, configMap: {{name: weather}}}}
  - {{name: secret, secret: {{secretName: code}}}}
  - {{name: down, downwardAPI: {{items: [{{path: mood, fieldRef: {{fieldPath: "metadata.annotations['mood']"}}}}]}}}}
"#
    ))?;
    cluster.until("kubectl logs reader", "sky wind clear old good clear\n")?;
    cluster.shell(
        "kubectl patch configmap weather --type=merge -p '{\"data\":{\"sky\":\"dark\",\"wind\":null,\"rain\":\"much\"}}' && \
         kubectl patch secret code -p '{\"stringData\":{\"word\":\"new\"}}' && kubectl annotate pod reader mood=bad --overwrite",
    )?;
    // A part of a volume is mounted once, as upstream's: it keeps what was there.
    cluster.until_holds("kubectl logs reader --tail=1", "rain sky dark new bad clear\n")?;
    let restarts = cluster.shell("kubectl get pod reader -o jsonpath='{.status.containerStatuses[0].restartCount}'")?;
    ensure!(restarts == "0", "{restarts}");
    cluster.shell("kubectl delete pod reader --now").map(drop)
}

pub(crate) fn a_pod_that_is_deleted_by_force_is_gone_at_once_and_its_container_soon(cluster: &Cluster) -> Result<()> {
    cluster.apply(&format!(
        r#"
apiVersion: v1
kind: Pod
metadata: {{name: forced}}
spec:
  terminationGracePeriodSeconds: 600
  containers: [{{name: c, image: {IMAGE}, command: [/bin/sh, -c, "trap '' TERM; while :; do busybox sleep 1; done"]}}]
"#
    ))?;
    cluster.shell("kubectl wait --for=condition=Ready --timeout=90s pod/forced")?;
    let uid = cluster.shell("kubectl get pod forced -o jsonpath='{.metadata.uid}'")?;
    let out = cluster.shell("kubectl delete pod forced --grace-period=0 --force 2>&1")?;
    let wanted = "Warning: Immediate deletion does not wait for confirmation that the running resource has been terminated. \
        The resource may continue to run on the cluster indefinitely.\npod \"forced\" force deleted";
    ensure!(out.starts_with(wanted), "{out}");
    let gone = cluster.shell("kubectl get pod forced 2>&1; true")?;
    ensure!(gone == "Error from server (NotFound): pods \"forced\" not found\n", "{gone}");
    cluster.until(&containers_of(cluster, &uid), "")?;
    let folder = cluster.path("data/node/pods").join(&uid);
    cluster.until_some("true", |_| (!folder.exists()).then_some(()))
}

pub(crate) fn what_comes_is_told_before_it_is_there(cluster: &Cluster) -> Result<()> {
    let (folder, seen) = (cluster.shared("told")?, cluster.path("told"));
    let wait = "until busybox test -f /shared/go; do busybox sleep 0.2; done";
    cluster.shell(&format!(
        "timeout 90 kubectl get pods --field-selector metadata.name=told -w --no-headers >{seen} 2>/dev/null </dev/null &
        kubectl apply -f - <<'END'
apiVersion: v1
kind: Pod
metadata: {{name: told}}
spec:
  restartPolicy: Never
  volumes: [{{name: shared, hostPath: {{path: {folder}}}}}]
  initContainers: [{{name: i, image: {IMAGE}, command: [/bin/sh, -c, 'busybox sleep 1']}}]
  containers:
  - {{name: c, image: {IMAGE}, command: [/bin/sh, -c, '{wait}'], volumeMounts: [{{name: shared, mountPath: /shared}}]}}
END
        seen() {{ for turn in $(seq 300); do grep -q \"$1\" {seen} && break; sleep 0.2; done }}
        seen Running; touch {folder}/go; seen Completed; kill %1",
        seen = seen.display(),
        folder = folder.display(),
    ))?;
    let lines = cluster.shell(&format!("awk '{{print $3}}' {} | uniq", seen.display()))?;
    ensure!(lines == "Pending\nInit:0/1\nPodInitializing\nRunning\nCompleted\n", "{lines}");
    cluster.shell("kubectl delete pod told --now").map(drop)
}

pub(crate) fn another_image_means_another_container(cluster: &Cluster) -> Result<()> {
    cluster.apply(&format!(
        r#"
apiVersion: v1
kind: Pod
metadata: {{name: renewed}}
spec:
  terminationGracePeriodSeconds: 1
  restartPolicy: Never
  containers: [{{name: c, image: {IMAGE}, command: [/bin/sh, -c, "busybox sleep 3600"]}}]
"#
    ))?;
    cluster.shell("kubectl wait --for=condition=Ready --timeout=90s pod/renewed")?;
    // The image of the sandboxes is there, and has no shell.
    cluster.shell("kubectl set image pod/renewed c=raftsman.local/pause:1")?;
    let state = "kubectl get pod renewed -o jsonpath='{.status.phase} {.status.containerStatuses[0].restartCount} \
        {.status.containerStatuses[0].state.terminated.reason} {.status.containerStatuses[0].lastState.terminated.exitCode}'";
    cluster.until(state, "Failed 1 StartError 137")?;
    let event = "kubectl get events --field-selector involvedObject.name=renewed,reason=Killing";
    cluster.until_holds(event, "Container c definition changed, will be restarted")?;
    cluster.shell("kubectl delete pod renewed --now").map(drop)
}

pub(crate) fn a_pod_that_is_held_back_keeps_what_was_told_of_its_end(cluster: &Cluster) -> Result<()> {
    cluster.apply(&format!(
        r#"
apiVersion: v1
kind: Pod
metadata: {{name: held, finalizers: [example.com/hold]}}
spec:
  terminationGracePeriodSeconds: 1
  containers: [{{name: c, image: {IMAGE}, command: [/bin/sh, -c, "busybox sleep 3600"]}}]
"#
    ))?;
    cluster
        .shell("kubectl wait --for=condition=Ready --timeout=90s pod/held && kubectl delete pod held --wait=false")?;
    let state =
        "kubectl get pod held -o jsonpath='{.status.phase} {.status.containerStatuses[0].state.terminated.exitCode}'";
    cluster.until(state, "Failed 137")?;
    let uid = cluster.shell("kubectl get pod held -o jsonpath='{.metadata.uid}'")?;
    cluster.until(&containers_of(cluster, &uid), "")?;
    cluster.shell("kubectl label pod held seen=again")?;
    let status = "kubectl get pod held -o jsonpath='{.status.containerStatuses[0].state}'";
    for _ in 0..3 {
        let told = cluster.shell(status)?;
        ensure!(told.contains("\"exitCode\":137"), "{told}");
        cluster.shell("kubectl get --raw '/api/v1/namespaces/default/pods?watch=1&timeoutSeconds=1' >/dev/null")?;
    }
    cluster.shell("kubectl patch pod held --type=merge -p '{\"metadata\":{\"finalizers\":null}}'")?;
    cluster.until("kubectl get pods --no-headers 2>/dev/null | grep -c held; true", "0\n")
}

/// The command that prints the runtime's containers of a pod.
fn containers_of(cluster: &Cluster, uid: &str) -> String {
    let socket = cluster.socket();
    format!("ctr -a {} -n k8s.io containers ls -q 'labels.\"io.kubernetes.pod.uid\"=={uid}'", socket.display())
}
