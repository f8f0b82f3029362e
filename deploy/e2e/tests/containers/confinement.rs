//! Privileges, names and namespaces, as the process in the container sees them.

use crate::cluster::{Cluster, IMAGE};
use anyhow::{Result, ensure};

pub(crate) fn a_container_has_the_privileges_that_its_pod_says(cluster: &Cluster) -> Result<()> {
    cluster.apply(&format!(
        r#"
apiVersion: v1
kind: Pod
metadata: {{name: confined}}
spec:
  restartPolicy: Never
  hostname: box
  subdomain: row
  setHostnameAsFQDN: true
  shareProcessNamespace: true
  hostAliases: [{{ip: 192.0.2.9, hostnames: [nine, neuf]}}]
  dnsPolicy: None
  dnsConfig: {{nameservers: [192.0.2.53], searches: [example.test], options: [{{name: ndots, value: "3"}}]}}
  securityContext:
    runAsUser: 1234
    runAsGroup: 2345
    supplementalGroups: [3456]
    fsGroup: 4567
    sysctls: [{{name: net.ipv4.ip_unprivileged_port_start, value: "80"}}]
    seccompProfile: {{type: RuntimeDefault}}
  containers:
  - name: c
    image: {IMAGE}
    command: [/bin/sh, -c]
    args:
    - |
      echo "$(busybox id -u) $(busybox id -g) $(busybox id -G)"
      busybox hostname
      busybox grep nine /etc/hosts
      busybox cat /etc/resolv.conf
      busybox touch /file 2>&1
      busybox stat -c '%g %a' /scratch
      busybox cat /proc/sys/net/ipv4/ip_unprivileged_port_start
      busybox grep -E '^(CapEff|NoNewPrivs|Seccomp):' /proc/self/status
      busybox ps -o args | busybox grep -c '[s]leep 86400'
    securityContext:
      readOnlyRootFilesystem: true
      allowPrivilegeEscalation: false
      capabilities: {{drop: [ALL]}}
    volumeMounts: [{{name: scratch, mountPath: /scratch}}]
  volumes: [{{name: scratch, emptyDir: {{}}}}]
---
apiVersion: v1
kind: Pod
metadata: {{name: on-host}}
spec:
  restartPolicy: Never
  hostNetwork: true
  hostPID: true
  containers:
  - name: c
    image: {IMAGE}
    command: [/bin/sh, -c, "busybox ps -o args | busybox grep -c '[r]aftsman server'; busybox ls /sys/class/net"]
    securityContext: {{privileged: true}}
---
apiVersion: v1
kind: Pod
metadata: {{name: rootless}}
spec:
  securityContext: {{runAsNonRoot: true}}
  containers: [{{name: c, image: {IMAGE}}}]
---
apiVersion: v1
kind: Pod
metadata: {{name: unsafe}}
spec:
  securityContext: {{sysctls: [{{name: kernel.msgmax, value: "65536"}}]}}
  containers: [{{name: c, image: {IMAGE}}}]
"#
    ))?;
    cluster.until("kubectl get pod confined -o jsonpath='{.status.phase}'", "Succeeded")?;
    let log = cluster.shell("kubectl logs confined")?;
    for line in [
        "1234 2345 2345 3456 4567",
        "box.row.default.svc.cluster.local",
        "192.0.2.9\tnine\tneuf",
        "nameserver 192.0.2.53",
        "search example.test",
        "options ndots:3",
        "touch: /file: Read-only file system",
        "4567 2777",
        "80",
        "CapEff:\t0000000000000000",
        "NoNewPrivs:\t1",
        "Seccomp:\t2",
    ] {
        ensure!(log.lines().any(|one| one == line), "no {line:?} in {log}");
    }
    let seen: u32 = log.lines().last().unwrap_or_default().parse()?;
    ensure!(seen >= 1, "the sandbox's process is not seen: {log}");
    // The server's process is seen, and so is the bridge that the pods hang on.
    cluster.until_some("kubectl logs on-host", |log| {
        let (processes, links) = log.split_once('\n')?;
        (processes.parse::<u32>().ok()? >= 1 && links.lines().any(|link| link == "raftsman0")).then_some(())
    })?;
    let ip = cluster.shell("kubectl get pod confined -o jsonpath='{.status.podIP}'")?;
    ensure!(ip.starts_with("10.42.0."), "the address of a pod that has ended is still told: {ip:?}");
    let waiting = ".status.containerStatuses[0].state.waiting";
    cluster.until_holds(
        &format!("kubectl get pod rootless -o jsonpath='{{{waiting}.reason}}: {{{waiting}.message}}'"),
        "CreateContainerConfigError: container has runAsNonRoot and image will run as root (pod: \"rootless_default(",
    )?;
    cluster.until(
        "kubectl get pod unsafe -o jsonpath='{.status.phase} {.status.reason}: {.status.message}'",
        "Failed SysctlForbidden: Pod was rejected: forbidden sysctl: \"kernel.msgmax\" not allowlisted",
    )?;
    cluster.until_holds(
        "kubectl get events --field-selector involvedObject.name=unsafe,reason=SysctlForbidden",
        "forbidden sysctl: \"kernel.msgmax\" not allowlisted",
    )?;
    cluster.shell("kubectl delete pod confined on-host rootless unsafe --now").map(drop)
}
