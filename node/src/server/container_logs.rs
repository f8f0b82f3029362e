//! `GET /containerLogs/NAMESPACE/POD/CONTAINER`: what `kubectl logs` shows.

use super::Backend;
use crate::logs::{self, Wish};
use crate::materials::fields::find;
use crate::pods::observed::uid;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::TryStreamExt;
use jiff::{Timestamp, ToSpan};
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use node_cri::{ContainerState, ContainerStatus};
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

/// Lines that are sent together when they are there already.
const LINES_AT_ONCE_MAX: usize = 256;

/// Answers a request.
pub async fn answer(
    State(backend): State<Arc<Backend>>,
    Path((namespace, name, container)): Path<(String, String, String)>,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    match open(&backend, &namespace, &name, &container, &query).await {
        Ok(body) => ([(header::CONTENT_TYPE, "text/plain")], body).into_response(),
        Err((code, message)) => (code, message).into_response(),
    }
}

async fn open(
    backend: &Arc<Backend>,
    namespace: &str,
    name: &str,
    container: &str,
    query: &HashMap<String, String>,
) -> Result<Body, (StatusCode, String)> {
    let bad = |message: String| (StatusCode::BAD_REQUEST, message);
    let wish = wish(query, Timestamp::now())
        .ok_or_else(|| (StatusCode::UNPROCESSABLE_ENTITY, "{\"message\": \"Invalid request.\"}".to_owned()))?;
    let pod = Api::<Pod>::namespaced(backend.client.clone(), namespace).get_opt(name).await;
    let pod = pod.map_err(|error| (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?;
    let is_here =
        |pod: &Pod| pod.spec.as_ref().and_then(|spec| spec.node_name.as_deref()) == Some(backend.node_name.as_str());
    let pod = pod.filter(is_here).ok_or_else(|| (StatusCode::NOT_FOUND, format!("pod {name:?} not found\n")))?;
    if find(&pod, container).is_none() {
        return Err((StatusCode::NOT_FOUND, format!("container {container:?} not found in pod {name:?}\n")));
    }
    let all = backend.runtime.list_containers(Some(uid(&pod))).await.map_err(|error| bad(error.to_string()))?;
    let previous = query.get("previous").is_some_and(|value| value == "true");
    let chosen = match choose(&pod, name, container, all, previous).map_err(bad)? {
        Ok(chosen) => chosen,
        Err(id) => return Ok(Body::from(format!("unable to retrieve container logs for {id}"))),
    };
    let status = backend.runtime.container_status(&chosen.id).await.map_err(|error| bad(error.to_string()))?;
    let (runtime, id) = (Arc::clone(&backend.runtime), chosen.id.clone());
    let is_running = move || {
        let (runtime, id) = (Arc::clone(&runtime), id.clone());
        async move { runtime.container_status(&id).await.is_ok_and(|status| status.state == ContainerState::Running) }
    };
    let failed = |error: &dyn std::fmt::Display| {
        let id = format!("{}://{}", backend.runtime_name, chosen.id);
        bad(format!("unable to retrieve container logs for {id}: {error}"))
    };
    if status.log_path.is_empty() {
        // The runtime itself tells the log.
        let (runtime, id) = (Arc::clone(&backend.runtime), chosen.id.clone());
        let read = move || {
            let (runtime, id) = (Arc::clone(&runtime), id.clone());
            async move { runtime.log(&id).await }
        };
        let first = read().await.map_err(|error| failed(&error))?;
        return Ok(Body::from_stream(logs::told(first, wish, read, is_running)));
    }
    let lines = logs::stream(PathBuf::from(status.log_path), wish, is_running).await;
    let lines = lines.map_err(|error| failed(&error))?;
    // A chunk of the answer a line would cost more than the lines.
    let chunks = lines.try_ready_chunks(LINES_AT_ONCE_MAX).map_ok(|lines| Bytes::from(lines.concat()));
    Ok(Body::from_stream(chunks.map_err(|error| error.1)))
}

/// The container whose log is shown: the newest that was started, or with `previous` the one that the pod's status tells as
/// its last state, as the id that is told if the runtime has it no more (upstream: `validateContainerLogStatus`).
fn choose(
    pod: &Pod,
    pod_name: &str,
    container: &str,
    all: Vec<ContainerStatus>,
    previous: bool,
) -> Result<Result<ContainerStatus, String>, String> {
    let about = format!("container {container:?} in pod {pod_name:?}");
    let told = pod.status.as_ref().and_then(|status| {
        let lists = [&status.container_statuses, &status.init_container_statuses];
        lists.into_iter().flatten().flatten().find(|one| one.name == container)
    });
    if previous {
        let told = told.ok_or_else(|| format!("{about} is not available"))?;
        let last = told.last_state.as_ref().and_then(|state| state.terminated.as_ref()?.container_id.clone());
        let id = last.ok_or_else(|| format!("previous terminated {about} not found"))?;
        let is_it = |one: &ContainerStatus| id.ends_with(&format!("://{}", one.id));
        return Ok(all.into_iter().find(is_it).ok_or(id));
    }
    let mut own: Vec<ContainerStatus> = all.into_iter().filter(|one| one.name == container).collect();
    own.sort_by_key(|one| std::cmp::Reverse((one.attempt, one.created_at)));
    if let Some(newest) = own.into_iter().find(|one| one.state != ContainerState::Created) {
        return Ok(Ok(newest));
    }
    let state = told.ok_or_else(|| format!("{about} is not available"))?.state.as_ref();
    if state.is_some_and(|state| state.terminated.is_some()) {
        return Err(format!("{about} is terminated"));
    }
    Err(match state.and_then(|state| state.waiting.as_ref()).map(|waiting| waiting.reason.as_deref()) {
        Some(Some("ErrImagePull")) => format!("{about} is waiting to start: image can't be pulled"),
        Some(Some("ImagePullBackOff")) => format!("{about} is waiting to start: trying and failing to pull image"),
        Some(reason) => format!("{about} is waiting to start: {}", reason.unwrap_or_default()),
        None => format!("{about} is waiting to start - no logs yet"),
    })
}

/// `None` when the options make no sense.
fn wish(query: &HashMap<String, String>, now: Timestamp) -> Option<Wish> {
    let flag = |name: &str| query.get(name).is_some_and(|value| matches!(value.as_str(), "true" | "1" | ""));
    let number =
        |name: &str| query.get(name).map(|text| text.parse::<u64>().ok()).map_or(Some(None), |one| one.map(Some));
    let seconds = number("sinceSeconds")?;
    let time = match query.get("sinceTime") {
        Some(text) => Some(text.parse::<Timestamp>().ok()?),
        None => None,
    };
    let since = match (seconds, time) {
        (Some(_), Some(_)) | (Some(0), None) => return None,
        (Some(seconds), None) => Some(now.checked_sub(i64::try_from(seconds).ok()?.seconds()).ok()?),
        (None, time) => time,
    };
    let limit_bytes = number("limitBytes")?;
    if limit_bytes == Some(0) {
        return None;
    }
    Some(Wish {
        follow: flag("follow"),
        tail_lines: number("tailLines")?,
        since,
        limit_bytes,
        timestamps: flag("timestamps"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn options_are_read_and_nonsense_is_refused() {
        let now: Timestamp = "2026-01-01T00:01:00Z".parse().unwrap();
        let read = |pairs: &[(&str, &str)]| {
            wish(&pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(), now)
        };
        let got = read(&[("follow", "true"), ("tailLines", "3"), ("sinceSeconds", "60")]).unwrap();
        assert_eq!((got.follow, got.tail_lines), (true, Some(3)));
        assert_eq!(got.since.unwrap().to_string(), "2026-01-01T00:00:00Z");
        for (key, value) in [("tailLines", "-1"), ("sinceSeconds", "0"), ("limitBytes", "0"), ("sinceTime", "x")] {
            assert!(read(&[(key, value)]).is_none(), "{key}={value}");
        }
        assert!(read(&[("sinceSeconds", "1"), ("sinceTime", "2026-01-01T00:00:00Z")]).is_none());
    }

    #[test]
    fn a_container_without_a_log_is_told_by_its_state() {
        let pod = |status: Value| -> Pod { serde_json::from_value(json!({ "status": status })).unwrap() };
        let told = |mut of_c: Value| {
            of_c.as_object_mut().unwrap().extend(
                json!({"name": "c", "image": "x", "imageID": "", "ready": false, "restartCount": 0})
                    .as_object()
                    .unwrap()
                    .clone(),
            );
            pod(json!({ "containerStatuses": [of_c] }))
        };
        let waiting = |reason: &str| told(json!({"state": {"waiting": {"reason": reason}}}));
        let ended = |id: &str| json!({"terminated": {"exitCode": 1, "containerID": id}});
        let about = "container \"c\" in pod \"p\"";
        for (pod, previous, words) in [
            (pod(json!({})), false, format!("{about} is not available")),
            (pod(json!({})), true, format!("{about} is not available")),
            (waiting("ContainerCreating"), true, format!("previous terminated {about} not found")),
            (waiting("ContainerCreating"), false, format!("{about} is waiting to start: ContainerCreating")),
            (waiting("ErrImagePull"), false, format!("{about} is waiting to start: image can't be pulled")),
            (
                waiting("ImagePullBackOff"),
                false,
                format!("{about} is waiting to start: trying and failing to pull image"),
            ),
            (told(json!({"state": ended("")})), false, format!("{about} is terminated")),
            (told(json!({})), false, format!("{about} is waiting to start - no logs yet")),
        ] {
            assert_eq!(choose(&pod, "p", "c", Vec::new(), previous), Err(words));
        }
        let crashing = told(json!({"state": {"waiting": {"reason": "CrashLoopBackOff"}}, "lastState": ended("r://2")}));
        assert_eq!(choose(&crashing, "p", "c", Vec::new(), true), Ok(Err("r://2".to_owned())));
    }
}
