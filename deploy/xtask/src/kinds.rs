//! Generates the table of kind facts that `api-machinery` loads (`api/machinery/schema/kinds.json`).
//!
//! Input: `_definitions.json` of Kubernetes 1.37, as the Python package `kubernetes-validate` 1.37.0 ships it
//! (Apache-2.0). Output: facts only, no descriptions: for each definition its fields with types, list kinds, merge keys
//! and required fields, and the kinds it describes. Reduced to what the served kinds reach.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Map, Value, json};

/// Kinds that are served, and the types that requests and responses are made of. A further built-in kind is added here.
const ROOTS: &[&str] = &[
    "io.k8s.api.apps.v1.Deployment",
    "io.k8s.api.apps.v1.DeploymentList",
    "io.k8s.api.apps.v1.ReplicaSet",
    "io.k8s.api.apps.v1.ReplicaSetList",
    "io.k8s.api.authentication.v1.SelfSubjectReview",
    "io.k8s.api.authentication.v1.TokenRequest",
    "io.k8s.api.authentication.v1.TokenReview",
    "io.k8s.api.authorization.v1.LocalSubjectAccessReview",
    "io.k8s.api.authorization.v1.SelfSubjectAccessReview",
    "io.k8s.api.authorization.v1.SelfSubjectRulesReview",
    "io.k8s.api.authorization.v1.SubjectAccessReview",
    "io.k8s.api.autoscaling.v1.Scale",
    "io.k8s.api.coordination.v1.Lease",
    "io.k8s.api.coordination.v1.LeaseList",
    "io.k8s.api.core.v1.Binding",
    "io.k8s.api.core.v1.ConfigMap",
    "io.k8s.api.core.v1.ConfigMapList",
    "io.k8s.api.core.v1.Endpoints",
    "io.k8s.api.core.v1.EndpointsList",
    "io.k8s.api.core.v1.Event",
    "io.k8s.api.core.v1.EventList",
    "io.k8s.api.core.v1.Namespace",
    "io.k8s.api.core.v1.NamespaceList",
    "io.k8s.api.core.v1.Node",
    "io.k8s.api.core.v1.NodeList",
    "io.k8s.api.core.v1.Pod",
    "io.k8s.api.core.v1.PodList",
    "io.k8s.api.core.v1.Secret",
    "io.k8s.api.core.v1.SecretList",
    "io.k8s.api.core.v1.Service",
    "io.k8s.api.core.v1.ServiceAccount",
    "io.k8s.api.core.v1.ServiceAccountList",
    "io.k8s.api.core.v1.ServiceList",
    "io.k8s.api.discovery.v1.EndpointSlice",
    "io.k8s.api.discovery.v1.EndpointSliceList",
    "io.k8s.api.events.v1.Event",
    "io.k8s.api.events.v1.EventList",
    "io.k8s.api.policy.v1.Eviction",
    "io.k8s.api.rbac.v1.ClusterRole",
    "io.k8s.api.rbac.v1.ClusterRoleBinding",
    "io.k8s.api.rbac.v1.ClusterRoleBindingList",
    "io.k8s.api.rbac.v1.ClusterRoleList",
    "io.k8s.api.rbac.v1.Role",
    "io.k8s.api.rbac.v1.RoleBinding",
    "io.k8s.api.rbac.v1.RoleBindingList",
    "io.k8s.api.rbac.v1.RoleList",
    "io.k8s.api.scheduling.v1.PriorityClass",
    "io.k8s.api.scheduling.v1.PriorityClassList",
    "io.k8s.apimachinery.pkg.apis.meta.v1.APIGroup",
    "io.k8s.apimachinery.pkg.apis.meta.v1.APIGroupList",
    "io.k8s.apimachinery.pkg.apis.meta.v1.APIResourceList",
    "io.k8s.apimachinery.pkg.apis.meta.v1.APIVersions",
    "io.k8s.apimachinery.pkg.apis.meta.v1.Condition",
    "io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions",
    "io.k8s.apimachinery.pkg.apis.meta.v1.LabelSelector",
    "io.k8s.apimachinery.pkg.apis.meta.v1.Patch",
    "io.k8s.apimachinery.pkg.apis.meta.v1.Status",
    "io.k8s.apimachinery.pkg.apis.meta.v1.WatchEvent",
    "io.k8s.apimachinery.pkg.version.Info",
];

/// Types whose JSON form is not that of their fields; the server knows them by name.
const SCALARS: &[(&str, &str)] = &[
    ("io.k8s.apimachinery.pkg.api.resource.Quantity", "quantity"),
    ("io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime", "microTime"),
    ("io.k8s.apimachinery.pkg.apis.meta.v1.Time", "time"),
    ("io.k8s.apimachinery.pkg.util.intstr.IntOrString", "intOrString"),
    ("io.k8s.apimachinery.pkg.apis.meta.v1.FieldsV1", "any"),
    ("io.k8s.apimachinery.pkg.apis.meta.v1.Patch", "any"),
    ("io.k8s.apimachinery.pkg.runtime.RawExtension", "any"),
];

/// Reads the definitions and writes the table, one definition a line.
pub(crate) fn generate(definitions_json: &Path, out: &Path) -> Result<()> {
    let text = fs::read(definitions_json).with_context(|| format!("cannot read {}", definitions_json.display()))?;
    let document: Value = serde_json::from_slice(&text).context("the definitions are not JSON")?;
    let definitions = document.get("$defs").or_else(|| document.get("definitions")).unwrap_or(&document);
    let definitions = definitions.as_object().context("the definitions are not a map")?;
    let mut facts = BTreeMap::new();
    let mut queue: Vec<String> = ROOTS.iter().map(|name| (*name).to_string()).collect();
    let mut seen: BTreeSet<String> = queue.iter().cloned().collect();
    while let Some(name) = queue.pop() {
        let definition = definitions.get(&name).with_context(|| format!("there is no definition {name}"))?;
        let fact = definition_facts(&name, definition, &mut |reference| {
            if seen.insert(reference.to_string()) {
                queue.push(reference.to_string());
            }
        })?;
        facts.insert(name, fact);
    }
    let mut text = String::from("{\n");
    for (index, (name, fact)) in facts.iter().enumerate() {
        let comma = if index + 1 < facts.len() { "," } else { "" };
        text.push_str(&format!("{}: {fact}{comma}\n", Value::from(name.as_str())));
    }
    text.push_str("}\n");
    fs::write(out, text).with_context(|| format!("cannot write {}", out.display()))
}

fn definition_facts(name: &str, definition: &Value, reached: &mut impl FnMut(&str)) -> Result<Value> {
    if let Some((_, scalar)) = SCALARS.iter().find(|(scalar, _)| *scalar == name) {
        return Ok(json!({ "scalar": scalar }));
    }
    let mut fact = Map::new();
    let mut fields = Map::new();
    for (field, schema) in definition.get("properties").and_then(Value::as_object).into_iter().flatten() {
        let fact = field_facts(schema, reached).with_context(|| format!("{name}.{field}"))?;
        fields.insert(field.clone(), fact);
    }
    fact.insert("fields".into(), Value::Object(fields));
    copy(definition, "required", &mut fact, "required");
    copy(definition, "x-kubernetes-map-type", &mut fact, "mapType");
    if let Some(kinds) = definition.get("x-kubernetes-group-version-kind").and_then(Value::as_array) {
        let kinds: Vec<Value> =
            kinds.iter().map(|kind| json!([kind["group"], kind["version"], kind["kind"]])).collect();
        // Options and watch events are of every group; the one without a group stands for all.
        let kinds = if kinds.len() > 1 { kinds.into_iter().filter(|kind| kind[0] == "").collect() } else { kinds };
        fact.insert("kinds".into(), Value::Array(kinds));
    }
    Ok(Value::Object(fact))
}

fn field_facts(schema: &Value, reached: &mut impl FnMut(&str)) -> Result<Value> {
    let mut fact = Map::new();
    if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
        let name = reference.rsplit('/').next().unwrap_or(reference);
        reached(name);
        fact.insert("ref".into(), name.into());
    } else {
        fact.insert("type".into(), type_name(schema)?.into());
        copy(schema, "format", &mut fact, "format");
    }
    if let Some(items) = schema.get("items") {
        fact.insert("items".into(), field_facts(items, reached)?);
    }
    if let Some(values) = schema.get("additionalProperties") {
        fact.insert("values".into(), field_facts(values, reached)?);
    }
    copy(schema, "x-kubernetes-list-type", &mut fact, "listType");
    copy(schema, "x-kubernetes-list-map-keys", &mut fact, "mapKeys");
    copy(schema, "x-kubernetes-map-type", &mut fact, "mapType");
    copy(schema, "x-kubernetes-patch-merge-key", &mut fact, "patchKey");
    copy(schema, "x-kubernetes-patch-strategy", &mut fact, "patch");
    Ok(Value::Object(fact))
}

/// The type without the `null` that every optional field may be.
fn type_name(schema: &Value) -> Result<&str> {
    match schema.get("type") {
        Some(Value::String(name)) => Ok(name),
        Some(Value::Array(names)) => {
            names.iter().filter_map(Value::as_str).find(|name| *name != "null").context("a type that is only null")
        }
        _ => anyhow::bail!("a field without a type"),
    }
}

fn copy(from: &Value, name: &str, to: &mut Map<String, Value>, as_name: &str) {
    if let Some(value) = from.get(name) {
        to.insert(as_name.into(), value.clone());
    }
}
