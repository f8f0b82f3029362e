//! What users may do: RBAC, evaluated in memory.
//!
//! [`Authorizer`] holds a compiled view of all roles and bindings, kept up to date by watches ([`feed`]). A decision
//! looks up the user and each group, never all bindings. `system:masters` may do everything, so that a broken policy
//! can be repaired.
//!
//! Not here: the RBAC kinds themselves (`resources::rbac`), which ask [`escalation`] before they are written.

pub mod attributes;
pub mod escalation;
pub mod feed;
pub mod policy;
pub mod review;
pub mod rule;

use crate::auth::user::{MASTERS, UserInfo};
use parking_lot::RwLock;

pub use attributes::Attributes;
pub use policy::Policy;
pub use rule::Rule;

/// A decision and, where there is one, its reason.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decision {
    /// Whether it may happen.
    pub allowed: bool,
    /// Which binding allows it, or what kept the rules from being complete. Often empty.
    pub reason: String,
}

/// Decides by the current policy. Cheap to ask: no lock is held for longer than one decision.
#[derive(Debug, Default)]
pub struct Authorizer {
    policy: RwLock<Policy>,
}

impl Authorizer {
    /// An authorizer of this policy.
    pub fn new(policy: Policy) -> Self {
        Self { policy: RwLock::new(policy) }
    }

    /// Whether it may happen.
    pub fn allows(&self, attributes: &Attributes<'_>) -> bool {
        attributes.user.in_group(MASTERS) || self.policy.read().grant(attributes).is_some()
    }

    /// Whether it may happen, and why.
    pub fn authorize(&self, attributes: &Attributes<'_>) -> Decision {
        if attributes.user.in_group(MASTERS) {
            return Decision { allowed: true, reason: String::new() };
        }
        let policy = self.policy.read();
        match policy.grant(attributes) {
            Some(grant) => Decision { allowed: true, reason: format!("RBAC: allowed by {grant}") },
            None => Decision { allowed: false, reason: policy.gaps(attributes.user, attributes.namespace) },
        }
    }

    /// Every rule that applies to the user in the namespace and at the cluster scope, and what could not be resolved.
    pub fn rules_for(&self, user: &UserInfo, namespace: &str) -> (Vec<Rule>, Vec<String>) {
        self.policy.read().rules_for(user, namespace)
    }

    /// Changes the policy.
    pub fn update(&self, change: impl FnOnce(&mut Policy)) {
        change(&mut self.policy.write());
    }

    /// Looks at the policy.
    pub fn read<R>(&self, look: impl FnOnce(&Policy) -> R) -> R {
        look(&self.policy.read())
    }
}

#[cfg(test)]
mod tests;
