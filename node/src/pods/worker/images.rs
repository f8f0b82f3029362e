//! The image of a container before it is made: it is there, it is fetched, or the container waits.

use super::{Failure, Worker};
use crate::pods::image_name;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Container, Pod};
use std::collections::HashMap;
use std::time::Duration;

/// After the first failed pull (upstream: 10 s).
const BACKOFF_FIRST_SECONDS: i64 = 10;
/// Longest time between two pulls (upstream: 300 s).
const BACKOFF_MAX_SECONDS: i64 = 300;

const INSPECT_FAILED: &str = "InspectFailed";

/// Failed pulls of one pod, by image.
#[derive(Debug, Default)]
pub(super) struct Pulls {
    failed: HashMap<String, Failed>,
}

#[derive(Debug)]
struct Failed {
    at: Timestamp,
    wait_seconds: i64,
    error: String,
}

impl Pulls {
    /// Why the last pull failed, while it is too early for another one.
    fn backing_off(&self, image: &str, now: Timestamp) -> Option<&str> {
        let failed = self.failed.get(image)?;
        (now.as_second() < failed.at.as_second() + failed.wait_seconds).then_some(failed.error.as_str())
    }

    fn failed(&mut self, image: &str, error: String, now: Timestamp) {
        let before = self.failed.get(image).map(|failed| failed.wait_seconds);
        let wait_seconds = before.map_or(BACKOFF_FIRST_SECONDS, |wait| (wait * 2).min(BACKOFF_MAX_SECONDS));
        self.failed.insert(image.to_owned(), Failed { at: now, wait_seconds, error });
    }
}

impl Worker {
    /// Says false when the container has to wait, with the reason in `context.waiting`.
    pub(super) async fn ensure_image(&mut self, pod: &Pod, container: &Container) -> Result<bool, Failure> {
        let image = container.image.as_deref().unwrap_or_default();
        let policy = container.image_pull_policy.as_deref().unwrap_or("IfNotPresent");
        let name = container.name.as_str();
        let recorder = self.shared.recorder.clone();
        // Images of simulated nodes say what their containers do: they need not be names.
        if self.shared.materials.is_some()
            && let Err(why) = image_name::check(image)
        {
            let message =
                format!("Failed to apply default image tag {image:?}: couldn't parse image name {image:?}: {why}");
            recorder.pod(pod, Some(name), true, INSPECT_FAILED, message.clone());
            return Ok(self.waits_for_image(pod, name, "InvalidImageName", message));
        }
        let present = match self.shared.runtime.image_status(image).await {
            Ok(found) => found.is_some(),
            Err(error) => {
                let message = format!("Failed to inspect image {image:?}: {error}");
                recorder.pod(pod, Some(name), true, INSPECT_FAILED, message.clone());
                return Ok(self.waits_for_image(pod, name, "ImageInspectError", message));
            }
        };
        match (policy, present) {
            ("Never", false) => {
                let message = format!("Container image {image:?} is not present with pull policy of Never");
                recorder.pod(pod, Some(name), true, "ErrImageNeverPull", message.clone());
                return Ok(self.waits_for_image(pod, name, "ErrImageNeverPull", message));
            }
            ("Never" | "IfNotPresent", true) => {
                let message =
                    format!("Container image {image:?} already present on machine and can be accessed by the pod");
                recorder.pod(pod, Some(name), false, "Pulled", message);
                return Ok(true);
            }
            _ => {}
        }
        if let Some(error) = self.pulls.backing_off(image, Timestamp::now()) {
            let message = format!("Back-off pulling image {image:?}");
            let why = format!("{message}: ErrImagePull: {error}");
            // A look that something else caused is no further wait.
            if self.context.waiting.get(name).is_some_and(|(reason, _)| reason == "ImagePullBackOff") {
                return Ok(false);
            }
            recorder.pod(pod, Some(name), false, "BackOff", message);
            return Ok(self.waits_for_image(pod, name, "ImagePullBackOff", why));
        }
        recorder.pod(pod, Some(name), false, "Pulling", format!("Pulling image {image:?}"));
        let began = tokio::time::Instant::now();
        match self.pull(pod, image).await? {
            Ok(()) => {
                self.pulls.failed.remove(image);
                let size = self.shared.runtime.image_status(image).await?.map_or(0, |image| image.size_bytes);
                let took = go_duration(began.elapsed());
                let message = format!(
                    "Successfully pulled image {image:?} in {took} ({took} including waiting). Image size: {size} bytes."
                );
                recorder.pod(pod, Some(name), false, "Pulled", message);
                Ok(true)
            }
            Err(error) => {
                recorder.pod(pod, Some(name), true, "Failed", format!("Failed to pull image {image:?}: {error}"));
                self.pulls.failed(image, error.clone(), Timestamp::now());
                Ok(self.waits_for_image(pod, name, "ErrImagePull", error))
            }
        }
    }

    /// Pulls with each of the pod's credentials that fit, or as nobody.
    async fn pull(&self, pod: &Pod, image: &str) -> Result<Result<(), String>, Failure> {
        let (credentials, missing) = match &self.shared.materials {
            Some(materials) => materials.credentials(pod, image).await?,
            None => Default::default(),
        };
        if !missing.is_empty() {
            let message = format!(
                "Unable to retrieve some image pull secrets ({}); attempting to pull the image may not succeed.",
                missing.join(", ")
            );
            self.shared.recorder.pod(pod, None, true, "FailedToRetrieveImagePullSecret", message);
        }
        let tries = credentials.iter().map(Some).chain(credentials.is_empty().then_some(None));
        let mut errors = Vec::new();
        for one in tries {
            match self.shared.runtime.pull_image(image, one).await {
                Ok(_) => return Ok(Ok(())),
                Err(error) => errors.push(pull_words(&error.message).to_owned()),
            }
        }
        errors.dedup();
        let text = errors.join(", ");
        // As upstream's lists of errors.
        Ok(Err(if errors.len() > 1 { format!("[{text}]") } else { text }))
    }

    fn waits_for_image(&mut self, pod: &Pod, name: &str, reason: &str, message: String) -> bool {
        self.shared.recorder.pod(pod, Some(name), true, "Failed", format!("Error: {reason}"));
        self.context.waiting.insert(name.to_owned(), (reason.to_owned(), message));
        false
    }
}

/// A code that says nothing is left out, as upstream does for pulls.
fn pull_words(message: &str) -> &str {
    message.strip_prefix("rpc error: code = Unknown desc = ").unwrap_or(message)
}

/// As Go prints durations, cut to milliseconds: `85ms`, `1.204s`, `1m3.5s`.
fn go_duration(duration: Duration) -> String {
    let millis = duration.as_millis();
    if millis < 1_000 {
        return if millis == 0 { "0s".to_owned() } else { format!("{millis}ms") };
    }
    let (minutes, rest) = (millis / 60_000, millis % 60_000);
    let mut fraction = format!("{}.{:03}", rest / 1_000, rest % 1_000);
    fraction.truncate(fraction.trim_end_matches('0').trim_end_matches('.').len());
    if minutes > 0 { format!("{minutes}m{fraction}s") } else { format!("{fraction}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pulls_that_fail_are_tried_ever_more_rarely() {
        let mut pulls = Pulls::default();
        let at = |second| Timestamp::from_second(second).unwrap();
        assert_eq!(pulls.backing_off("x", at(0)), None);
        for wait in [10, 20, 40, 80, 160, 300, 300] {
            pulls.failed("x", "gone".into(), at(0));
            assert_eq!(pulls.backing_off("x", at(wait - 1)), Some("gone"));
            assert_eq!(pulls.backing_off("x", at(wait)), None);
        }
    }

    #[test]
    fn a_pull_that_failed_is_told_without_a_code_that_says_nothing() {
        assert_eq!(pull_words("rpc error: code = Unknown desc = no: host"), "no: host");
        let known = "rpc error: code = NotFound desc = no such image";
        assert_eq!(pull_words(known), known);
    }

    #[test]
    fn durations_look_like_gos() {
        for (millis, text) in [(0, "0s"), (85, "85ms"), (1_000, "1s"), (1_204, "1.204s"), (63_500, "1m3.5s")] {
            assert_eq!(go_duration(Duration::from_millis(millis)), text);
        }
    }
}
