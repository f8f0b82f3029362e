//! DefaultBinder: binds through the API server.

use crate::bind;
use crate::framework::{Failure, Plugin, Step};
use crate::pod_info::PodInfo;
use kube::Client;

/// The plugin.
pub struct DefaultBinder {
    /// Acts as the scheduler.
    pub client: Client,
}

impl Plugin for DefaultBinder {
    fn name(&self) -> &'static str {
        "DefaultBinder"
    }

    fn bind<'a>(&'a self, pod: &'a PodInfo, node: &'a str) -> Option<Step<'a>> {
        Some(Box::pin(async move {
            bind::bind(&self.client, pod, node).await.map_err(|error| match error {
                kube::Error::Api(status) => Failure { pod_is_gone: status.code == 404, message: status.message },
                error => Failure::new(error.to_string()),
            })
        }))
    }
}
