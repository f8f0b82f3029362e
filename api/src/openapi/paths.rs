//! The document of a group and version: a path item for each collection, object and subresource that is served.

use super::operations::{DELETE, LIST, LOG, Operation, PATCH, WRITE, parameter, path_parameter};
use crate::registry::strategy::KindInfo;
use api_machinery::schema::{Schema, openapi};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

const STATUS: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.Status";
const DELETE_OPTIONS: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions";
const PATCH_BODY: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.Patch";

/// The whole document; `root` is `api/v1` or `apis/GROUP/VERSION`.
pub(super) fn document(root: &str, kinds: &[&'static KindInfo]) -> Value {
    let mut builder = Builder { root, paths: Map::new(), schemas: BTreeSet::from([STATUS, DELETE_OPTIONS]) };
    for info in kinds {
        builder.kind(info);
    }
    let roots: Vec<&str> = builder.schemas.iter().copied().collect();
    let mut document = openapi::document("Kubernetes", "1.37", builder.paths, &roots);
    document["components"]["schemas"][PATCH_BODY] = json!({"description": "A patch to an object.", "type": "object"});
    document
}

struct Builder<'a> {
    root: &'a str,
    paths: Map<String, Value>,
    schemas: BTreeSet<&'static str>,
}

/// The schema of a kind, if the facts have it.
fn schema(group: &str, version: &str, kind: &str) -> Option<&'static str> {
    Schema::get().kind(group, version, kind).map(|definition| &*definition.name)
}

impl Builder<'_> {
    fn kind(&mut self, info: &'static KindInfo) {
        let Some(own) = schema(info.group, info.version, info.kind) else { return };
        let list = schema(info.group, info.version, &format!("{}List", info.kind));
        self.schemas.insert(own);
        self.schemas.extend(list);
        let namespaced = if info.namespaced { "/namespaces/{namespace}" } else { "" };
        let collection = format!("/{}{namespaced}/{}", self.root, info.resource);
        let gvk = (info.group, info.version, info.kind);
        let scope = if info.namespaced { "Namespaced" } else { "" };
        let tag = tag(info);
        let id = |verb: &str, suffix: &str| operation_id(verb, info, scope, suffix);

        let mut item = Map::new();
        for (verb, method, action, body, answer, parameters) in [
            ("list", "get", "list", None, list.unwrap_or(own), LIST),
            ("create", "post", "post", Some(own), own, WRITE),
            ("deletecollection", "delete", "deletecollection", Some(DELETE_OPTIONS), STATUS, DELETE),
        ] {
            if info.verbs.contains(&verb) {
                let id = id(if verb == "deletecollection" { "deleteCollection" } else { verb }, "");
                let operation = Operation { id: &id, action, tag: &tag, gvk, body, answer: Some(answer), parameters };
                item.insert(method.into(), operation.to_value());
            }
        }
        self.path(&collection, info, false, item);

        let mut item = Map::new();
        for (verb, method, action, body, answer, parameters) in [
            ("get", "get", "get", None, own, &[][..]),
            ("update", "put", "put", Some(own), own, WRITE),
            ("patch", "patch", "patch", Some(PATCH_BODY), own, PATCH),
            ("delete", "delete", "delete", Some(DELETE_OPTIONS), STATUS, DELETE),
        ] {
            if info.verbs.contains(&verb) {
                let id = id(if verb == "get" { "read" } else { if verb == "update" { "replace" } else { verb } }, "");
                let operation = Operation { id: &id, action, tag: &tag, gvk, body, answer: Some(answer), parameters };
                item.insert(method.into(), operation.to_value());
            }
        }
        let object = format!("{collection}/{{name}}");
        self.path(&object, info, true, item);

        if info.namespaced && info.verbs.contains(&"list") {
            let id = format!("list{}{}ForAllNamespaces", camel_tag(info), info.kind);
            let answer = Some(list.unwrap_or(own));
            let operation = Operation { id: &id, action: "list", tag: &tag, gvk, body: None, answer, parameters: LIST };
            let item = Map::from_iter([("get".to_owned(), operation.to_value())]);
            self.paths.insert(format!("/{}/{}", self.root, info.resource), with_common(item, &[]));
        }
        for subresource in info.subresources {
            let gvk = subresource.body.unwrap_or(gvk);
            let body = schema(gvk.0, gvk.1, gvk.2).unwrap_or(own);
            self.schemas.insert(body);
            let log = subresource.name == "log";
            let mut item = Map::new();
            for (verb, method, action, sent, parameters) in [
                ("get", "get", "get", None, if log { LOG } else { &[] }),
                ("create", "post", "post", Some(body), WRITE),
                ("update", "put", "put", Some(body), WRITE),
                ("patch", "patch", "patch", Some(PATCH_BODY), PATCH),
            ] {
                if subresource.verbs.contains(&verb) {
                    let word = match verb {
                        "get" => "read",
                        "update" => "replace",
                        other => other,
                    };
                    let id = id(word, &capitalized(subresource.name));
                    let answer = (!log).then_some(body);
                    let operation = Operation { id: &id, action, tag: &tag, gvk, body: sent, answer, parameters };
                    item.insert(method.into(), operation.to_value());
                }
            }
            self.path(&format!("{object}/{}", subresource.name), info, true, item);
        }
    }

    fn path(&mut self, path: &str, info: &KindInfo, named: bool, operations: Map<String, Value>) {
        if operations.is_empty() {
            return;
        }
        let names: &[&str] = match (named, info.namespaced) {
            (true, true) => &["name", "namespace"],
            (true, false) => &["name"],
            (false, true) => &["namespace"],
            (false, false) => &[],
        };
        self.paths.insert(path.to_owned(), with_common(operations, names));
    }
}

/// Adds the parameters of every operation of a path.
fn with_common(mut item: Map<String, Value>, names: &[&str]) -> Value {
    let mut common: Vec<Value> = names.iter().map(|name| path_parameter(name)).collect();
    common.push(parameter("pretty"));
    item.insert("parameters".into(), common.into());
    Value::Object(item)
}

/// `core_v1`, `rbacAuthorization_v1`.
fn tag(info: &KindInfo) -> String {
    format!("{}_{}", group_word(info.group), info.version)
}

/// `CoreV1`, `RbacAuthorizationV1`.
fn camel_tag(info: &KindInfo) -> String {
    format!("{}{}", capitalized(&group_word(info.group)), capitalized(info.version))
}

fn group_word(group: &str) -> String {
    if group.is_empty() {
        return "core".to_owned();
    }
    let mut words = group.trim_end_matches(".k8s.io").split('.');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |word, next| word + &capitalized(next))
}

fn operation_id(verb: &str, info: &KindInfo, scope: &str, suffix: &str) -> String {
    let scope = if verb == "deleteCollection" { format!("Collection{scope}") } else { scope.to_owned() };
    let verb = if verb == "deleteCollection" { "delete" } else { verb };
    format!("{verb}{}{scope}{}{suffix}", camel_tag(info), info.kind)
}

fn capitalized(word: &str) -> String {
    let mut chars = word.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

/// Kept beside the paths so that nobody adds a parameter that no handler reads.
#[cfg(test)]
pub(super) fn all_parameters() -> impl Iterator<Item = &'static str> {
    [LIST, WRITE, PATCH, DELETE, LOG].into_iter().flatten().copied().filter(|name| {
        assert!(parameter(name)["schema"]["type"].is_string());
        true
    })
}
