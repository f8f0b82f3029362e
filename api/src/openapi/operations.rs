//! One OpenAPI operation: parameters by verb, body, answers, and the extensions that kubectl reads.

use api_machinery::schema::openapi::reference;
use serde_json::{Map, Value, json};

/// Group, version and kind.
pub(super) type Gvk<'a> = (&'a str, &'a str, &'a str);

/// What an operation is about.
#[derive(Clone, Copy, Debug)]
pub(super) struct Operation<'a> {
    /// `listCoreV1NamespacedPod`
    pub id: &'a str,
    /// `x-kubernetes-action`
    pub action: &'a str,
    /// The tag: `core_v1`
    pub tag: &'a str,
    /// The kind that the path is about.
    pub gvk: Gvk<'a>,
    /// Schema of what is sent; none for reads.
    pub body: Option<&'a str>,
    /// Schema of what is answered; none for plain text.
    pub answer: Option<&'a str>,
    /// Query parameters: names from [`parameter`].
    pub parameters: &'a [&'a str],
}

/// Parameters of lists and watches.
pub(super) const LIST: &[&str] = &[
    "allowWatchBookmarks",
    "continue",
    "fieldSelector",
    "labelSelector",
    "limit",
    "resourceVersion",
    "resourceVersionMatch",
    "sendInitialEvents",
    "timeoutSeconds",
    "watch",
];
/// Parameters of POST and PUT.
pub(super) const WRITE: &[&str] = &["dryRun", "fieldManager", "fieldValidation"];
/// Parameters of PATCH.
pub(super) const PATCH: &[&str] = &["dryRun", "fieldManager", "fieldValidation", "force"];
/// Parameters of DELETE.
pub(super) const DELETE: &[&str] = &["dryRun", "gracePeriodSeconds", "orphanDependents", "propagationPolicy"];
/// Parameters of a container's log.
pub(super) const LOG: &[&str] = &[
    "container",
    "follow",
    "insecureSkipTLSVerifyBackend",
    "limitBytes",
    "previous",
    "sinceSeconds",
    "stream",
    "tailLines",
    "timestamps",
];

impl Operation<'_> {
    /// The operation object.
    pub(super) fn to_value(self) -> Value {
        let (group, version, kind) = self.gvk;
        let mut answers = Map::new();
        let content = match self.answer {
            Some(name) => {
                let mut types = Map::new();
                for media_type in ["application/json", "application/yaml"] {
                    types.insert(media_type.into(), json!({ "schema": reference(name) }));
                }
                if self.action == "list" {
                    types.insert("application/json;stream=watch".into(), json!({ "schema": reference(name) }));
                }
                Value::Object(types)
            }
            None => json!({"text/plain": {"schema": {"type": "string"}}}),
        };
        answers.insert("200".into(), json!({"description": "OK", "content": content}));
        if matches!(self.action, "post" | "put" | "patch") {
            answers.insert("201".into(), answers["200"].clone());
            answers["201"]["description"] = "Created".into();
        }
        answers.insert("401".into(), json!({"description": "Unauthorized"}));
        let mut value = json!({
            "tags": [self.tag],
            "operationId": self.id,
            "responses": answers,
            "x-kubernetes-action": self.action,
            "x-kubernetes-group-version-kind": {"group": group, "version": version, "kind": kind},
        });
        if !self.parameters.is_empty() {
            value["parameters"] = self.parameters.iter().map(|name| parameter(name)).collect();
        }
        if let Some(body) = self.body {
            let types: &[&str] = if self.action == "patch" {
                &[
                    "application/json-patch+json",
                    "application/merge-patch+json",
                    "application/strategic-merge-patch+json",
                ]
            } else {
                &["*/*"]
            };
            let content: Map<String, Value> =
                types.iter().map(|name| ((*name).to_owned(), json!({ "schema": reference(body) }))).collect();
            value["requestBody"] = json!({ "content": content });
            if !matches!(self.action, "delete" | "deletecollection") {
                value["requestBody"]["required"] = true.into();
            }
        }
        value
    }
}

/// A query parameter, with its type.
pub(super) fn parameter(name: &str) -> Value {
    let kind = match name {
        "limit" | "timeoutSeconds" | "gracePeriodSeconds" | "tailLines" | "sinceSeconds" | "limitBytes" => "integer",
        "watch"
        | "allowWatchBookmarks"
        | "sendInitialEvents"
        | "force"
        | "orphanDependents"
        | "follow"
        | "previous"
        | "timestamps"
        | "insecureSkipTLSVerifyBackend" => "boolean",
        _ => "string",
    };
    json!({"name": name, "in": "query", "schema": {"type": kind, "uniqueItems": true}})
}

/// A parameter in the path.
pub(super) fn path_parameter(name: &str) -> Value {
    json!({"name": name, "in": "path", "required": true, "schema": {"type": "string", "uniqueItems": true}})
}
