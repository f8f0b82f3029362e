//! Writes below an object: `scale`, `binding`, `finalize`. `status` is an ordinary update of another part.

use super::kind::Kind;
use super::strategy::Cx;
use super::update::Part;
use super::{Object, Registry, Written};
use api_machinery::field::{Error, ErrorList, Path};
use api_machinery::gvk::GroupKind;
use api_machinery::meta;
use api_machinery::status::Status;
use api_machinery::value;
use serde_json::{Value, json};

const SCALE: GroupKind<'static> = GroupKind { group: "autoscaling", kind: "Scale" };

/// The Scale of an object.
pub fn scale_of(kind: &Kind, object: &Value) -> Value {
    let mut scale = json!({"kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": {}, "spec": {},
        "status": {"replicas": value::i64_at(object, &["status", "replicas"]).unwrap_or(0)}});
    for field in ["name", "namespace", "uid", "resourceVersion", "creationTimestamp"] {
        if let Some(text) = value::get(object, &["metadata", field]) {
            scale["metadata"][field] = text.clone();
        }
    }
    match value::i64_at(object, &["spec", "replicas"]) {
        Some(replicas) if replicas != 0 => scale["spec"]["replicas"] = replicas.into(),
        _ => {}
    }
    if let Some(selector) = kind.strategy.scale_selector(object).filter(|selector| !selector.is_empty()) {
        scale["status"]["selector"] = selector.into();
    }
    scale
}

impl Registry {
    /// Changes `spec.replicas` by way of Scale; `change` makes the wanted Scale from the current one.
    ///
    /// # Errors
    /// Every refusal as the Status that upstream answers.
    pub async fn update_scale(
        &self,
        kind: &Kind,
        cx: &Cx<'_>,
        name: &str,
        mut change: impl FnMut(&Value) -> Result<Value, Status> + Send,
    ) -> Result<Written, Status> {
        let written = self
            .update(kind, cx, name, Part::Main, |object| {
                let scale = change(&scale_of(kind, object))?;
                check_scale(&scale)?;
                let mut new = object.clone();
                value::set(&mut new, &["spec", "replicas"], value::i64_at(&scale, &["spec", "replicas"]).unwrap_or(0));
                meta::set_resource_version(&mut new, meta::resource_version(&scale));
                let uid = meta::uid(&scale);
                if !uid.is_empty() {
                    value::set(&mut new, &["metadata", "uid"], uid);
                }
                Ok(new)
            })
            .await?;
        let object = written.object.decode().map_err(|error| kind.status(&error, name))?;
        Ok(Written { object: Object::Imagined(scale_of(kind, &object)), ..written })
    }

    /// Binds a pod to a node (`pods/binding`).
    ///
    /// # Errors
    /// 409 with upstream's texts when the pod is bound or being deleted, 422 for a binding that is none.
    pub async fn bind(&self, kind: &Kind, cx: &Cx<'_>, name: &str, binding: &Value) -> Result<(), Status> {
        let mut errors = ErrorList::new();
        let target = Path::root("target");
        let node = value::str_or_empty(binding, &["target", "name"]);
        let target_kind = value::str_or_empty(binding, &["target", "kind"]);
        if !matches!(target_kind, "" | "Node") {
            errors.push(Error::not_supported(&target.child("kind"), target_kind, &["Node", "<empty>"]));
        }
        if node.is_empty() {
            errors.push(Error::required(&target.child("name"), ""));
        }
        if let Some(text) = errors.aggregate() {
            // Upstream hands the errors up as they are, which makes them a server's failure.
            return Err(Status::failure(500, "", text));
        }
        let conflict = |why: String| {
            Status::conflict(api_machinery::gvk::GroupResource { group: "", resource: "pods/binding" }, name, why)
        };
        let written = self.update(kind, cx, name, Part::Exact, |pod| {
            if meta::deletion_timestamp(pod).is_some() {
                return Err(conflict(format!("pod {name} is being deleted, cannot be assigned to a host")));
            }
            let bound = value::str_or_empty(pod, &["spec", "nodeName"]);
            if !bound.is_empty() {
                return Err(conflict(format!(
                    "pod {name} is already assigned to node {}",
                    api_machinery::gotext::quote(bound)
                )));
            }
            if !value::items_at(pod, &["spec", "schedulingGates"]).is_empty() {
                return Err(conflict(format!("pod {name} has non-empty .spec.schedulingGates")));
            }
            let (uid, revision) = (meta::uid(binding), meta::resource_version(binding));
            let mut new = pod.clone();
            if !uid.is_empty() {
                value::set(&mut new, &["metadata", "uid"], uid);
            }
            if !revision.is_empty() {
                meta::set_resource_version(&mut new, revision);
            }
            value::set(&mut new, &["spec", "nodeName"], node);
            for (key, text) in meta::annotations(binding).into_iter().flatten() {
                meta::set_annotation(&mut new, key, text.as_str().unwrap_or_default());
            }
            for (key, text) in meta::labels(binding).into_iter().flatten() {
                meta::set_label(&mut new, key, text.as_str().unwrap_or_default());
            }
            set_scheduled(&mut new, cx);
            Ok(new)
        });
        written.await.map(|_| ())
    }

    /// Sets a namespace's `spec.finalizers` (`namespaces/finalize`). The last one gone, the namespace goes too.
    ///
    /// # Errors
    /// Every refusal as the Status that upstream answers.
    pub async fn finalize(&self, kind: &Kind, cx: &Cx<'_>, name: &str, wanted: &Value) -> Result<Written, Status> {
        self.update(kind, cx, name, Part::Exact, |old| {
            let mut new = old.clone();
            let finalizers = value::get(wanted, &["spec", "finalizers"]).cloned().unwrap_or_else(|| json!([]));
            if value::items_at(&new, &["spec", "finalizers"]).is_empty() && finalizers == json!([]) {
                return Ok(new);
            }
            // All but the spec's finalizers and the status is the client's, as in any update.
            if let Some(metadata) = value::get(wanted, &["metadata"]) {
                value::set(&mut new, &["metadata"], metadata.clone());
                kind.strategy.default(&mut new);
            }
            value::set(&mut new, &["spec", "finalizers"], finalizers);
            if value::items_at(&new, &["spec", "finalizers"]).is_empty() {
                value::remove(&mut new, &["spec", "finalizers"]);
            }
            let revision = meta::resource_version(wanted);
            if !revision.is_empty() {
                meta::set_resource_version(&mut new, revision);
            }
            Ok(new)
        })
        .await
    }
}

fn set_scheduled(pod: &mut Value, cx: &Cx<'_>) {
    let condition = json!({"type": "PodScheduled", "status": "True", "lastProbeTime": null,
        "lastTransitionTime": api_machinery::time::format_seconds(cx.now)});
    let status = value::map_mut(pod, &["status"]);
    let Some(conditions) = status.entry("conditions").or_insert_with(|| json!([])).as_array_mut() else { return };
    match conditions.iter_mut().find(|condition| condition["type"] == "PodScheduled") {
        Some(existing) if existing["status"] == "True" => {}
        Some(existing) => *existing = condition,
        None => conditions.push(condition),
    }
}

fn check_scale(scale: &Value) -> Result<(), Status> {
    let mut errors = ErrorList::new();
    let path = Path::of(&["spec", "replicas"]);
    let replicas = value::i64_at(scale, &["spec", "replicas"]).unwrap_or(0);
    if replicas < 0 {
        errors.push(Error::invalid(&path, replicas, "must be greater than or equal to 0"));
    }
    if errors.is_empty() { Ok(()) } else { Err(Status::invalid(SCALE, meta::name(scale), &errors)) }
}
