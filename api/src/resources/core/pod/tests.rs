use super::*;
use crate::resources::testing::{created, errors_of, messages, row, updated};

fn pod() -> Value {
    json!({
        "metadata": {"name": "web", "namespace": "default", "creationTimestamp": "2026-01-01T00:00:00Z"},
        "spec": {"containers": [{"name": "a", "image": "nginx"}]},
    })
}

fn with(key: &str, value: Value) -> Value {
    let mut pod = pod();
    pod["spec"][key] = value;
    pod
}

// proves: AM-33
#[test]
fn a_small_pod_is_filled_in_as_upstream_does() {
    let want = json!({
        "metadata": {
            "name": "web",
            "namespace": "default",
            "creationTimestamp": "2026-01-01T00:00:00Z",
            "generation": 1,
        },
        "spec": {
            "containers": [{
                "name": "a",
                "image": "nginx",
                "imagePullPolicy": "Always",
                "resources": {},
                "terminationMessagePath": "/dev/termination-log",
                "terminationMessagePolicy": "File",
            }],
            "dnsPolicy": "ClusterFirst",
            "enableServiceLinks": true,
            "restartPolicy": "Always",
            "schedulerName": "default-scheduler",
            "securityContext": {},
            "terminationGracePeriodSeconds": 30,
        },
        "status": {"phase": "Pending", "qosClass": "BestEffort"},
    });
    assert_eq!(created(&Pod, pod()), want);
    assert_eq!(errors_of(&Pod, pod()), [""; 0]);
}

// proves: AM-33
#[test]
fn probes_ports_volumes_and_resources_are_filled_in() {
    let given = json!({
        "metadata": {"name": "web"},
        "spec": {
            "hostNetwork": true,
            "serviceAccountName": "robot",
            "containers": [{
                "name": "a",
                "image": "nginx:1",
                "ports": [{"containerPort": 80}],
                "env": [{"name": "N", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}],
                "resources": {"limits": {"cpu": "0.5", "memory": "1024Ki"}, "requests": {"cpu": "100m"}},
                "livenessProbe": {"httpGet": {"port": 80}},
                "readinessProbe": {"grpc": {"port": 90}, "periodSeconds": 3},
            }],
            "volumes": [
                {"name": "e"},
                {"name": "s", "secret": {"secretName": "x"}},
                {"name": "h", "hostPath": {"path": "/x"}},
                {"name": "p", "projected": {"sources": [{"serviceAccountToken": {"path": "t"}}]}},
            ],
        },
    });
    let spec = created(&Pod, given)["spec"].clone();
    let container = &spec["containers"][0];
    assert_eq!(container["ports"], json!([{"containerPort": 80, "hostPort": 80, "protocol": "TCP"}]));
    assert_eq!(container["env"][0]["valueFrom"]["fieldRef"]["apiVersion"], "v1");
    assert_eq!(
        container["resources"],
        json!({"limits": {"cpu": "500m", "memory": "1Mi"}, "requests": {"cpu": "100m", "memory": "1Mi"}})
    );
    assert_eq!(
        container["livenessProbe"],
        json!({
            "httpGet": {"port": 80, "path": "/", "scheme": "HTTP"},
            "timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3,
        })
    );
    assert_eq!(container["readinessProbe"]["grpc"], json!({"port": 90, "service": ""}));
    assert_eq!(container["readinessProbe"]["periodSeconds"], 3);
    assert_eq!(container["imagePullPolicy"], "IfNotPresent");
    assert_eq!(spec["serviceAccount"], "robot");
    assert_eq!(spec["volumes"][0]["emptyDir"], json!({}));
    assert_eq!(spec["volumes"][1]["secret"]["defaultMode"], 420);
    assert_eq!(spec["volumes"][2]["hostPath"], json!({"path": "/x", "type": ""}));
    assert_eq!(
        spec["volumes"][3]["projected"],
        json!({"defaultMode": 420, "sources": [{"serviceAccountToken": {"path": "t", "expirationSeconds": 3600}}]})
    );
}

// proves: AM-33
#[test]
fn a_gated_pod_says_so_and_waits() {
    let pod = created(&Pod, with("schedulingGates", json!([{"name": "a.b/c"}])));
    assert_eq!(pod["status"]["conditions"][0]["reason"], "SchedulingGated");
    assert_eq!(row(&Pod, &pod, "2026-01-01T00:00:01Z").split(" | ").nth(2), Some("SchedulingGated"));
}

// proves: AM-33
#[test]
fn what_a_pod_may_not_ask_for_is_refused_with_upstreams_words() {
    for (spec, want) in [
        (json!({"containers": []}), "spec.containers: Required value"),
        (
            json!({"containers": [{"name": "A_b", "image": "x"}]}),
            "spec.containers[0].name: Invalid value: \"A_b\": a lowercase RFC 1123 label must consist of lower case \
             alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or \
             '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')",
        ),
        (
            json!({"containers": [{"name": "a", "image": ""}, {"name": "a", "image": " x"}]}),
            "spec.containers[0].image: Required value; spec.containers[1].name: Duplicate value: \"a\"; \
             spec.containers[1].image: Invalid value: \" x\": must not have leading or trailing whitespace",
        ),
        (
            json!({"restartPolicy": "Sometimes", "containers": [{"name": "a", "image": "x", "imagePullPolicy": "Maybe"}]}),
            "spec.containers[0].imagePullPolicy: Unsupported value: \"Maybe\": supported values: \"Always\", \
             \"IfNotPresent\", \"Never\"; spec.restartPolicy: Unsupported value: \"Sometimes\": supported values: \
             \"Always\", \"OnFailure\", \"Never\"",
        ),
        (
            json!({"containers": [{"name": "a", "image": "x", "ports": [
                {"containerPort": 70000}, {"name": "x", "containerPort": 1, "protocol": "ICMP"}, {"name": "x", "containerPort": 2}]}]}),
            "spec.containers[0].ports[0].containerPort: Invalid value: 70000: must be between 1 and 65535, inclusive; \
             spec.containers[0].ports[1].protocol: Unsupported value: \"ICMP\": supported values: \"SCTP\", \"TCP\", \
             \"UDP\"; spec.containers[0].ports[2].name: Duplicate value: \"x\"",
        ),
        (
            json!({"containers": [{"name": "a", "image": "x", "volumeMounts": [{"name": "v", "mountPath": "/x"}]}]}),
            "spec.containers[0].volumeMounts[0].name: Not found: \"v\"",
        ),
        (
            json!({"volumes": [{"name": "v", "emptyDir": {}, "hostPath": {"path": "/.."}}],
                "containers": [{"name": "a", "image": "x"}]}),
            "spec.volumes[0].hostPath: Forbidden: may not specify more than 1 volume type",
        ),
        (
            json!({"volumes": [{"name": "v", "hostPath": {"path": "/../a", "type": "Tree"}}],
                "containers": [{"name": "a", "image": "x"}]}),
            "spec.volumes[0].hostPath.path: Invalid value: \"/../a\": must not contain '..'; \
             spec.volumes[0].hostPath.type: Unsupported value: \"Tree\": supported values: \"\", \"BlockDevice\", \
             \"CharDevice\", \"Directory\", \"DirectoryOrCreate\", \"File\", \"FileOrCreate\", \"Socket\"",
        ),
        (
            json!({"containers": [{"name": "a", "image": "x",
                "resources": {"limits": {"cpu": "1", "gpu": "1"}, "requests": {"cpu": "2", "memory": "-1"}}}]}),
            "spec.containers[0].resources.limits[gpu]: Invalid value: \"gpu\": must be a standard resource type or fully \
             qualified; spec.containers[0].resources.limits[gpu]: Invalid value: \"gpu\": must be a standard resource for \
             containers; spec.containers[0].resources.requests: Invalid value: \"2\": must be less than or equal to cpu \
             limit of 1; spec.containers[0].resources.requests[gpu]: Invalid value: \"gpu\": must be a standard resource \
             type or fully qualified; spec.containers[0].resources.requests[gpu]: Invalid value: \"gpu\": must be a \
             standard resource for containers; spec.containers[0].resources.requests[memory]: Invalid value: \"-1\": must \
             be greater than or equal to 0",
        ),
        (
            json!({"containers": [{"name": "a", "image": "x", "livenessProbe": {"exec": {}, "httpGet": {"port": "http"}},
                "readinessProbe": {"timeoutSeconds": -1}, "lifecycle": {"preStop": {"sleep": {"seconds": 31}}}}]}),
            "spec.containers[0].lifecycle.preStop.sleep: Invalid value: 31: must be non-negative and less than \
             terminationGracePeriodSeconds (30); spec.containers[0].livenessProbe.exec.command: Required value; \
             spec.containers[0].livenessProbe.httpGet: Forbidden: may not specify more than 1 handler type; \
             spec.containers[0].readinessProbe: Required value: must specify a handler type; \
             spec.containers[0].readinessProbe.timeoutSeconds: Invalid value: -1: must be greater than or equal to 0",
        ),
        (
            json!({"containers": [{"name": "a", "image": "x", "env": [
                {"name": "A=B"},
                {"name": "C", "value": "v", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
                {"name": "D", "valueFrom": {}},
                {"name": "E", "valueFrom": {"fieldRef": {"fieldPath": "spec.x"}}},
                {"name": "F", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels"}}}]}]}),
            "spec.containers[0].env[0].name: Invalid value: \"A=B\": a valid environment variable name must consist only \
             of printable ASCII characters other than '='; spec.containers[0].env[1].valueFrom: Invalid value: \"\": may \
             not be specified when `value` is not empty; spec.containers[0].env[2].valueFrom: Invalid value: \"\": must \
             specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`; \
             spec.containers[0].env[3].valueFrom.fieldRef.fieldPath: Invalid value: \"spec.x\": error converting \
             fieldPath: field label not supported: spec.x; spec.containers[0].env[4].valueFrom.fieldRef.fieldPath: \
             Unsupported value: \"metadata.labels\": supported values: \"metadata.name\", \"metadata.namespace\", \
             \"metadata.uid\", \"spec.nodeName\", \"spec.serviceAccountName\", \"status.hostIP\", \"status.hostIPs\", \
             \"status.podIP\", \"status.podIPs\"",
        ),
        (
            json!({"containers": [{"name": "a", "image": "x"}], "tolerations": [
                {"operator": "Equal"}, {"key": "k", "operator": "Exists", "value": "v"},
                {"key": "k", "tolerationSeconds": 1, "effect": "NoSchedule"}]}),
            "spec.tolerations[0].operator: Invalid value: \"Equal\": operator must be Exists when `key` is empty, which \
             means \"match all values and all keys\"; spec.tolerations[1].operator: Invalid value: \"v\": value must be \
             empty when `operator` is 'Exists'; spec.tolerations[2].effect: Invalid value: \"NoSchedule\": effect must be \
             'NoExecute' when `tolerationSeconds` is set",
        ),
        (
            json!({"containers": [{"name": "a", "image": "x"}], "initContainers": [
                {"name": "a", "image": "x", "livenessProbe": {"exec": {"command": ["y"]}}}], "activeDeadlineSeconds": 0}),
            "spec.initContainers[0].name: Duplicate value: \"a\"; spec.initContainers[0].livenessProbe: Forbidden: may not \
             be set for init containers without restartPolicy=Always; spec.activeDeadlineSeconds: Invalid value: 0: must \
             be between 1 and 2147483647, inclusive",
        ),
        (
            json!({"containers": [{"name": "a", "image": "x"}], "nodeSelector": {"k": "!"}, "dnsPolicy": "None",
                "ephemeralContainers": [{"name": "e", "image": "x"}], "hostname": "A.b"}),
            "spec.nodeSelector: Invalid value: \"!\": a valid label must be an empty string or consist of alphanumeric \
             characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or \
             'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?'); \
             spec.dnsConfig: Required value: must provide `dnsConfig` when `dnsPolicy` is None; spec.hostname: Invalid \
             value: \"A.b\": a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and \
             must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation \
             is '[a-z0-9]([-a-z0-9]*[a-z0-9])?'); spec.ephemeralContainers: Forbidden: cannot be set on create",
        ),
        (
            json!({"containers": [{"name": "a", "image": "x", "securityContext": {"privileged": true,
                "allowPrivilegeEscalation": false, "runAsUser": -1}}], "securityContext": {"seccompProfile": {"type": "Localhost"}}}),
            "spec.containers[0].securityContext.runAsUser: Invalid value: -1: must be between 0 and 2147483647, inclusive; \
             spec.containers[0].securityContext: Invalid value: {\"Capabilities\":null,\"Privileged\":true,\
             \"SELinuxOptions\":null,\"WindowsOptions\":null,\"RunAsUser\":-1,\"RunAsGroup\":null,\
             \"RunAsNonRoot\":null,\"ReadOnlyRootFilesystem\":null,\"AllowPrivilegeEscalation\":false,\
             \"ProcMount\":null,\"SeccompProfile\":null,\"AppArmorProfile\":null}: cannot set `allowPrivilegeEscalation` to false and `privileged` to true; \
             spec.securityContext.seccompProfile.localhostProfile: Required value: must be set when seccomp type is \
             Localhost",
        ),
        (
            json!({"containers": [{"name": "a", "image": "x"}], "topologySpreadConstraints": [
                {"maxSkew": 0, "topologyKey": "z", "whenUnsatisfiable": "Perhaps"}],
                "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [
                    {"matchExpressions": [{"key": "a", "operator": "In"}]}]}}}}),
            "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0].\
             matchExpressions[0].values: Required value: must be specified when `operator` is 'In' or 'NotIn'; \
             spec.topologySpreadConstraints[0].maxSkew: Invalid value: 0: must be greater than zero; \
             spec.topologySpreadConstraints[0].whenUnsatisfiable: Unsupported value: \"Perhaps\": supported values: \
             \"DoNotSchedule\", \"ScheduleAnyway\"",
        ),
    ] {
        let pod = json!({"metadata": {"name": "web"}, "spec": spec});
        assert_eq!(errors_of(&Pod, pod).join("; "), want);
    }
}

// proves: AM-33
#[test]
fn an_update_changes_images_deadline_and_adds_tolerations_only() {
    let old = created(&Pod, pod());
    let errors = |change: &dyn Fn(&mut Value)| {
        let mut new = old.clone();
        change(&mut new);
        let new = updated(&Pod, new, &old);
        (messages(Pod.validate_update(&new, &old)), new["metadata"]["generation"].as_i64())
    };
    let (none, generation) = errors(&|pod| pod["spec"]["containers"][0]["image"] = json!("nginx:2"));
    assert_eq!((none, generation), (vec![], Some(2)));
    let (none, generation) = errors(&|pod| pod["metadata"]["labels"] = json!({"a": "b"}));
    assert_eq!((none, generation), (vec![], Some(1)));
    let (none, _) = errors(&|pod| {
        pod["spec"]["activeDeadlineSeconds"] = json!(5);
        pod["spec"]["tolerations"] = json!([{"key": "k", "operator": "Exists"}]);
    });
    assert_eq!(none, [""; 0]);
    let (refused, _) = errors(&|pod| pod["spec"]["schedulerName"] = json!("mine"));
    assert_eq!(refused.len(), 1);
    assert!(refused[0].starts_with(
        "spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`,\
         `spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing \
         tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)\n"
    ));
    assert!(
        refused[0].ends_with(
            "\n@@ -67,7 +67,7 @@\n  \"Hostname\": \"\",\n  \"Subdomain\": \"\",\n  \"Affinity\": null,\n- \"SchedulerName\": \
             \"default-scheduler\",\n+ \"SchedulerName\": \"mine\",\n  \"Tolerations\": null,\n  \"HostAliases\": null,\n  \
             \"PriorityClassName\": \"\",\n"
        ),
        "{}",
        refused[0]
    );
    let (refused, _) =
        errors(&|pod| pod["spec"]["containers"] = json!([{"name": "a", "image": "x"}, {"name": "b", "image": "x"}]));
    assert_eq!(refused, ["spec.containers: Forbidden: pod updates may not add or remove containers"]);
}

// proves: AM-33
#[test]
fn tolerations_stay_and_gates_only_go() {
    let mut old = with("tolerations", json!([{"key": "k", "operator": "Exists"}]));
    old["spec"]["schedulingGates"] = json!([{"name": "a"}]);
    let old = created(&Pod, old);
    let mut new = old.clone();
    new["spec"]["tolerations"] = json!([]);
    new["spec"]["schedulingGates"] = json!([{"name": "b"}]);
    assert_eq!(
        messages(Pod.validate_update(&new, &old)),
        [
            "spec.tolerations: Forbidden: existing toleration can not be modified except its tolerationSeconds",
            "spec.schedulingGates[0].name: Forbidden: only deletion is allowed, but found new scheduling gate 'b'",
        ]
    );
    let mut new = old.clone();
    new["spec"]["nodeSelector"] = json!({"disk": "ssd"});
    new["spec"]["schedulingGates"] = json!([]);
    assert_eq!(messages(Pod.validate_update(&new, &old)), [""; 0]);
}

// proves: AM-35
#[test]
fn status_is_written_apart_and_what_ended_stays_ended() {
    let mut old = created(&Pod, with("restartPolicy", json!("Never")));
    old["status"]["containerStatuses"] = json!([{"name": "a", "state": {"terminated": {"exitCode": 1}}}]);
    let mut new = old.clone();
    new["spec"]["nodeName"] = json!("n");
    new["status"]["containerStatuses"] = json!([{"name": "a", "state": {"running": {}}}]);
    new["status"]["qosClass"] = json!("Guaranteed");
    new["status"]["podIPs"] = json!([{"ip": "x"}]);
    crate::resources::testing::with_cx(|cx| Pod.prepare_for_status_update(cx, &mut new, &old));
    assert_eq!(new["spec"], old["spec"]);
    assert_eq!(
        messages(Pod.validate_status_update(&new, &old)),
        [
            "status.qosClass: Invalid value: \"Guaranteed\": field is immutable",
            "status.containerStatuses[0].state: Forbidden: may not be transitioned to non-terminated state",
            "status.podIPs[0]: Invalid value: \"x\": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)",
        ]
    );
    let mut ended = updated(&Pod, new, &old);
    assert_eq!(ended["status"], old["status"]);
    ended["status"]["phase"] = json!("Failed");
    assert_eq!(Pod.grace(&ended, None), Grace::Seconds(0));
}

// proves: AM-35
#[test]
fn addresses_go_together_and_observed_generations_stay() {
    let old = json!({"spec": {}, "status": {
        "observedGeneration": 3,
        "conditions": [{"type": "Ready", "observedGeneration": 2}],
    }});
    let mut new = json!({"metadata": {}, "spec": {}, "status": {
        "podIP": "10.0.0.2",
        "podIPs": [{"ip": "10.0.0.1"}],
        "conditions": [{"type": "Ready"}, {"type": "Ready"}],
    }});
    Pod.default(&mut new);
    crate::resources::testing::with_cx(|cx| Pod.prepare_for_status_update(cx, &mut new, &old));
    let want = json!({
        "podIP": "10.0.0.2",
        "podIPs": [{"ip": "10.0.0.2"}],
        "observedGeneration": 3,
        "conditions": [
            {"type": "Ready", "lastProbeTime": null, "lastTransitionTime": null, "observedGeneration": 2},
            {"type": "Ready", "lastProbeTime": null, "lastTransitionTime": null},
        ],
    });
    assert_eq!(new["status"], want);
    let mut both = json!({"spec": {}, "status": {"podIPs": [{"ip": "10.0.0.1"}, {"ip": "fd00::1"}]}});
    Pod.default(&mut both);
    assert_eq!(both["status"]["podIP"], "10.0.0.1");
    let mut started = json!({"spec": {}, "status": {"containerStatuses": [{"name": "a", "state": {"running": {}}}]}});
    Pod.default(&mut started);
    let want = json!([{
        "name": "a", "image": "", "imageID": "", "ready": false, "restartCount": 0,
        "state": {"running": {"startedAt": null}}, "lastState": {},
    }]);
    assert_eq!(started["status"]["containerStatuses"], want);
}

// proves: AM-04
#[test]
fn a_pod_on_a_node_gets_its_grace() {
    let mut pod = created(&Pod, pod());
    assert_eq!(Pod.grace(&pod, Some(10)), Grace::Seconds(0));
    pod["spec"]["nodeName"] = json!("n");
    assert_eq!(Pod.grace(&pod, None), Grace::Seconds(30));
    assert_eq!(Pod.grace(&pod, Some(0)), Grace::Seconds(0));
    assert_eq!(Pod.grace(&pod, Some(-5)), Grace::Seconds(1));
    let hasty = created(&Pod, with("terminationGracePeriodSeconds", json!(-5)));
    assert_eq!(hasty["spec"]["terminationGracePeriodSeconds"], 1);
}

// proves: AM-13
#[test]
fn pods_are_found_by_node_phase_and_address() {
    let mut pod = created(&Pod, with("nodeName", json!("n1")));
    pod["status"]["podIPs"] = json!([{"ip": "10.0.0.1"}]);
    let fields = Pod.fields(&pod);
    let of = |label: &str| fields.iter().find(|(key, _)| *key == label).map(|(_, value)| value.as_str());
    assert_eq!(of("spec.nodeName"), Some("n1"));
    assert_eq!(of("spec.hostNetwork"), Some("false"));
    assert_eq!(of("status.phase"), Some("Pending"));
    assert_eq!(of("status.podIP"), Some("10.0.0.1"));
    let labels: Vec<&str> = fields.iter().map(|(label, _)| *label).collect();
    assert_eq!(labels, Pod.field_labels());
    assert_eq!(Pod.field_label_error("spec.image"), "field label not supported: spec.image");
}

// proves: AM-30
#[test]
fn the_status_of_a_row_tells_how_the_containers_are() {
    let running = json!({"name": "a", "ready": true, "state": {"running": {}}});
    let waiting = |reason: &str| json!({"name": "a", "state": {"waiting": {"reason": reason}}});
    let ended =
        |code: i64, reason: &str| json!({"name": "a", "state": {"terminated": {"exitCode": code, "reason": reason}}});
    for (status, want) in [
        (json!({"phase": "Pending"}), "0/1 | Pending | 0"),
        (json!({"phase": "Running", "containerStatuses": [running]}), "1/1 | Running | 0"),
        (
            json!({"phase": "Pending", "containerStatuses": [waiting("ContainerCreating")]}),
            "0/1 | ContainerCreating | 0",
        ),
        (
            json!({"phase": "Running", "containerStatuses": [{"name": "a", "restartCount": 3,
                "state": {"waiting": {"reason": "CrashLoopBackOff"}},
                "lastState": {"terminated": {"finishedAt": "2026-01-01T00:04:55Z"}}}]}),
            "0/1 | CrashLoopBackOff | 3 (5s ago)",
        ),
        (json!({"phase": "Succeeded", "containerStatuses": [ended(0, "Completed")]}), "0/1 | Completed | 0"),
        (json!({"phase": "Failed", "containerStatuses": [ended(3, "")]}), "0/1 | ExitCode:3 | 0"),
        (
            json!({"phase": "Failed", "containerStatuses": [{"state": {"terminated": {"signal": 9}}}]}),
            "0/1 | Signal:9 | 0",
        ),
        (json!({"phase": "Failed", "reason": "Evicted"}), "0/1 | Evicted | 0"),
        (
            json!({"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}],
                "containerStatuses": [ended(0, "Completed"), running]}),
            "1/1 | Running | 0",
        ),
        (json!({"phase": "Running", "containerStatuses": [ended(0, "Completed"), running]}), "1/1 | NotReady | 0"),
        (
            json!({"phase": "Failed", "containerStatuses": [ended(0, "Completed"), ended(1, "Error"), ended(2, "Late")]}),
            "0/1 | Error | 0",
        ),
        (
            json!({"phase": "Running", "containerStatuses": [ended(0, "Completed"), ended(1, "Error"), running]}),
            "1/1 | Error | 0",
        ),
    ] {
        let mut pod = pod();
        pod["status"] = status;
        let row = row(&Pod, &pod, "2026-01-01T00:05:00Z");
        assert_eq!(row, format!("web | {want} | 5m | <none> | <none> | <none> | <none>"));
    }
}

// proves: AM-30
#[test]
fn the_status_of_a_row_counts_init_containers_and_sidecars() {
    let init = |status: Value| {
        let mut pod = pod();
        pod["spec"]["initContainers"] = json!([{"name": "i"}, {"name": "s", "restartPolicy": "Always"}]);
        pod["status"] = json!({"phase": "Pending", "initContainerStatuses": status});
        row(&Pod, &pod, "2026-01-01T00:05:00Z").split(" | ").skip(1).take(3).collect::<Vec<_>>().join(" ")
    };
    let done = json!({"name": "i", "state": {"terminated": {"exitCode": 0}}});
    assert_eq!(init(json!([{"name": "i", "state": {"running": {}}}])), "0/2 Init:0/2 0");
    assert_eq!(
        init(json!([{"name": "i", "restartCount": 2, "state": {"waiting": {"reason": "CrashLoopBackOff"}}}])),
        "0/2 Init:CrashLoopBackOff 2"
    );
    assert_eq!(
        init(json!([{"name": "i", "state": {"terminated": {"exitCode": 1, "reason": "Error"}}}])),
        "0/2 Init:Error 0"
    );
    assert_eq!(
        init(json!([done, {"name": "s", "state": {"waiting": {"reason": "PodInitializing"}}}])),
        "0/2 Init:1/2 0"
    );
    assert_eq!(
        init(json!([done, {"name": "s", "started": true, "ready": true, "restartCount": 1, "state": {"running": {}}}])),
        "1/2 Pending 1"
    );
}

// proves: AM-30
#[test]
fn a_row_shows_deletion_place_and_gates() {
    let mut pod = with("nodeName", json!("n1"));
    pod["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:30Z");
    pod["spec"]["readinessGates"] = json!([{"conditionType": "a"}, {"conditionType": "b"}]);
    pod["status"] = json!({
        "phase": "Running",
        "podIPs": [{"ip": "10.0.0.1"}],
        "nominatedNodeName": "n2",
        "conditions": [{"type": "b", "status": "True"}],
    });
    assert_eq!(row(&Pod, &pod, "2026-01-01T00:00:40Z"), "web | 0/1 | Terminating | 0 | 40s | 10.0.0.1 | n1 | n2 | 1/2");
    pod["status"]["phase"] = json!("Succeeded");
    assert_eq!(row(&Pod, &pod, "2026-01-01T00:00:40Z").split(" | ").nth(2), Some("Succeeded"));
    pod["status"]["reason"] = json!("NodeLost");
    assert_eq!(row(&Pod, &pod, "2026-01-01T00:00:40Z").split(" | ").nth(2), Some("Unknown"));
}
