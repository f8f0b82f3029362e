//! Containers that cannot be made, cannot be started, or are ended by the kernel or the agent.

use crate::cluster::{Cluster, IMAGE};
use anyhow::{Result, ensure};

const STATUS: &str = ".status.containerStatuses[0]";

fn pod(name: &str, policy: &str, container: &str) -> String {
    format!(
        r#"
apiVersion: v1
kind: Pod
metadata: {{name: {name}}}
spec:
  restartPolicy: {policy}
  terminationGracePeriodSeconds: 1
  containers:
  - name: c
    image: {IMAGE}
    {container}
---
"#
    )
}

fn waiting(name: &str) -> String {
    format!(
        "kubectl get pod {name} -o jsonpath='{{{STATUS}.state.waiting.reason}}: {{{STATUS}.state.waiting.message}}'"
    )
}

pub(crate) fn a_container_that_cannot_be_made_or_started_says_why(cluster: &Cluster) -> Result<()> {
    cluster.shell("kubectl create configmap half --from-literal=there=yes")?;
    let refer = "env: [{name: A, valueFrom: {configMapKeyRef: {name: half, key: nope}}}]";
    let profile = "securityContext: {seccompProfile: {type: Localhost, localhostProfile: none.json}}";
    let pods = [
        pod("no-key", "Always", refer),
        pod("no-profile", "Always", profile),
        pod("no-command", "Always", "command: [/nothing]"),
        pod("no-command-once", "Never", "command: [/nothing]"),
    ];
    cluster.apply(&pods.concat())?;
    cluster
        .until(&waiting("no-key"), "CreateContainerConfigError: couldn't find key nope in ConfigMap default/half")?;
    cluster.until_holds(
        "kubectl get events --field-selector involvedObject.name=no-key,reason=Failed",
        "Error: couldn't find key nope in ConfigMap default/half",
    )?;
    let made = cluster.until_some(&waiting("no-profile"), |out| {
        out.strip_prefix("CreateContainerError: ").filter(|words| !words.is_empty()).map(str::to_owned)
    })?;
    ensure!(made.contains("none.json") && !made.starts_with("rpc error"), "{made}");
    let words = "failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create \
        failed: unable to start container process: exec: \"/nothing\": stat /nothing: no such file or directory: unknown";
    cluster.until_holds(
        "kubectl get events --field-selector involvedObject.name=no-command,reason=Failed",
        &format!("Error: {words}"),
    )?;
    cluster.until_holds(&waiting("no-command"), "CrashLoopBackOff: back-off 10s restarting failed container=c")?;
    let last = format!("{STATUS}.lastState.terminated");
    cluster.until(
        &format!("kubectl get pod no-command -o jsonpath='{{{last}.exitCode}} {{{last}.reason}} {{{last}.message}}'"),
        &format!("128 StartError {words}"),
    )?;
    let ended = format!("{STATUS}.state.terminated");
    cluster.until(
        &format!("kubectl get pod no-command-once -o jsonpath='{{.status.phase}} {{{ended}.reason}} {{{STATUS}.restartCount}}'"),
        "Failed StartError 0",
    )?;
    // What was missing comes: the container starts by itself.
    cluster.shell("kubectl patch configmap half --type=merge -p '{\"data\":{\"nope\":\"now\"}}'")?;
    cluster.until_some(
        &format!("kubectl get pod no-key -o jsonpath='{{{STATUS}.restartCount}}{{{STATUS}.state}}'"),
        |out| (out.contains("running") || out.contains("terminated") || out.contains("CrashLoopBackOff")).then_some(()),
    )?;
    cluster.shell("kubectl delete pod no-key no-profile no-command no-command-once --now").map(drop)
}

pub(crate) fn a_container_that_takes_too_much_memory_is_killed_and_says_so(cluster: &Cluster) -> Result<()> {
    let container = "command: [/bin/busybox, dd, if=/dev/zero, of=/dev/null, bs=256M, count=1]\n    \
        resources: {limits: {memory: 32Mi}}";
    // Containerd hears of it beside the container's end, and on a busy machine sometimes too late: one turn is enough.
    cluster.apply(&pod("hungry", "Always", container))?;
    let last = format!("{STATUS}.lastState.terminated");
    cluster.until(
        &format!("kubectl get pod hungry -o jsonpath='{{{last}.reason}} {{{last}.exitCode}}'"),
        "OOMKilled 137",
    )?;
    cluster.shell("kubectl delete pod hungry --now").map(drop)
}

pub(crate) fn a_pod_that_takes_too_much_storage_is_evicted(cluster: &Cluster) -> Result<()> {
    let write = |path: &str| {
        format!("command: [/bin/sh, -c, \"busybox dd if=/dev/zero of={path} bs=1M count=12; busybox sleep 600\"]")
    };
    let with_volume = |name: &str, volume: &str| {
        let container =
            format!("{}\n    volumeMounts: [{{name: scratch, mountPath: /scratch}}]", write("/scratch/file"));
        pod(name, "Always", &container)
            .replace("  containers:", &format!("  volumes: [{{name: scratch, emptyDir: {volume}}}]\n  containers:"))
    };
    let layer = format!("{}\n    resources: {{limits: {{ephemeral-storage: 4Mi}}}}", write("/file"));
    let pods = [
        with_volume("greedy-volume", "{sizeLimit: 4Mi}"),
        with_volume("small-memory", "{medium: Memory, sizeLimit: 4Mi}"),
        pod("greedy-layer", "Always", &layer),
    ];
    cluster.apply(&pods.concat())?;
    let told = |name: &str| {
        format!("kubectl get pod {name} -o jsonpath='{{.status.phase}} {{.status.reason}}: {{.status.message}}'")
    };
    let words = "Usage of EmptyDir volume \"scratch\" exceeds the limit \"4Mi\". ";
    cluster.until(&told("greedy-volume"), &format!("Failed Evicted: {words}"))?;
    cluster.until(
        &told("greedy-layer"),
        "Failed Evicted: Pod ephemeral local storage usage exceeds the total limit of containers 4Mi. ",
    )?;
    let condition =
        "kubectl get pod greedy-volume -o jsonpath='{.status.conditions[0].type} {.status.conditions[0].reason}'";
    cluster.until(condition, "PodReadyToStartContainers PodSandboxNotReady")?;
    cluster.until_holds(
        "kubectl get events --field-selector involvedObject.name=greedy-volume,reason=Evicted",
        words.trim(),
    )?;
    // A limit on memory is kept by the file system itself.
    cluster.until_holds("kubectl logs small-memory", "No space left on device")?;
    ensure!(cluster.shell(&told("small-memory"))? == "Running : ", "nothing is evicted that cannot grow");
    cluster.shell("kubectl delete pod greedy-volume greedy-layer small-memory --now").map(drop)
}

pub(crate) fn init_containers_are_tried_again_or_end_the_pod(cluster: &Cluster) -> Result<()> {
    let init = |name: &str, policy: &str, script: &str| {
        let inits =
            format!("  initContainers: [{{name: first, image: {IMAGE}, command: [/bin/sh, -c, \"{script}\"]}}]\n");
        pod(name, policy, "command: [/bin/busybox, sleep, \"600\"]")
            .replace("  containers:", &format!("{inits}  containers:"))
    };
    let pods = [init("init-always", "Always", "echo trying; exit 5"), init("init-never", "Never", "exit 6")];
    cluster.apply(&pods.concat())?;
    let first = ".status.initContainerStatuses[0]";
    cluster.until_holds("kubectl get pod init-always", "Init:CrashLoopBackOff")?;
    let states = format!(
        "kubectl get pod init-always -o jsonpath='{{.status.phase}} {{{STATUS}.state.waiting.reason}} \
         {{{first}.lastState.terminated.exitCode}} {{.status.conditions[?(@.type==\"Initialized\")].message}}'"
    );
    cluster.until(&states, "Pending PodInitializing 5 containers with incomplete status: [first]")?;
    cluster.until("kubectl logs init-always -c first", "trying\n")?;
    let waits = cluster.shell("kubectl logs init-always -c c 2>&1; true")?;
    let wanted =
        "Error from server (BadRequest): container \"c\" in pod \"init-always\" is waiting to start: PodInitializing\n";
    ensure!(waits == wanted, "{waits}");
    cluster.until_some(&format!("kubectl get pod init-always -o jsonpath='{{{first}.restartCount}}'"), |count| {
        (count.parse::<u32>().ok()? >= 2).then_some(())
    })?;
    cluster.until_holds("kubectl get pod init-never", "Init:Error")?;
    cluster.until("kubectl get pod init-never -o jsonpath='{.status.phase}'", "Failed")?;
    cluster.shell("kubectl delete pod init-always init-never --now").map(drop)
}
