//! The server is killed again and again while containers start and stop.

use crate::cluster::{Cluster, IMAGE};
use anyhow::{Result, ensure};
use std::fs;

const KILLS: usize = 10;
const PODS: &str = "kubectl get pods --no-headers";

pub(crate) fn ten_kills_leave_nothing_half_done(cluster: &mut Cluster) -> Result<()> {
    cluster.shell("kubectl delete deployments,pods --all --now --timeout=90s")?;
    let starts = cluster.shared("starts")?;
    let template = format!(
        r#"
    terminationGracePeriodSeconds: 1
    volumes: [{{name: starts, hostPath: {{path: {}}}}}]
    containers:
    - name: c
      image: {IMAGE}
      command: [/bin/sh, -c, "echo start >> /starts/$(busybox hostname); exec /bin/busybox sleep 3600"]
      volumeMounts: [{{name: starts, mountPath: /starts}}]
"#,
        starts.display()
    );
    cluster.apply(&format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: steady}}\nspec:\n{template}---\napiVersion: apps/v1\nkind: Deployment\n\
         metadata: {{name: drill}}\nspec:\n  replicas: 2\n  selector: {{matchLabels: {{app: drill}}}}\n  template:\n    \
         metadata: {{labels: {{app: drill}}}}\n    spec:\n{}",
        template.replace("\n    ", "\n      ")
    ))?;
    cluster.shell("kubectl wait --for=condition=Ready --timeout=90s pod/steady")?;
    let id = "kubectl get pod steady -o jsonpath='{.status.containerStatuses[0].containerID}'";
    let before = cluster.shell(id)?;
    for turn in 0..KILLS {
        // Each kind of change is interrupted as soon as it shows, or when it was too quick to be seen.
        let (change, sign, running) = match turn % 4 {
            0 => ("kubectl scale deployment/drill --replicas=4", "ContainerCreating", 5),
            1 => ("kubectl scale deployment/drill --replicas=1", "Terminating", 2),
            2 => ("kubectl rollout restart deployment/drill", "ContainerCreating", 2),
            _ => ("kubectl delete pods -l app=drill --wait=false", "Terminating", 2),
        };
        cluster.shell(change)?;
        cluster.until_some(PODS, |out| {
            (out.contains(sign) || out.matches(" Running ").count() == running).then_some(())
        })?;
        cluster.kill_server()?;
        cluster.run_server(&[])?;
        cluster.until_ready()?;
    }
    cluster.shell("kubectl scale deployment/drill --replicas=3")?;
    cluster.shell("kubectl rollout status deployment/drill --timeout=90s")?;
    nothing_is_half_done(cluster, &starts)?;
    ensure!(cluster.shell(id)? == before, "the container that nobody touched is another one");
    cluster.shell("kubectl delete deployment drill && kubectl delete pod steady --now").map(drop)
}

fn nothing_is_half_done(cluster: &Cluster, starts: &std::path::Path) -> Result<()> {
    cluster
        .until_some(PODS, |out| (out.lines().count() == 4 && out.matches(" Running ").count() == 4).then_some(()))?;
    // A process a container and one a sandbox, and they are those that the API names.
    let tasks = format!("ctr -a {} -n k8s.io tasks ls -q | wc -l", cluster.socket().display());
    cluster.until(&tasks, "8\n")?;
    let named = cluster.shell(&format!(
        "for id in $(kubectl get pods -o jsonpath='{{.items[*].status.containerStatuses[*].containerID}}'); do \
         ctr -a {} -n k8s.io tasks ls -q | grep -cx \"${{id#containerd://}}\"; done | sort -u",
        cluster.socket().display()
    ))?;
    ensure!(named == "1\n", "containers that the API names and the runtime does not run: {named}");
    let restarts = "kubectl get pods -o jsonpath='{.items[*].status.containerStatuses[*].restartCount}'";
    cluster.until(restarts, "0 0 0 0")?;
    for entry in fs::read_dir(starts)? {
        let path = entry?.path();
        let text = fs::read_to_string(&path)?;
        ensure!(text == "start\n", "{} was started more than once: {text:?}", path.display());
    }
    for folder in ["data/node/pods", "data/node/logs"] {
        let folder = cluster.path(folder);
        cluster.until_some("true", |_| (fs::read_dir(&folder).ok()?.count() == 4).then_some(()))?;
    }
    Ok(())
}
