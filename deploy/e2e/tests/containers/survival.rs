//! The server ends, is killed, comes back without its node: the pods do not care, and nothing is left of deleted ones.

use crate::cluster::{Cluster, IMAGE};
use anyhow::{Result, ensure};
use std::fs;

const IDS: &str = "kubectl get pods -l app=web --sort-by=.metadata.name -o jsonpath='{range .items[*]}{.metadata.name} \
    {.status.containerStatuses[0].containerID} {.status.containerStatuses[0].restartCount} {.status.containerStatuses[0].ready};{end}'";

pub(crate) fn containers_outlive_the_server(cluster: &mut Cluster) -> Result<()> {
    let before = cluster.shell(IDS)?;
    ensure!(before.matches("containerd://").count() == 2 && before.matches(" 0 true;").count() == 2, "{before}");
    cluster.end_server()?;
    cluster.run_server(&[])?;
    cluster.until_ready()?;
    cluster.until(IDS, &before)?;
    // The private containerd of a killed server is taken over.
    cluster.kill_server()?;
    cluster.run_server(&[])?;
    cluster.until_ready()?;
    cluster.until(IDS, &before)?;
    cluster.shell("kubectl rollout restart deployment/web && kubectl rollout status deployment/web --timeout=90s")?;
    a_pod_deleted_meanwhile_leaves_nothing(cluster)
}

fn a_pod_deleted_meanwhile_leaves_nothing(cluster: &mut Cluster) -> Result<()> {
    cluster.apply(&format!(
        r#"
apiVersion: v1
kind: Pod
metadata: {{name: orphan}}
spec:
  terminationGracePeriodSeconds: 1
  containers: [{{name: c, image: {IMAGE}, command: [/bin/busybox, sleep, "3600"]}}]
"#
    ))?;
    cluster.shell("kubectl wait --for=condition=Ready --timeout=90s pod/orphan")?;
    let uid = cluster.shell("kubectl get pod orphan -o jsonpath='{.metadata.uid}'")?;
    let folders = [
        cluster.path("data/node/pods").join(&uid),
        cluster.path("data/node/logs").join(format!("default_orphan_{uid}")),
    ];
    ensure!(folders.iter().all(|folder| folder.is_dir()), "{folders:?}");
    cluster.end_server()?;
    cluster.run_server(&["--no-node"])?;
    cluster.until_holds("kubectl get pods", "orphan")?;
    cluster.shell("kubectl delete pod orphan --force --grace-period=0")?;
    cluster.end_server()?;
    ensure!(folders.iter().all(|folder| folder.is_dir()), "the node was not there: {folders:?}");
    cluster.run_server(&[])?;
    cluster.until_ready()?;
    let socket = cluster.socket();
    let left =
        format!("ctr -a {} -n k8s.io containers ls -q 'labels.\"io.kubernetes.pod.uid\"=={uid}'", socket.display());
    cluster.until(&left, "")?;
    cluster.until_some("true", |_| folders.iter().all(|folder| !folder.exists()).then_some(()))?;
    let other = fs::read_dir(cluster.path("data/node/pods"))?.count();
    ensure!(other > 0, "pods that are left keep their folders");
    cluster.until_holds("kubectl get deployment web", "2/2")
}
