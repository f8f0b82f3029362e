//! `kubectl logs` with its options.

use crate::cluster::{Cluster, IMAGE};
use anyhow::{Result, ensure};

pub(crate) fn logs_are_shown_as_asked_for(cluster: &Cluster) -> Result<()> {
    let folder = cluster.shared("logs")?;
    cluster.apply(&format!(
        r#"
apiVersion: v1
kind: Pod
metadata: {{name: talker}}
spec:
  restartPolicy: Never
  terminationGracePeriodSeconds: 1
  containers:
  - name: one
    image: {IMAGE}
    command: [/bin/sh, -c]
    args: ["echo a; echo b; busybox sleep 3; echo c; until busybox test -f /shared/go; do busybox sleep 0.2; done; echo d; busybox sleep 0.5; echo e >&2"]
    volumeMounts: [{{name: shared, mountPath: /shared}}]
  - name: two
    image: {IMAGE}
    command: [/bin/sh, -c, "echo other; busybox sleep 3600"]
  volumes: [{{name: shared, hostPath: {{path: {}}}}}]
"#,
        folder.display()
    ))?;
    cluster.until("kubectl logs talker -c one", "a\nb\nc\n")?;
    ensure!(cluster.shell("kubectl logs talker -c one --tail=2")? == "b\nc\n", "--tail");
    ensure!(cluster.shell("kubectl logs talker -c one --limit-bytes=3")? == "a\nb", "--limit-bytes");
    cluster.until("kubectl logs talker -c two", "other\n")?;
    let both = cluster.shell("kubectl logs talker --all-containers --prefix --tail=1 | sort")?;
    ensure!(both == "[pod/talker/one] c\n[pod/talker/two] other\n", "{both}");
    let ambiguous = cluster.shell("kubectl logs talker 2>&1")?;
    ensure!(ambiguous.starts_with("Defaulted container \"one\" out of: one, two\n"), "{ambiguous}");
    let times = cluster.shell("kubectl logs talker -c one --timestamps")?;
    let times: Vec<(&str, &str)> = times.lines().filter_map(|line| line.split_once(' ')).collect();
    ensure!(times.len() == 3 && times[2].1 == "c" && times[2].0.starts_with("20"), "{times:?}");
    let since = cluster.shell(&format!("kubectl logs talker -c one --since-time={}", times[2].0))?;
    ensure!(since == "c\n" || since == "a\nb\nc\n" && times[0].0[..19] == times[2].0[..19], "--since-time: {since}");
    ensure!(cluster.shell("kubectl logs talker -c one --since=1h")? == "a\nb\nc\n", "--since");
    let refused = cluster.shell("kubectl logs talker -c one --previous 2>&1; true")?;
    let wanted = "Error from server (BadRequest): previous terminated container \"one\" in pod \"talker\" not found\n";
    ensure!(refused == wanted, "{refused}");
    // A follower gets what comes after its first line, and ends with the container.
    let go = folder.join("go");
    let follow = "kubectl logs talker -c one -f --tail=1 | while read line; do echo $line; touch";
    let followed = cluster.shell(&format!("{follow} {}; done", go.display()))?;
    ensure!(followed == "c\nd\ne\n", "-f: {followed:?}");
    ensure!(cluster.shell("kubectl logs talker -c one --tail=2")? == "d\ne\n", "of an ended container");
    logs_that_are_not_there_are_refused_in_upstreams_words(cluster)?;
    cluster.shell("kubectl delete pod talker --now").map(drop)
}

fn logs_that_are_not_there_are_refused_in_upstreams_words(cluster: &Cluster) -> Result<()> {
    cluster.apply(
        r#"
apiVersion: v1
kind: Pod
metadata: {name: silent}
spec:
  containers: [{name: c, image: "raftsman.local/absent:1", imagePullPolicy: Never}]
"#,
    )?;
    cluster.until_holds("kubectl get pod silent", "ErrImageNeverPull")?;
    for (line, wanted) in [
        (
            "kubectl logs silent",
            "Error from server (BadRequest): container \"c\" in pod \"silent\" is waiting to start: ErrImageNeverPull\n",
        ),
        ("kubectl logs talker -c nobody", "error: container nobody is not valid for pod talker out of: one, two\n"),
        (
            "kubectl logs nobody",
            "error: error from server (NotFound): pods \"nobody\" not found in namespace \"default\"\n",
        ),
        (
            "kubectl get --raw '/api/v1/namespaces/default/pods/talker/log?container=nobody'",
            "Error from server (BadRequest): container nobody is not valid for pod talker\n",
        ),
        (
            "kubectl get --raw '/api/v1/namespaces/default/pods/talker/log'",
            "Error from server (BadRequest): a container name must be specified for pod talker, choose one of: [one two]\n",
        ),
    ] {
        let got = cluster.shell(&format!("{line} 2>&1; true"))?;
        ensure!(got == wanted, "{line}: {got:?}");
    }
    cluster.shell("kubectl delete pod silent --now").map(drop)
}

pub(crate) fn a_long_log_is_rotated_and_followed(cluster: &Cluster) -> Result<()> {
    let folder = cluster.shared("rotated")?;
    // 12 MiB of lines, and once they are rotated one more.
    cluster.apply(&format!(
        r#"
apiVersion: v1
kind: Pod
metadata: {{name: chatty}}
spec:
  restartPolicy: Never
  terminationGracePeriodSeconds: 1
  containers:
  - name: c
    image: {IMAGE}
    command: [/bin/sh, -c]
    args: ["busybox yes 0123456789012345678901234567890123456789012345678901234567890123456789 | busybox head -c 9000000; until busybox test -f /shared/go; do busybox sleep 0.2; done; echo after"]
    volumeMounts: [{{name: shared, mountPath: /shared}}]
  volumes: [{{name: shared, hostPath: {{path: {}}}}}]
"#,
        folder.display()
    ))?;
    let logs =
        format!("ls {}/default_chatty_*/c | sed 's/[0-9]*-[0-9]*$/TIME/'", cluster.path("data/node/logs").display());
    cluster.until(&logs, "0.log\n0.log.TIME\n")?;
    let go = folder.join("go");
    let followed = cluster.shell(&format!("(sleep 1; touch {}) & kubectl logs chatty -f", go.display()))?;
    ensure!(followed == "after\n", "{followed:?}");
    ensure!(cluster.shell("kubectl logs chatty")? == "after\n", "only what was written since");
    cluster.shell("kubectl delete pod chatty --now").map(drop)
}
