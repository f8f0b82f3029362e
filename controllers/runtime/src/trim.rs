//! What an informer need not keep of an object. A typed pod of two containers holds some 17 KB, most of it nothing that
//! a decision looks at, and every informer has one of each pod.
//!
//! A trimmed object must never be written back whole: patch it.

use k8s_openapi::api::core::v1::{Container, Pod};

/// Leaves of a pod what controllers and the scheduler read: of containers their names, ports and resources, of volumes
/// those that must be bound before the pod can run.
pub fn pod(pod: &mut Pod) {
    let Some(spec) = &mut pod.spec else { return };
    for container in spec.containers.iter_mut().chain(spec.init_containers.iter_mut().flatten()) {
        let whole = std::mem::take(container);
        let Container { name, ports, resources, restart_policy, .. } = whole;
        *container = Container { name, ports, resources, restart_policy, ..Container::default() };
    }
    spec.ephemeral_containers = None;
    if let Some(volumes) = &mut spec.volumes {
        volumes.retain(|volume| volume.persistent_volume_claim.is_some() || volume.ephemeral.is_some());
        volumes.shrink_to_fit();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_trimmed_pod_says_what_it_asks_for_and_not_what_it_runs() {
        let mut object: Pod = serde_json::from_value(json!({
            "metadata": { "name": "a" },
            "spec": {
                "nodeName": "n",
                "containers": [{
                    "name": "c", "image": "i", "env": [{ "name": "A", "value": "b" }], "ports": [{ "containerPort": 80 }],
                    "resources": { "requests": { "cpu": "1" } },
                }],
                "initContainers": [{ "name": "s", "restartPolicy": "Always", "command": ["run"] }],
                "volumes": [
                    { "name": "x", "emptyDir": {} },
                    { "name": "y", "persistentVolumeClaim": { "claimName": "z" } },
                ],
            },
        }))
        .unwrap();
        pod(&mut object);
        let left = serde_json::to_value(object.spec).unwrap();
        assert_eq!(
            left,
            json!({
                "nodeName": "n",
                "containers": [{
                    "name": "c", "ports": [{ "containerPort": 80 }], "resources": { "requests": { "cpu": "1" } },
                }],
                "initContainers": [{ "name": "s", "restartPolicy": "Always" }],
                "volumes": [{ "name": "y", "persistentVolumeClaim": { "claimName": "z" } }],
            })
        );
    }
}
