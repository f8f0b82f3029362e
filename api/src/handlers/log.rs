//! `pods/log`: asks the agent of the pod's node and passes its answer on as it comes.

use super::Call;
use super::kubelets::{Answer, AskError};
use crate::http::{Body, respond};
use ::http::header::{CONTENT_TYPE, HeaderValue};
use ::http::{Response, StatusCode};
use api_machinery::field::{Error, ErrorList, Path};
use api_machinery::gvk::GroupKind;
use api_machinery::meta;
use api_machinery::status::Status;
use api_machinery::time::{Layout, parse_error};
use api_machinery::value;
use api_storage::ReadRevision;
use http_body_util::BodyExt;
use serde_json::Value;
use std::fmt::Write;

const KIND: GroupKind<'static> = GroupKind { group: "", kind: "PodLogOptions" };
/// Of an agent's refusal this much is read and shown; upstream's limit.
const REFUSAL_BYTES_MAX: usize = 50_000;

impl Call<'_> {
    pub(super) async fn log(&self) -> Result<Response<Body>, Status> {
        let name = self.name();
        let query = self.agent_query()?;
        let fail = |error: api_storage::StorageError| self.kind.status(&error, name);
        let stored = self.kind.store()?.get(self.scope(), name, ReadRevision::Consistent).await.map_err(fail)?;
        let pod = stored.decode().map_err(fail)?;
        let container = choose_container(&pod, &self.query().text("container"))?;
        let node_name = value::str_or_empty(&pod, &["spec", "nodeName"]);
        if node_name.is_empty() {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::NO_CONTENT;
            return Ok(response);
        }
        let nodes = self.registry().kinds().stored("", "nodes");
        let nodes = nodes.ok_or_else(|| Status::internal_error("nodes are not served"))?;
        let node = nodes.store()?.get(None, node_name, ReadRevision::Any).await;
        let node = node.and_then(|node| node.decode()).map_err(|error| nodes.status(&error, node_name))?;
        let path = format!("/containerLogs/{}/{name}/{container}{query}", self.namespace());
        let Some(kubelets) = &self.handlers.kubelets else {
            return Err(Status::service_unavailable("this server has no client for the nodes' agents"));
        };
        let answer = kubelets.get(&node, &path).await;
        // Upstream hands these on as they are, without a reason.
        let answer = answer.map_err(|error| {
            let text = match error {
                AskError::NoAddress => error.to_string(),
                error => format!("Get \"{path}\": {error}"),
            };
            Status::failure(500, "", text)
        })?;
        if !(200..=206).contains(&answer.status().as_u16()) {
            return Err(self.refusal(answer).await);
        }
        let mut response = respond::with_body(StatusCode::OK, Body::boxed(answer.into_body()));
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
        Ok(response)
    }

    /// What an agent's refusal becomes. A redirect is a refusal too.
    async fn refusal(&self, answer: Response<Answer>) -> Status {
        let code = answer.status().as_u16();
        let limited = http_body_util::Limited::new(answer.into_body(), REFUSAL_BYTES_MAX);
        let bytes = limited.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        match code {
            500 => Status::internal_error(text),
            400 => Status::bad_request(text),
            _ => Status::generic_server_response(code, "", self.kind.resource(), self.name(), &text, false),
        }
    }

    /// The options in the form that the agent takes, checked.
    fn agent_query(&self) -> Result<String, Status> {
        let query = self.query();
        let mut errors = ErrorList::new();
        let mut out = String::new();
        let mut add = |name: &str, value: &str| {
            let separator = if out.is_empty() { '?' } else { '&' };
            let _ = write!(out, "{separator}{name}={value}");
        };
        for flag in ["follow", "previous", "timestamps"] {
            if query.flag(flag) == Some(true) {
                add(flag, "true");
            }
        }
        let numbers = [
            ("sinceSeconds", 1, "must be greater than 0"),
            ("tailLines", 0, "must be greater than or equal to 0"),
            ("limitBytes", 1, "must be greater than 0"),
        ];
        for (name, least, complaint) in numbers {
            if let Some(number) = query.number(name)? {
                if number < least {
                    errors.push(Error::invalid(&Path::root(name), number, complaint));
                }
                add(name, &number.to_string());
            }
        }
        let since = query.text("sinceTime");
        if !since.is_empty() {
            if query.get("sinceSeconds").is_some() {
                let why = "at most one of `sinceTime` or `sinceSeconds` may be specified";
                errors.push(Error::forbidden(&Path::root(""), why));
            }
            match api_machinery::time::parse(&since) {
                Some(time) => add("sinceTime", &api_machinery::time::format_seconds(time)),
                None => return Err(Status::bad_request(parse_error(&since, Layout::Seconds))),
            }
        }
        // Upstream's gate for one of the two streams is closed by default.
        if query.get("stream").is_some() {
            errors.push(Error::forbidden(&Path::root("stream"), "may not be specified"));
        }
        if errors.is_empty() { Ok(out) } else { Err(Status::invalid(KIND, self.name(), &errors)) }
    }
}

/// The container whose log is meant, with upstream's texts.
fn choose_container(pod: &Value, wanted: &str) -> Result<String, Status> {
    let names = |list| -> Vec<&str> {
        value::items_at(pod, &["spec", list]).iter().filter_map(|container| container["name"].as_str()).collect()
    };
    let (containers, init) = (names("containers"), names("initContainers"));
    let ephemeral = names("ephemeralContainers");
    if !wanted.is_empty() {
        if containers.iter().chain(&init).chain(&ephemeral).any(|name| *name == wanted) {
            return Ok(wanted.to_owned());
        }
        let why = format!("container {wanted} is not valid for pod {}", meta::name(pod));
        return Err(Status::bad_request(why));
    }
    match &*containers {
        [only] => Ok((*only).to_owned()),
        [] => Err(Status::bad_request(format!("a container name must be specified for pod {}", meta::name(pod)))),
        _ => {
            let all: Vec<&str> = init.into_iter().chain(containers).chain(ephemeral).collect();
            Err(Status::bad_request(format!(
                "a container name must be specified for pod {}, choose one of: [{}]",
                meta::name(pod),
                all.join(" ")
            )))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_container_is_chosen_or_asked_for_with_upstreams_texts() {
        let one = json!({"metadata": {"name": "p"}, "spec": {"containers": [{"name": "a"}]}});
        assert_eq!(choose_container(&one, "").expect("the only one"), "a");
        let wrong = choose_container(&one, "x").expect_err("unknown");
        assert_eq!((wrong.code, &*wrong.message), (400, "container x is not valid for pod p"));
        let two = json!({"metadata": {"name": "p"}, "spec": {"containers": [{"name": "a"}, {"name": "b"}],
            "initContainers": [{"name": "i"}]}});
        assert_eq!(
            choose_container(&two, "").expect_err("ambiguous").message,
            "a container name must be specified for pod p, choose one of: [i a b]"
        );
        assert_eq!(choose_container(&two, "i").expect("named"), "i");
        let prepared = json!({"metadata": {"name": "p"}, "spec": {"containers": [{"name": "a"}],
            "initContainers": [{"name": "i"}]}});
        assert_eq!(choose_container(&prepared, "").expect("init containers leave no doubt"), "a");
    }
}
