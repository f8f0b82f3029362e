//! What a pod asks to be done after a container's start and before its stop.

use crate::pods::status::full_name;
use crate::probes::ask::{self, Answer, Target};
use k8s_openapi::api::core::v1::{Container, LifecycleHandler, Pod};
use std::time::Duration;

/// A hook after the start has no time limit of its own; a runtime that never answers must not hold the pod for ever.
pub const POST_START_MAX: Duration = Duration::from_secs(600);

/// The words of a hook that failed, as upstream's.
pub fn failure(pod: &Pod, container: &Container, hook: &LifecycleHandler, error: &str) -> String {
    let what = match (&hook.exec, &hook.http_get, &hook.sleep) {
        (Some(exec), _, _) => {
            format!("Exec lifecycle hook ([{}])", exec.command.as_deref().unwrap_or_default().join(" "))
        }
        (None, Some(get), _) => format!("HTTP lifecycle hook ({})", get.path.as_deref().unwrap_or_default()),
        (None, None, Some(sleep)) => format!("Sleep lifecycle hook ({})", sleep.seconds),
        (None, None, None) => return format!("Cannot run handler: {error}"),
    };
    format!("{what} for Container {:?} in Pod {:?} failed - error: {error}", container.name, full_name(pod))
}

/// Runs a hook, at most for `limit`.
///
/// # Errors
/// It failed, or took too long.
pub async fn run(
    target: &Target,
    container: &Container,
    hook: &LifecycleHandler,
    limit: Duration,
) -> Result<(), String> {
    let work = async {
        if let Some(sleep) = &hook.sleep {
            tokio::time::sleep(Duration::from_secs(u64::try_from(sleep.seconds).unwrap_or(0))).await;
            return Ok(());
        }
        if let Some(exec) = &hook.exec {
            return match ask::command(target, exec.command.as_deref().unwrap_or_default(), limit).await {
                Answer::Good => Ok(()),
                Answer::Bad(error) | Answer::Unknown(error) => Err(error),
            };
        }
        match &hook.http_get {
            Some(get) => ask::request(target, container, get, limit).await,
            None => Err("invalid handler".to_owned()),
        }
    };
    match tokio::time::timeout(limit, work).await {
        Ok(outcome) => outcome,
        Err(_) => Err("the hook took longer than the grace period".to_owned()),
    }
}
