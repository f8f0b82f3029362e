//! Environment and volumes, as the process in the container sees them.

use crate::cluster::{Cluster, IMAGE};
use anyhow::{Result, ensure};

pub(crate) fn containers_get_what_their_pod_asks_for(cluster: &Cluster) -> Result<()> {
    cluster.apply(&format!(
        r#"
apiVersion: v1
kind: ConfigMap
metadata: {{name: settings}}
data: {{colour: blue, page: "a page"}}
---
apiVersion: v1
kind: Secret
metadata: {{name: keys}}
stringData: {{password: hunter2}}
---
apiVersion: v1
kind: Pod
metadata: {{name: materials, labels: {{tier: back}}, annotations: {{note: read me}}}}
spec:
  restartPolicy: Never
  initContainers:
  - name: first
    image: {IMAGE}
    command: [/bin/sh, -c, "echo from init > /work/init; echo init done"]
    volumeMounts: [{{name: work, mountPath: /work}}]
  containers:
  - name: main
    image: {IMAGE}
    command: [/bin/sh, -c]
    args:
    - |
      cd /
      echo "$COLOUR $(PLAIN) $ALL_page $PASSWORD $POD_NAME $POD_NAMESPACE $NODE $LIMIT"
      busybox cat /work/init /config/page-file /secret/password /projected/labels /projected/colour /down/name
      echo
      busybox test -s /projected/token && echo token
      busybox stat -c %a /secret/..data/password
      busybox test -n "$POD_IP" && busybox grep -q "$POD_IP" /etc/hosts && echo hosts
      busybox hostname
      busybox cat /sub
      echo last words > /dev/termination-log
    env:
    - {{name: PLAIN, value: plain}}
    - {{name: COLOUR, valueFrom: {{configMapKeyRef: {{name: settings, key: colour}}}}}}
    - {{name: PASSWORD, valueFrom: {{secretKeyRef: {{name: keys, key: password}}}}}}
    - {{name: POD_NAME, valueFrom: {{fieldRef: {{fieldPath: metadata.name}}}}}}
    - {{name: POD_NAMESPACE, valueFrom: {{fieldRef: {{fieldPath: metadata.namespace}}}}}}
    - {{name: POD_IP, valueFrom: {{fieldRef: {{fieldPath: status.podIP}}}}}}
    - {{name: NODE, valueFrom: {{fieldRef: {{fieldPath: spec.nodeName}}}}}}
    - {{name: LIMIT, valueFrom: {{resourceFieldRef: {{resource: limits.memory, divisor: 1Mi}}}}}}
    envFrom:
    - {{prefix: ALL_, configMapRef: {{name: settings}}}}
    resources: {{limits: {{memory: 64Mi, cpu: 500m}}}}
    volumeMounts:
    - {{name: work, mountPath: /work}}
    - {{name: config, mountPath: /config}}
    - {{name: secret, mountPath: /secret}}
    - {{name: projected, mountPath: /projected}}
    - {{name: down, mountPath: /down}}
    - {{name: config, mountPath: /sub, subPath: page-file}}
  volumes:
  - {{name: work, emptyDir: {{}}}}
  - {{name: config, configMap: {{name: settings, items: [{{key: page, path: page-file}}]}}}}
  - {{name: secret, secret: {{secretName: keys, defaultMode: 256}}}}
  - name: projected
    projected:
      sources:
      - {{configMap: {{name: settings, items: [{{key: colour, path: colour}}]}}}}
      - {{downwardAPI: {{items: [{{path: labels, fieldRef: {{fieldPath: metadata.labels}}}}]}}}}
      - {{serviceAccountToken: {{path: token}}}}
  - {{name: down, downwardAPI: {{items: [{{path: name, fieldRef: {{fieldPath: metadata.name}}}}]}}}}
"#
    ))?;
    cluster.until("kubectl get pod materials -o jsonpath='{.status.phase}'", "Succeeded")?;
    let log = cluster.shell("kubectl logs materials -c main")?;
    let wanted = "blue plain a page hunter2 materials default real 64\nfrom init\na pagehunter2tier=\"back\"bluematerials\n\
        token\n400\nhosts\nmaterials\na page";
    ensure!(log == wanted, "{log:?} instead of {wanted:?}");
    ensure!(cluster.shell("kubectl logs materials -c first")? == "init done\n", "the init container's log");
    let state = "kubectl get pod materials -o jsonpath='{.status.containerStatuses[0].state.terminated.reason} \
        {.status.containerStatuses[0].state.terminated.message} {.status.initContainerStatuses[0].state.terminated.reason} \
        {.status.qosClass} {.status.containerStatuses[0].volumeMounts[0].name}'";
    let state = cluster.shell(state)?;
    ensure!(state == "Completed last words\n Completed Burstable work", "{state}");
    Ok(())
}

pub(crate) fn what_cannot_be_done_is_refused_by_name(cluster: &Cluster) -> Result<()> {
    cluster.apply(&format!(
        r#"
apiVersion: v1
kind: Pod
metadata: {{name: refused}}
spec:
  containers: [{{name: c, image: {IMAGE}}}]
  volumes: [{{name: share, nfs: {{server: 127.0.0.1, path: /}}}}]
"#
    ))?;
    let state = "kubectl get pod refused -o jsonpath='{.status.phase} {.status.reason} {.status.message}'";
    cluster.until_holds(state, "Failed UnsupportedPodSpec")?;
    cluster.until_holds(state, "volume \"share\"")?;
    cluster.until_holds("kubectl get pod refused", "0/1     UnsupportedPodSpec")?;
    // What refers to nothing waits, and says for what.
    cluster.apply(&format!(
        r#"
apiVersion: v1
kind: Pod
metadata: {{name: waits}}
spec:
  containers: [{{name: c, image: {IMAGE}, envFrom: [{{secretRef: {{name: nowhere}}}}]}}]
"#
    ))?;
    let waiting = "kubectl get pod waits -o jsonpath='{.status.containerStatuses[0].state.waiting.reason}: \
        {.status.containerStatuses[0].state.waiting.message}'";
    cluster.until(waiting, "CreateContainerConfigError: secret \"nowhere\" not found")
}
