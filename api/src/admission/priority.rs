//! Priority: turns `priorityClassName` into a number, and keeps the default class single.

use crate::registry::{Kind, Registry};
use api_machinery::meta;
use api_machinery::status::Status;
use api_machinery::value;
use api_storage::{ListOptions, ReadRevision, StorageError};
use serde_json::Value;

const PREEMPT_LOWER: &str = "PreemptLowerPriority";
/// What the JSON of a default class has in it, and most other classes do not.
const GLOBAL_DEFAULT: &[u8] = b"\"globalDefault\"";

struct Class {
    name: String,
    priority: i64,
    preemption: String,
}

/// The classes of the system's own pods stay.
pub(super) fn delete_class(kind: &Kind, name: &str) -> Result<(), Status> {
    const SYSTEM: &[&str] = &["system-cluster-critical", "system-node-critical"];
    if (kind.info.group, kind.info.resource) == ("scheduling.k8s.io", "priorityclasses") && SYSTEM.contains(&name) {
        let why = "this is a system priority class and cannot be deleted";
        return Err(Status::forbidden(kind.resource(), name, why));
    }
    Ok(())
}

pub(super) async fn create_pod(registry: &Registry, kind: &Kind, pod: &mut Value) -> Result<(), Status> {
    let Some(classes) = registry.kinds().stored("scheduling.k8s.io", "priorityclasses") else { return Ok(()) };
    let name = value::str_or_empty(pod, &["spec", "priorityClassName"]).to_owned();
    let refuse = |why: String| Status::forbidden(kind.resource(), super::name_of(pod), why);
    let class = if name.is_empty() {
        default_class(classes).await?
    } else {
        let fail = |error| classes.status(&error, &name);
        match classes.store()?.get(None, &name, ReadRevision::Any).await {
            Ok(stored) => Some(read(&stored.decode().map_err(fail)?)),
            Err(StorageError::NotFound { .. }) => {
                return Err(refuse(format!("no PriorityClass with name {name} was found")));
            }
            Err(error) => return Err(fail(error)),
        }
    };
    let class = class.unwrap_or(Class { name: String::new(), priority: 0, preemption: PREEMPT_LOWER.to_owned() });
    if let Some(wanted) = value::i64_at(pod, &["spec", "priority"]).filter(|wanted| *wanted != class.priority) {
        return Err(refuse(format!(
            "the integer value of priority ({wanted}) must not be provided in pod spec; priority admission controller \
             computed {} from the given PriorityClass name",
            class.priority
        )));
    }
    match value::str_at(pod, &["spec", "preemptionPolicy"]) {
        Some(wanted) if wanted != class.preemption => {
            return Err(refuse(format!(
                "the string value of PreemptionPolicy ({wanted}) must not be provided in pod spec; priority admission \
                 controller computed {} from the given PriorityClass name",
                class.preemption
            )));
        }
        _ => value::set(pod, &["spec", "preemptionPolicy"], class.preemption),
    }
    value::set(pod, &["spec", "priority"], class.priority);
    if !class.name.is_empty() {
        value::set(pod, &["spec", "priorityClassName"], class.name);
    }
    Ok(())
}

/// Updates may leave the numbers out; they stay what they were.
pub(super) fn keep(new: &mut Value, old: &Value) {
    for field in ["priority", "preemptionPolicy"] {
        if let Some(kept) = value::get(old, &["spec", field]).cloned() {
            value::set_default(new, &["spec", field], kept);
        }
    }
}

pub(super) async fn check_class(registry: &Registry, kind: &Kind, class: &Value) -> Result<(), Status> {
    if value::bool_at(class, &["globalDefault"]) != Some(true) {
        return Ok(());
    }
    let Some(classes) = registry.kinds().stored("scheduling.k8s.io", "priorityclasses") else { return Ok(()) };
    match default_class(classes).await? {
        Some(other) if other.name != meta::name(class) => Err(Status::forbidden(
            kind.resource(),
            meta::name(class),
            format_args!("PriorityClass {} is already marked as default. Only one default can exist", other.name),
        )),
        _ => Ok(()),
    }
}

/// The class of pods that name none: of several defaults, the lowest.
async fn default_class(classes: &Kind) -> Result<Option<Class>, Status> {
    let fail = |error| classes.status(&error, "");
    let options = ListOptions { revision: api_storage::ListRevision::Any, ..ListOptions::default() };
    let mut found: Option<Class> = None;
    for stored in classes.store()?.list(options).await.map_err(fail)?.items {
        // Every pod without a class comes by here: only what could be a default is parsed.
        if memchr::memmem::find(&stored.stored_json(), GLOBAL_DEFAULT).is_none() {
            continue;
        }
        let object = stored.decode().map_err(fail)?;
        if value::bool_at(&object, &["globalDefault"]) == Some(true) {
            let class = read(&object);
            if found.as_ref().is_none_or(|found| class.priority < found.priority) {
                found = Some(class);
            }
        }
    }
    Ok(found)
}

fn read(object: &Value) -> Class {
    Class {
        name: meta::name(object).to_owned(),
        priority: value::i64_at(object, &["value"]).unwrap_or(0),
        preemption: value::str_at(object, &["preemptionPolicy"]).unwrap_or(PREEMPT_LOWER).to_owned(),
    }
}
