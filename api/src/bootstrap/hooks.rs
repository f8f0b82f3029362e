//! Work of the start that `/readyz` and `/livez` tell of, under the names that upstream's post-start hooks have.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// One piece of work that has to be done once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hook {
    /// The namespaces that every cluster has are there.
    SystemNamespaces,
    /// Who signs client certificates is published.
    ClientCa,
    /// This server has its Lease.
    Identity,
    /// Leases of servers that are gone have been looked for.
    IdentityCollector,
    /// It is written down since when tokens in Secrets are tracked.
    TokenTracking,
    /// What services have allocated has been compared with the services.
    ServiceRepair,
    /// The default roles and bindings are there.
    Roles,
    /// The priority classes of system pods are there.
    PriorityClasses,
    /// The `kubernetes` service leads to this server.
    KubernetesService,
}

impl Hook {
    /// All, in upstream's order.
    pub const ALL: [Self; 9] = [
        Self::SystemNamespaces,
        Self::ClientCa,
        Self::Identity,
        Self::IdentityCollector,
        Self::TokenTracking,
        Self::ServiceRepair,
        Self::Roles,
        Self::PriorityClasses,
        Self::KubernetesService,
    ];

    /// The name of its check.
    pub const fn name(self) -> &'static str {
        match self {
            Self::SystemNamespaces => "poststarthook/start-system-namespaces-controller",
            Self::ClientCa => "poststarthook/start-cluster-authentication-info-controller",
            Self::Identity => "poststarthook/start-kube-apiserver-identity-lease-controller",
            Self::IdentityCollector => "poststarthook/start-kube-apiserver-identity-lease-garbage-collector",
            Self::TokenTracking => "poststarthook/start-legacy-token-tracking-controller",
            Self::ServiceRepair => "poststarthook/start-service-ip-repair-controllers",
            Self::Roles => "poststarthook/rbac/bootstrap-roles",
            Self::PriorityClasses => "poststarthook/scheduling/bootstrap-system-priority-classes",
            Self::KubernetesService => "poststarthook/bootstrap-controller",
        }
    }
}

/// Which of them have been done since the server started.
#[derive(Clone, Debug, Default)]
pub struct Hooks(Arc<[AtomicBool; Hook::ALL.len()]>);

impl Hooks {
    /// Notes that the work has been done.
    pub fn finish(&self, hook: Hook) {
        self.0[hook as usize].store(true, Ordering::Release);
    }

    /// Whether it has.
    pub fn has_finished(&self, hook: Hook) -> bool {
        self.0[hook as usize].load(Ordering::Acquire)
    }

    /// Whether nothing is left.
    pub fn are_finished(&self) -> bool {
        Hook::ALL.into_iter().all(|hook| self.has_finished(hook))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_hook_has_a_place_of_its_own() {
        let hooks = Hooks::default();
        for (at, hook) in Hook::ALL.into_iter().enumerate() {
            assert_eq!(hook as usize, at);
            assert!(!hooks.are_finished() && !hooks.has_finished(hook));
            hooks.finish(hook);
            assert!(hooks.has_finished(hook));
        }
        assert!(hooks.are_finished());
    }
}
