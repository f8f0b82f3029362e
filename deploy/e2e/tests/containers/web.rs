//! The walk-through of the README: a Deployment, its pods, a page from each.

use crate::cluster::{Cluster, IMAGE};
use anyhow::{Result, ensure};

pub(crate) fn a_deployment_serves_pages(cluster: &Cluster) -> Result<()> {
    cluster.apply(&format!(
        r#"
apiVersion: apps/v1
kind: Deployment
metadata: {{name: web}}
spec:
  replicas: 2
  selector: {{matchLabels: {{app: web}}}}
  template:
    metadata: {{labels: {{app: web}}}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - name: web
        image: {IMAGE}
        command: [/bin/busybox, httpd, -f, -p, "8080", -h, /www]
        ports: [{{name: http, containerPort: 8080}}]
        readinessProbe: {{httpGet: {{port: http, path: /index.html}}, periodSeconds: 1}}
"#
    ))?;
    cluster.shell("kubectl rollout status deployment/web --timeout=90s")?;
    let ips = cluster.shell("kubectl get pods -l app=web -o jsonpath='{.items[*].status.podIP}'")?;
    let ips: Vec<&str> = ips.split_whitespace().collect();
    ensure!(ips.len() == 2 && ips[0] != ips[1], "addresses {ips:?}");
    for ip in ips {
        let page = cluster.shell(&format!("timeout 20 busybox wget -q -O - http://{ip}:8080/"))?;
        ensure!(page == "<h1>Hello from Raftsman</h1>\n", "{page}");
    }
    let name = cluster.shell("kubectl get pods -l app=web -o jsonpath='{.items[0].metadata.name}'")?;
    let conditions = cluster.shell(&format!(
        "kubectl get pod {name} -o jsonpath='{{range .status.conditions[*]}}{{.type}}={{.status}}/{{.observedGeneration}} {{end}}'"
    ))?;
    ensure!(
        conditions
            == "PodReadyToStartContainers=True/1 Initialized=True/1 Ready=True/1 ContainersReady=True/1 PodScheduled=True/1 ",
        "{conditions}"
    );
    let events = cluster.until_some(
        &format!(
            "kubectl get events --field-selector involvedObject.name={name} -o jsonpath='{{range .items[*]}}{{.reason}}: {{.message}};{{end}}'"
        ),
        |events| events.contains("Started: ").then(|| events.to_owned()),
    )?;
    for wanted in [
        format!("Scheduled: Successfully assigned default/{name} to real"),
        format!("Pulled: Container image \"{IMAGE}\" already present on machine and can be accessed by the pod"),
        "Created: Container created".to_owned(),
        "Started: Container started".to_owned(),
    ] {
        ensure!(events.contains(&wanted), "no event {wanted:?} in {events}");
    }
    let events = "kubectl get events --field-selector involvedObject.kind=Node -o jsonpath='{range .items[*]}{.reason}: {.message};{end}'";
    for wanted in [
        "Starting: Starting kubelet.;",
        "NodeHasNoDiskPressure: Node real status is now: NodeHasNoDiskPressure;",
        "NodeReady: ",
    ] {
        cluster.until_holds(events, wanted)?;
    }
    // An image's names reach the node's status with its next report.
    cluster.until_holds("kubectl get node real -o jsonpath='{.status.images[*].names}'", IMAGE)
}
