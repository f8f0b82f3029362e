//! Restart policies, back-off, exit codes and reasons.

use crate::cluster::{Cluster, IMAGE};
use anyhow::{Result, ensure};

pub(crate) fn a_container_that_fails_is_started_again(cluster: &Cluster) -> Result<()> {
    cluster.apply(&format!(
        r#"
apiVersion: v1
kind: Pod
metadata: {{name: crashing}}
spec:
  containers:
  - name: c
    image: {IMAGE}
    command: [/bin/sh, -c, "echo turn >> /count/turns; busybox wc -l < /count/turns; exit 3"]
    volumeMounts: [{{name: count, mountPath: /count}}]
  volumes: [{{name: count, emptyDir: {{}}}}]
"#
    ))?;
    let status = ".status.containerStatuses[0]";
    let waiting = format!("kubectl get pod crashing -o jsonpath='{{{status}.state.waiting.reason}}'");
    cluster.until(&waiting, "CrashLoopBackOff")?;
    let last = format!(
        "kubectl get pod crashing -o jsonpath='{{{status}.lastState.terminated.exitCode}} {{{status}.lastState.terminated.reason}} \
         {{{status}.ready}} {{.status.phase}}'"
    );
    cluster.until(&last, "3 Error false Running")?;
    let message =
        cluster.shell(&format!("kubectl get pod crashing -o jsonpath='{{{status}.state.waiting.message}}'"))?;
    ensure!(message.starts_with("back-off 10s restarting failed container=c pod=crashing_default("), "{message}");
    cluster.until_some(&format!("kubectl get pod crashing -o jsonpath='{{{status}.restartCount}}'"), |count| {
        (count.parse::<u32>().ok()? >= 2).then_some(())
    })?;
    // The log before the newest; what it counted survived in the volume.
    cluster
        .until_some("kubectl logs crashing --previous", |log| (log.trim().parse::<u32>().ok()? >= 1).then_some(()))?;
    cluster.until_holds(
        "kubectl get events --field-selector involvedObject.name=crashing,reason=BackOff",
        "Back-off restarting failed container c in pod crashing_default(",
    )?;
    cluster.shell("kubectl delete pod crashing --now").map(drop)
}

pub(crate) fn a_container_that_ends_for_good_says_how(cluster: &Cluster) -> Result<()> {
    let pod = |name: &str, policy: &str, script: &str, further: &str| {
        format!(
            r#"
apiVersion: v1
kind: Pod
metadata: {{name: {name}}}
spec:
  restartPolicy: {policy}
  containers:
  - name: c
    image: {IMAGE}
    command: [/bin/sh, -c, "{script}"]
    {further}
---
"#
        )
    };
    let pods = [
        pod("done", "OnFailure", "exit 0", ""),
        pod("failed", "Never", "echo why; exit 42", "terminationMessagePolicy: FallbackToLogsOnError"),
        pod("killed", "Never", "/bin/sh -c 'kill -9 $$$$'; exit $?", ""),
        pod("missing", "Never", "exit 0", "workingDir: /\n    imagePullPolicy: Never")
            .replace(IMAGE, "raftsman.local/nothing:1"),
    ];
    cluster.apply(&pods.concat())?;
    let end = ".status.containerStatuses[0].state.terminated";
    let told = |name: &str| {
        format!(
            "kubectl get pod {name} -o jsonpath='{{.status.phase}} {{{end}.exitCode}} {{{end}.reason}} {{{end}.message}}'"
        )
    };
    cluster.until(&told("done"), "Succeeded 0 Completed ")?;
    cluster.until(&told("failed"), "Failed 42 Error why\n")?;
    cluster.until(&told("killed"), "Failed 137 Error ")?;
    let waiting = ".status.containerStatuses[0].state.waiting";
    cluster.until(
        &format!("kubectl get pod missing -o jsonpath='{{{waiting}.reason}}: {{{waiting}.message}}'"),
        "ErrImageNeverPull: Container image \"raftsman.local/nothing:1\" is not present with pull policy of Never",
    )?;
    let ready = cluster.shell("kubectl get pod done failed -o jsonpath='{range .items[*]}{.status.conditions[?(@.type==\"Ready\")].reason} {end}'")?;
    ensure!(ready == "PodCompleted PodFailed ", "{ready}");
    Ok(())
}
