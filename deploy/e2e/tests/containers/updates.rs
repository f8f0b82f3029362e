//! Changes that reach a running pod: new contents of its volumes, and its end by force.

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
    let left = format!(
        "ctr -a {} -n k8s.io containers ls -q 'labels.\"io.kubernetes.pod.uid\"=={uid}'",
        cluster.socket().display()
    );
    cluster.until(&left, "")?;
    let folder = cluster.path("data/node/pods").join(&uid);
    cluster.until_some("true", |_| (!folder.exists()).then_some(()))
}
