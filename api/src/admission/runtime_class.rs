//! RuntimeClass: a pod may only name a class that exists. There is no such kind here, so none does.

use crate::registry::Kind;
use api_machinery::gotext::quote;
use api_machinery::status::Status;
use api_machinery::value;
use serde_json::Value;

pub(super) fn create(kind: &Kind, pod: &Value) -> Result<(), Status> {
    let refuse =
        |why: &str| Err(Status::forbidden(kind.resource(), super::name_of(pod), format!("pod rejected: {why}")));
    let class = value::str_or_empty(pod, &["spec", "runtimeClassName"]);
    if !class.is_empty() {
        return refuse(&format!("RuntimeClass {} not found", quote(class)));
    }
    // What a class costs is the class's to say.
    match value::get(pod, &["spec", "overhead"]) {
        Some(Value::Object(overhead)) if !overhead.is_empty() => {
            refuse("Pod Overhead set without corresponding RuntimeClass defined Overhead")
        }
        _ => Ok(()),
    }
}
