//! A container's environment. Pure: what it refers to is fetched before ([`super::sources`]).

use super::fields::{self, Addresses};
use super::services;
use super::sources::{Kind, Sources};
use crate::options::Capacity;
use k8s_openapi::api::core::v1::{Container, EnvVar, Pod, Service};
use std::collections::{BTreeMap, BTreeSet};

/// Everything that the environment is made from.
pub struct Inputs<'a> {
    /// The pod.
    pub pod: &'a Pod,
    /// One of its containers.
    pub container: &'a Container,
    /// ConfigMaps and secrets that it refers to.
    pub sources: &'a Sources,
    /// Services that it may see.
    pub services: &'a [Service],
    /// Addresses of pod and node.
    pub addresses: &'a Addresses,
    /// What the node offers.
    pub capacity: &'a Capacity,
}

/// ConfigMaps and secrets that a container's environment refers to.
pub fn wanted(container: &Container) -> BTreeSet<(Kind, String)> {
    let mut wanted = BTreeSet::new();
    for from in container.env_from.iter().flatten() {
        wanted.extend(from.config_map_ref.iter().map(|one| (Kind::ConfigMap, one.name.clone())));
        wanted.extend(from.secret_ref.iter().map(|one| (Kind::Secret, one.name.clone())));
    }
    for from in container.env.iter().flatten().filter_map(|variable| variable.value_from.as_ref()) {
        wanted.extend(from.config_map_key_ref.iter().map(|one| (Kind::ConfigMap, one.name.clone())));
        wanted.extend(from.secret_key_ref.iter().map(|one| (Kind::Secret, one.name.clone())));
    }
    wanted
}

/// The variables in order: `envFrom`, `env`, then the services' that neither names.
///
/// # Errors
/// Something that is not optional is missing; upstream's words, the message of `CreateContainerConfigError`.
pub fn environment(inputs: &Inputs<'_>) -> Result<Vec<(String, String)>, String> {
    let spec = inputs.pod.spec.as_ref();
    let links = spec.and_then(|spec| spec.enable_service_links).unwrap_or(true);
    let namespace = inputs.pod.metadata.namespace.as_deref().unwrap_or_default();
    let service_variables = services::variables(inputs.services, namespace, links);
    let mut result = Variables::default();
    for from in inputs.container.env_from.iter().flatten() {
        let prefix = from.prefix.as_deref().unwrap_or_default();
        let references = from.config_map_ref.iter().map(|one| (Kind::ConfigMap, &one.name, one.optional));
        let references = references.chain(from.secret_ref.iter().map(|one| (Kind::Secret, &one.name, one.optional)));
        for (kind, name, optional) in references {
            for (key, value) in inputs.sources.texts(kind, name, optional.unwrap_or(false))? {
                if is_name(&format!("{prefix}{key}")) {
                    result.set(format!("{prefix}{key}"), value);
                }
            }
        }
    }
    for variable in inputs.container.env.iter().flatten() {
        if let Some(value) = value(inputs, variable, &result, &service_variables)? {
            result.set(variable.name.clone(), value);
        }
    }
    for (name, value) in service_variables {
        if !result.values.contains_key(&name) {
            result.set(name, value);
        }
    }
    Ok(result.in_order())
}

/// Replaces `$(NAME)` by what `lookup` knows; `$$` is one dollar, and unknown names stay as they are.
pub fn expand(text: &str, lookup: impl Fn(&str) -> Option<String>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        if let Some(next) = after.strip_prefix('$') {
            out.push('$');
            rest = next;
        } else if let Some((name, next)) = after.strip_prefix('(').and_then(|inner| inner.split_once(')')) {
            match lookup(name) {
                Some(value) => out.push_str(&value),
                None => out.push_str(&format!("$({name})")),
            }
            rest = next;
        } else {
            out.push('$');
            rest = after;
        }
    }
    out.push_str(rest);
    out
}

#[derive(Default)]
struct Variables {
    order: Vec<String>,
    values: BTreeMap<String, String>,
}

impl Variables {
    fn set(&mut self, name: String, value: String) {
        if self.values.insert(name.clone(), value).is_none() {
            self.order.push(name);
        }
    }

    fn in_order(mut self) -> Vec<(String, String)> {
        let values = &mut self.values;
        self.order.into_iter().filter_map(|name| values.remove_entry(&name)).collect()
    }
}

/// `None` when the variable is optional and its source is missing.
fn value(
    inputs: &Inputs<'_>,
    variable: &EnvVar,
    known: &Variables,
    service_variables: &BTreeMap<String, String>,
) -> Result<Option<String>, String> {
    let Some(from) = &variable.value_from else {
        let text = variable.value.as_deref().unwrap_or_default();
        let lookup = |name: &str| known.values.get(name).or_else(|| service_variables.get(name)).cloned();
        return Ok(Some(expand(text, lookup)));
    };
    let namespace = inputs.pod.metadata.namespace.as_deref().unwrap_or_default();
    if let Some(field) = &from.field_ref {
        return fields::field(inputs.pod, inputs.addresses, &field.field_path).map(Some);
    }
    if let Some(resource) = &from.resource_field_ref {
        return fields::resource(inputs.pod, &inputs.container.name, resource, inputs.capacity).map(Some);
    }
    let (kind, name, key, optional) = match (&from.config_map_key_ref, &from.secret_key_ref) {
        (Some(one), _) => (Kind::ConfigMap, &one.name, &one.key, one.optional),
        (None, Some(one)) => (Kind::Secret, &one.name, &one.key, one.optional),
        (None, None) => return Err(format!("environment variable {:?} has an unknown source", variable.name)),
    };
    let optional = optional.unwrap_or(false);
    let found = inputs.sources.texts(kind, name, optional)?.remove(key);
    match found {
        None if !optional => Err(format!("couldn't find key {key} in {} {namespace}/{name}", kind.name())),
        found => Ok(found),
    }
}

/// Names are printable ASCII without `=`.
fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| (0x20..0x7f).contains(&byte) && byte != b'=')
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn sources() -> Sources {
        let config = serde_json::from_value(json!({"data": {"k": "v", "l": "w"}})).unwrap();
        let secret = serde_json::from_value(json!({"data": {"pw": "aHVudGVyMg=="}})).unwrap();
        let mut sources = Sources::default();
        sources.insert_config_map("cm", Some(config));
        sources.insert_config_map("gone", None);
        sources.insert_secret("s", Some(secret));
        sources.insert_secret("gone", None);
        sources
    }

    fn run(container: Value) -> Result<String, String> {
        let mut container = container;
        container["name"] = json!("c");
        let pod: Pod = serde_json::from_value(
            json!({"metadata": {"name": "p", "namespace": "ns"}, "spec": {"containers": [container.clone()]}}),
        )
        .unwrap();
        let services: Vec<Service> = serde_json::from_value(json!([{"metadata": {"name": "kubernetes", "namespace":
            "default"}, "spec": {"clusterIP": "10.0.0.1", "ports": [{"port": 443, "name": "https"}]}}]))
        .unwrap();
        let capacity = Capacity { milli_cpu: 1, memory_bytes: 1, ephemeral_storage_bytes: 1, pods: 1 };
        let variables = environment(&Inputs {
            pod: &pod,
            container: &serde_json::from_value(container).unwrap(),
            sources: &sources(),
            services: &services,
            addresses: &Addresses { host_ips: vec!["1.1.1.1".into()], pod_ips: vec!["2.2.2.2".into()] },
            capacity: &capacity,
        })?;
        let own = variables.iter().filter(|(name, _)| !name.starts_with("KUBERNETES_"));
        Ok(own.map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn variables_come_from_everywhere_and_later_ones_win() {
        let config = json!({"configMapKeyRef": {"name": "cm", "key": "k"}});
        let secret = json!({"secretKeyRef": {"name": "s", "key": "pw"}});
        let ip = json!({"fieldRef": {"fieldPath": "status.podIP"}});
        for (container, want) in [
            (
                json!({"env": [{"name": "A", "value": "1"}, {"name": "B", "value": "$(A)-$$(A)-$(X)-$"}]}),
                "A=1 B=1-$(A)-$(X)-$",
            ),
            (json!({"env": [{"name": "A", "valueFrom": config}, {"name": "B", "valueFrom": secret}]}), "A=v B=hunter2"),
            (json!({"env": [{"name": "A", "valueFrom": ip}]}), "A=2.2.2.2"),
            (json!({"env": [{"name": "A", "value": "$(KUBERNETES_SERVICE_HOST)"}]}), "A=10.0.0.1"),
            (
                json!({"envFrom": [{"prefix": "P_", "configMapRef": {"name": "cm"}}], "env": [{"name": "P_k", "value": "x"}]}),
                "P_k=x P_l=w",
            ),
            (json!({"envFrom": [{"secretRef": {"name": "gone", "optional": true}}]}), ""),
            (
                json!({"env": [{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "cm", "key": "no", "optional": true}}}]}),
                "",
            ),
        ] {
            assert_eq!(run(container.clone()).unwrap(), want, "{container}");
        }
    }

    #[test]
    fn what_is_missing_is_named_as_upstream_names_it() {
        for (container, want) in [
            (json!({"envFrom": [{"configMapRef": {"name": "gone"}}]}), "configmap \"gone\" not found"),
            (
                json!({"env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "gone", "key": "k"}}}]}),
                "secret \"gone\" not found",
            ),
            (
                json!({"env": [{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "cm", "key": "no"}}}]}),
                "couldn't find key no in ConfigMap ns/cm",
            ),
            (
                json!({"env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "s", "key": "no"}}}]}),
                "couldn't find key no in Secret ns/s",
            ),
        ] {
            assert_eq!(run(container.clone()).unwrap_err(), want, "{container}");
        }
    }
}
