use super::{default_pod_spec, validate_pod_spec};
use crate::resources::testing::messages;
use api_machinery::field::{ErrorList, Path};
use serde_json::{Value, json};

/// Errors of a template whose only container has the fields of `container`, in a spec with those of `spec`.
fn check(container: Value, spec: Value) -> Vec<String> {
    let mut whole = json!({"containers": [{"name": "a", "image": "x"}]});
    for (key, value) in container.as_object().expect("a map") {
        whole["containers"][0][key] = value.clone();
    }
    for (key, value) in spec.as_object().expect("a map") {
        whole[key] = value.clone();
    }
    default_pod_spec(&mut whole);
    let mut errors = ErrorList::new();
    validate_pod_spec(&whole, None, &Path::root("s"), &mut errors);
    messages(errors)
}

fn volume(source: Value) -> String {
    let mut volume = source;
    volume["name"] = json!("v");
    check(json!({}), json!({ "volumes": [volume] })).join("; ")
}

// proves: AM-33
#[test]
fn each_sort_of_volume_has_its_rules() {
    for (source, want) in [
        (
            json!({"emptyDir": {"sizeLimit": "-1"}}),
            "s.volumes[0].emptyDir.sizeLimit: Forbidden: SizeLimit field must be a valid resource quantity",
        ),
        (json!({"secret": {}}), "s.volumes[0].secret.secretName: Required value"),
        (
            json!({"secret": {"secretName": "x", "defaultMode": 512, "items": [{"key": "k", "path": "/p"}]}}),
            "s.volumes[0].secret.defaultMode: Invalid value: 512: must be a number between 0 and 0777 (octal), both \
             inclusive; s.volumes[0].secret.items[0].path: Invalid value: \"/p\": must be a relative path",
        ),
        (
            json!({"configMap": {"name": "x", "items": [{"path": "..p"}]}}),
            "s.volumes[0].configMap.items[0].key: Required value; s.volumes[0].configMap.items[0].path: Invalid value: \
             \"..p\": must not start with '..'",
        ),
        (
            json!({"downwardAPI": {"items": [{"path": "a"}, {"path": "b", "fieldRef": {"fieldPath": "status.podIP"}}]}}),
            "s.volumes[0].downwardAPI: Required value: one of fieldRef and resourceFieldRef is required; \
             s.volumes[0].downwardAPI.fieldRef.fieldPath: Unsupported value: \"status.podIP\": supported values: \
             \"metadata.annotations\", \"metadata.labels\", \"metadata.name\", \"metadata.namespace\", \"metadata.uid\"",
        ),
        (
            json!({"projected": {"sources": [
                {"secret": {"name": "a", "items": [{"key": "k", "path": "p"}]}, "configMap": {"name": "b"}},
                {"serviceAccountToken": {"path": "t", "expirationSeconds": 5}},
                {"downwardAPI": {"items": [{"path": "p", "fieldRef": {"fieldPath": "metadata.name"}}]}}]}}),
            "s.volumes[0].projected.sources[0]: Forbidden: may not specify more than 1 volume type per source; \
             s.volumes[0].projected.sources[1].serviceAccountToken.expirationSeconds: Invalid value: 5: may not specify a \
             duration less than 10 minutes; s.volumes[0].projected: Invalid value: \"p\": conflicting duplicate paths",
        ),
        (
            json!({"nfs": {"server": "h", "path": "p"}}),
            "s.volumes[0].nfs.path: Invalid value: \"p\": must be an absolute path",
        ),
        (json!({"persistentVolumeClaim": {}}), "s.volumes[0].persistentVolumeClaim.claimName: Required value"),
        (json!({"hostPath": {"path": "/x", "type": "Directory"}}), ""),
    ] {
        assert_eq!(volume(source), want);
    }
    let twice = json!({"volumes": [{"name": "v"}, {"name": "v"}, {"name": "V"}, {}]});
    let errors = check(json!({}), twice);
    assert_eq!(errors[0], "s.volumes[1].name: Duplicate value: \"v\"");
    assert!(errors[1].starts_with("s.volumes[2].name: Invalid value: \"V\": a lowercase RFC 1123 label must"));
    assert_eq!(errors[2], "s.volumes[3].name: Required value");
}

// proves: AM-33
#[test]
fn mounts_and_devices_fit_their_volumes() {
    let spec = json!({"volumes": [{"name": "d"}, {"name": "c", "persistentVolumeClaim": {"claimName": "x"}}]});
    let container = json!({
        "volumeMounts": [
            {"name": "d", "mountPath": "/a", "mountPropagation": "Bidirectional"},
            {"name": "d", "mountPath": "/a", "subPath": "/b", "subPathExpr": "c"},
            {"name": "c", "recursiveReadOnly": "Enabled"},
        ],
        "volumeDevices": [{"name": "d", "devicePath": "/dev/../x"}, {"name": "n", "devicePath": "/dev/y"}],
    });
    let at = "s.containers[0]";
    assert_eq!(
        check(container, spec),
        [
            format!("{at}.volumeMounts[0].name: Invalid value: \"d\": must not already exist in volumeDevices"),
            format!(
                "{at}.volumeMounts.mountPropagation: Forbidden: Bidirectional mount propagation is available only to privileged containers"
            ),
            format!("{at}.volumeMounts[1].mountPath: Invalid value: \"/a\": must be unique"),
            format!("{at}.volumeMounts[1].name: Invalid value: \"d\": must not already exist in volumeDevices"),
            format!("{at}.volumeMounts.subPath: Invalid value: \"/b\": must be a relative path"),
            format!(
                "{at}.volumeMounts[1].subPathExpr: Invalid value: \"c\": subPathExpr and subPath are mutually exclusive"
            ),
            format!("{at}.volumeMounts[2].mountPath: Required value"),
            format!("{at}.volumeMounts.recursiveReadOnly: Forbidden: may only be specified when readOnly is true"),
            format!(
                "{at}.volumeDevices[0].name: Invalid value: \"d\": can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode"
            ),
            format!("{at}.volumeDevices[0].devicePath: Invalid value: \"/dev/../x\": can not contain backsteps ('..')"),
            format!("{at}.volumeDevices[0].name: Invalid value: \"d\": must not already exist in volumeMounts"),
            format!("{at}.volumeDevices[1].name: Not found: \"n\""),
        ]
    );
}

// proves: AM-33
#[test]
fn resources_are_amounts_of_known_names() {
    let resources = |resources: Value| check(json!({ "resources": resources }), json!({})).join("; ");
    let at = "s.containers[0].resources";
    assert_eq!(resources(json!({"limits": {"cpu": "100m", "memory": "1Gi", "ephemeral-storage": "1Gi"}})), "");
    assert_eq!(resources(json!({"limits": {"example.com/gpu": "2"}, "requests": {"example.com/gpu": "2"}})), "");
    assert_eq!(
        resources(json!({"limits": {"example.com/gpu": "1500m"}})),
        format!("{at}.limits[example.com/gpu]: Invalid value: \"1500m\": must be an integer")
    );
    assert_eq!(
        resources(json!({"limits": {"example.com/gpu": "2"}, "requests": {"example.com/gpu": "1"}})),
        format!("{at}.requests: Invalid value: \"1\": must be equal to example.com/gpu limit of 2")
    );
    assert_eq!(
        resources(json!({"requests": {"example.com/gpu": "1"}})),
        format!("{at}.limits: Required value: Limit must be set for non overcommitable resources")
    );
    assert_eq!(
        resources(json!({"limits": {"hugepages-2Mi": "3Mi"}})),
        format!(
            "{at}.limits[hugepages-2Mi]: Invalid value: \"3Mi\": 3Mi is not positive integer multiple of hugepages-2Mi; \
             {at}: Forbidden: HugePages require cpu or memory"
        )
    );
    assert_eq!(
        resources(json!({"claims": [{"name": "x"}]})),
        format!("{at}.claims[0]: Not found: \"x\": must be one of the names in pod.spec.resourceClaims which is empty")
    );
}

// proves: AM-33
#[test]
fn amounts_are_written_in_one_way() {
    let mut spec = json!({"containers": [{"name": "a", "image": "x", "resources": {
        "limits": {"cpu": "0.0001", "memory": "1024Mi"}, "requests": {"cpu": 1, "memory": "1500M"}}}],
        "overhead": {"cpu": "1000m"}});
    default_pod_spec(&mut spec);
    assert_eq!(
        spec["containers"][0]["resources"],
        json!({"limits": {"cpu": "1m", "memory": "1Gi"}, "requests": {"cpu": "1", "memory": "1500M"}})
    );
    assert_eq!(spec["overhead"], json!({"cpu": "1"}));
}

// proves: AM-33
#[test]
fn host_ports_namespaces_and_names_do_not_collide() {
    let ports = json!({"ports": [{"containerPort": 80, "hostPort": 80}, {"containerPort": 81, "hostPort": 80}]});
    assert_eq!(
        check(ports, json!({"hostNetwork": true})),
        [
            "s.containers[0].ports[1].hostPort: Duplicate value: \"TCP//80\"",
            "s.containers[0].ports[1].hostPort: Invalid value: 80: must match `containerPort` when `hostNetwork` is true",
        ]
    );
    assert_eq!(
        check(json!({}), json!({"hostUsers": false, "hostPID": true, "shareProcessNamespace": true})),
        [
            "s.shareProcessNamespace: Invalid value: true: ShareProcessNamespace and HostPID cannot both be enabled",
            "s.HostPID: Forbidden: when `hostUsers` is false",
        ]
    );
    let sysctls = json!({"hostNetwork": true, "securityContext": {"sysctls": [{"name": "net.a"}, {"name": "Kernel"}]}});
    assert_eq!(
        check(json!({}), sysctls),
        [
            "s.securityContext.sysctls[0].name: Invalid value: \"net.a\": may not be specified when 'hostNetwork' is true",
            "s.securityContext.sysctls[1].name: Invalid value: \"Kernel\": must have at most 253 characters and match regex \
             ^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$",
        ]
    );
}

// proves: AM-33
#[test]
fn affinity_and_dns_settings_are_checked() {
    let affinity = json!({"affinity": {
        "nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [
            {"weight": 0, "preference": {"matchFields": [{"key": "spec.x", "operator": "Exists"}]}}]},
        "podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [{"topologyKey": "k", "matchLabelKeys": ["a"]}]},
    }});
    let node = "s.affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution[0]";
    assert_eq!(
        check(json!({}), affinity),
        [
            format!("{node}.weight: Invalid value: 0: must be in the range 1-100"),
            format!("{node}.preference.matchFields[0].operator: Invalid value: \"Exists\": not a valid selector operator"),
            format!("{node}.preference.matchFields[0].key: Invalid value: \"spec.x\": not a valid field selector key"),
            "s.affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution[0].matchLabelKeys: Forbidden: must not be \
             specified when labelSelector is not set"
                .to_owned(),
        ]
    );
    let dns = json!({"dnsConfig": {"nameservers": ["1.1.1.1", "2", "03.3.3.3", "4.4.4.4"], "options": [{}], "searches": ["a_b.c.", "."]}});
    assert_eq!(
        check(json!({}), dns),
        [
            "s.dnsConfig.nameservers: Invalid value: [\"1.1.1.1\",\"2\",\"03.3.3.3\",\"4.4.4.4\"]: must not have more than 3 nameservers",
            "s.dnsConfig.nameservers[1]: Invalid value: \"2\": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)",
            "s.dnsConfig.nameservers[2]: Invalid value: \"03.3.3.3\": must not have leading 0s",
            "s.dnsConfig.options[0]: Required value: must not be empty",
        ]
    );
}

// proves: AM-33
#[test]
fn names_of_hosts_rules_of_restarts_and_comparing_tolerations_are_refused_in_upstreams_words() {
    let subdomain = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters";
    let errors = check(json!({}), json!({"hostnameOverride": "H_", "hostNetwork": true, "setHostnameAsFQDN": true}));
    assert_eq!(
        errors[..2],
        [
            "s.hostnameOverride: Forbidden: may not be specified when setHostnameAsFQDN is true",
            "s.hostnameOverride: Forbidden: may not be specified when hostNetwork is true",
        ]
    );
    assert!(errors[2].starts_with(&format!("s.hostnameOverride: Invalid value: \"H_\": {subdomain}")), "{}", errors[2]);
    let rules = json!({"restartPolicyRules": [
        {"action": "Foo"},
        {"action": "Restart", "exitCodes": {"operator": "On", "values": vec![1; 256]}},
    ]});
    assert_eq!(
        check(rules, json!({})),
        [
            "s.containers[0].restartPolicy: Required value: must specify restartPolicy when restart rules are used",
            "s.containers[0].restartPolicyRules[0].action: Unsupported value: \"Foo\": supported values: \"Restart\", \
             \"RestartAllContainers\"",
            "s.containers[0].restartPolicyRules[0].exitCodes: Required value: must be specified",
            "s.containers[0].restartPolicyRules[1].exitCodes.operator: Unsupported value: \"On\": supported values: \
             \"In\", \"NotIn\"",
            "s.containers[0].restartPolicyRules[1].exitCodes.values: Too many: 256: must have at most 255 items",
        ]
    );
    assert_eq!(
        check(json!({}), json!({"tolerations": [{"key": "k", "operator": "Gt", "value": "5"}]})),
        ["s.tolerations[0].operator: Unsupported value: \"Gt\": supported values: \"Equal\", \"Exists\", \"Lt\", \
             \"Gt\""]
    );
}

#[test]
fn what_upstreams_gates_keep_out_is_dropped() {
    let mut spec = json!({
        "schedulingGroup": {"podGroupName": "x"},
        "containers": [
            {"name": "a", "image": "x", "lifecycle": {"stopSignal": "SIGUSR1"}},
            {"name": "b", "image": "x", "lifecycle": {"stopSignal": "SIGUSR1", "preStop": {"sleep": {"seconds": 1}}}},
        ],
    });
    default_pod_spec(&mut spec);
    assert_eq!(spec.get("schedulingGroup"), None);
    assert_eq!(spec["containers"][0].get("lifecycle"), None);
    assert_eq!(spec["containers"][1]["lifecycle"], json!({"preStop": {"sleep": {"seconds": 1}}}));
}

// proves: AM-33
#[test]
fn a_variable_of_a_file_names_a_volume_that_the_containers_fill() {
    let of = |source: Value, volumes: Value| {
        check(json!({"env": [{"name": "A", "valueFrom": {"fileKeyRef": source}}]}), json!({ "volumes": volumes }))
    };
    let at = "s.containers[0].env[0].valueFrom.fileKeyRef";
    let file = json!({"volumeName": "v", "path": "p", "key": "K"});
    assert_eq!(of(file.clone(), json!([{"name": "v", "emptyDir": {}}])), [""; 0]);
    assert_eq!(
        of(file.clone(), json!([{"name": "v", "hostPath": {"path": "/x"}}])),
        [format!("{at}.volumeName: Invalid value: \"v\": referenced volume must be of type emptyDir")]
    );
    assert_eq!(of(file, json!([])), [format!("{at}.volumeName: Not found: \"v\"")]);
    assert_eq!(
        of(json!({"volumeName": "v", "path": "../p"}), json!([{"name": "v", "emptyDir": {}}])),
        [format!("{at}.key: Required value"), format!("{at}.path: Invalid value: \"../p\": must not contain '..'")]
    );
}
