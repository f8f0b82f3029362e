//! What plugins answer after the decision: permission, and the steps of binding, which may wait for others.

use super::Rejection;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

/// A step that may wait. It runs off the scheduling path.
pub type Step<'a> = Pin<Box<dyn Future<Output = Result<(), Failure>> + Send + 'a>>;

/// Says, when it is known, whether a pod that waits may be bound.
pub type Verdict = Pin<Box<dyn Future<Output = Result<(), Rejection>> + Send>>;

/// What `Permit` says.
pub enum Permit {
    /// Bind.
    Allow,
    /// Bind when the verdict allows it. Without a verdict in time the pod is refused.
    Wait {
        /// Resolves to the decision.
        verdict: Verdict,
        /// How long the pod waits.
        at_most: Duration,
    },
}

/// Why a pod was not bound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// In the server's own words where it has some.
    pub message: String,
    /// The pod does not exist any more: there is nothing to try again.
    pub pod_is_gone: bool,
}

impl Failure {
    /// A failure of a pod that is still there.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), pod_is_gone: false }
    }
}
