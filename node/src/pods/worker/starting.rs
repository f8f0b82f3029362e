//! The start of a container: its image, what it is made from, its making, its hook.

use super::{Failure, Worker};
use crate::materials::ConfigError;
use crate::pods::config;
use crate::pods::observed::Observed;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use std::sync::Arc;

const CONFIG_ERROR: &str = "CreateContainerConfigError";

impl Worker {
    /// Says false when the container has to wait, with the reason in `context.waiting`.
    pub(super) async fn start(
        &mut self,
        pod: &Pod,
        observed: &Observed,
        name: &str,
        attempt: u32,
        after: Option<Timestamp>,
    ) -> Result<bool, Failure> {
        let spec = pod.spec.clone().unwrap_or_default();
        let containers = spec.containers.iter().chain(spec.init_containers.iter().flatten());
        let Some(container) = containers.into_iter().find(|container| container.name == name) else { return Ok(false) };
        let Some(sandbox) = observed.sandbox() else { return Ok(false) };
        if !self.ensure_image(pod, container).await? {
            return Ok(false);
        }
        let runtime = Arc::clone(&self.shared.runtime);
        let sandbox_config = self.sandbox_config(pod, sandbox.attempt).await?;
        let container_config = match self.shared.materials.clone() {
            None => config::container(pod, container, attempt),
            Some(materials) => {
                let image = container.image.as_deref().unwrap_or_default();
                let image = runtime.image_status(image).await?.unwrap_or_default();
                match materials.container(pod, container, sandbox, &image, attempt).await {
                    Ok(config) => config,
                    Err(ConfigError::Api(error)) => return Err(error.into()),
                    Err(error) => return Ok(self.cannot_start(pod, name, CONFIG_ERROR, &error.to_string())),
                }
            }
        };
        if let Some(ended) = after {
            self.backoff.restarted(name, ended, Timestamp::now());
        }
        let created = runtime.create_container(&sandbox.id, &container_config, &sandbox_config).await;
        let id = match created {
            Ok(id) => id,
            Err(error) => return Ok(self.cannot_start(pod, name, "CreateContainerError", error.description())),
        };
        self.shared.recorder.pod(pod, Some(name), false, "Created", "Container created".to_owned());
        if let Err(error) = runtime.start_container(&id).await {
            // The runtime keeps it as one that has ended: it says what went wrong, and counts as a start.
            return Ok(self.cannot_start(pod, name, "RunContainerError", error.description()));
        }
        self.shared.recorder.pod(pod, Some(name), false, "Started", "Container started".to_owned());
        self.context.waiting.remove(name);
        let Some(words) = self.post_start(pod, observed, container, &id).await? else { return Ok(true) };
        self.context.waiting.insert(name.to_owned(), ("PostStartHookError".to_owned(), words));
        Ok(false)
    }

    fn cannot_start(&mut self, pod: &Pod, name: &str, reason: &str, words: &str) -> bool {
        self.shared.recorder.pod(pod, Some(name), true, "Failed", format!("Error: {words}"));
        self.context.waiting.insert(name.to_owned(), (reason.to_owned(), words.to_owned()));
        false
    }
}
