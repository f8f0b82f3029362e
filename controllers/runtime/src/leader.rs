//! Leader election on a Lease (upstream: client-go `tools/leaderelection`, numbers of kube-controller-manager).

use crate::metrics;
use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use kube::Api;
use kube::api::PostParams;
use std::future::Future;
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Others may take over when the holder has not renewed for this long.
const LEASE_DURATION: Duration = Duration::from_secs(15);
/// The holder gives up by itself when it could not renew for this long.
const RENEW_DEADLINE: Duration = Duration::from_secs(10);
/// Between two attempts to acquire or renew.
const RETRY_PERIOD: Duration = Duration::from_secs(2);

/// Who competes for what.
#[derive(Clone, Debug)]
pub struct Election {
    /// Name of the Lease.
    pub lease: &'static str,
    /// Who this process is among the candidates.
    pub identity: String,
}

/// Runs `body` whenever this process leads, with a token that is cancelled when it no longer does; returns when `token`
/// is cancelled. The lease is released at the end, so that a successor need not wait.
pub async fn run<F, R>(leases: Api<Lease>, election: Election, token: CancellationToken, mut body: F)
where
    F: FnMut(CancellationToken) -> R,
    R: Future<Output = ()>,
{
    let mut candidate = Candidate { leases, election, observed: None };
    let gauge = metrics::leader(candidate.election.lease);
    while candidate.acquire(&token).await {
        tracing::info!(lease = candidate.election.lease, "leading");
        gauge.set(1);
        let term = token.child_token();
        let renewing = async {
            candidate.hold(&term).await;
            term.cancel();
        };
        tokio::join!(renewing, body(term.clone()));
        gauge.set(0);
        if token.is_cancelled() {
            candidate.release().await;
        } else {
            tracing::warn!(lease = candidate.election.lease, "no longer leading");
        }
    }
}

struct Candidate {
    leases: Api<Lease>,
    election: Election,
    /// The holder's last renewal as seen here, and when it was seen: only this clock counts, never the holder's.
    observed: Option<(LeaseSpec, Instant)>,
}

impl Candidate {
    /// False when the token was cancelled first.
    async fn acquire(&mut self, token: &CancellationToken) -> bool {
        loop {
            if token.is_cancelled() {
                return false;
            }
            match self.try_once().await {
                Ok(true) => return true,
                Ok(false) => {}
                Err(error) => tracing::debug!(lease = self.election.lease, %error, "cannot acquire the lease yet"),
            }
            tokio::select! {
                () = token.cancelled() => return false,
                () = tokio::time::sleep(RETRY_PERIOD) => {}
            }
        }
    }

    /// Renews until the term ends, the lease is lost, or renewing failed for too long.
    async fn hold(&mut self, term: &CancellationToken) {
        let mut renewed = Instant::now();
        loop {
            tokio::select! {
                () = term.cancelled() => return,
                () = tokio::time::sleep(RETRY_PERIOD) => {}
            }
            match tokio::time::timeout(RENEW_DEADLINE, self.try_once()).await {
                Ok(Ok(true)) => renewed = Instant::now(),
                Ok(Ok(false)) => return,
                Ok(Err(error)) => tracing::warn!(lease = self.election.lease, %error, "cannot renew the lease"),
                Err(_) => tracing::warn!(lease = self.election.lease, "renewing the lease took too long"),
            }
            if renewed.elapsed() >= RENEW_DEADLINE {
                return;
            }
        }
    }

    async fn try_once(&mut self) -> Result<bool, kube::Error> {
        let now = Timestamp::now();
        let Some(mut lease) = self.leases.get_opt(self.election.lease).await? else {
            let metadata = ObjectMeta { name: Some(self.election.lease.to_owned()), ..ObjectMeta::default() };
            let lease = Lease { metadata, spec: Some(claim(&LeaseSpec::default(), &self.election.identity, now)) };
            return conflict_is_loss(self.leases.create(&PostParams::default(), &lease).await);
        };
        let spec = lease.spec.clone().unwrap_or_default();
        if self.observed.as_ref().is_none_or(|(seen, _)| *seen != spec) {
            self.observed = Some((spec.clone(), Instant::now()));
        }
        let since = self.observed.as_ref().map_or(Duration::ZERO, |(_, at)| at.elapsed());
        if !may_take(&spec, &self.election.identity, since) {
            return Ok(false);
        }
        lease.spec = Some(claim(&spec, &self.election.identity, now));
        conflict_is_loss(self.leases.replace(self.election.lease, &PostParams::default(), &lease).await)
    }

    async fn release(&self) {
        let Ok(Some(mut lease)) = self.leases.get_opt(self.election.lease).await else { return };
        let Some(spec) =
            lease.spec.as_mut().filter(|spec| spec.holder_identity.as_ref() == Some(&self.election.identity))
        else {
            return;
        };
        spec.holder_identity = Some(String::new());
        spec.lease_duration_seconds = Some(1);
        if let Err(error) = self.leases.replace(self.election.lease, &PostParams::default(), &lease).await {
            tracing::debug!(lease = self.election.lease, %error, "could not release the lease");
        }
    }
}

fn conflict_is_loss(outcome: Result<Lease, kube::Error>) -> Result<bool, kube::Error> {
    match outcome {
        Ok(_) => Ok(true),
        Err(kube::Error::Api(status)) if status.code == 409 => Ok(false),
        Err(error) => Err(error),
    }
}

/// Whether the lease is ours, free, or not renewed for its whole duration.
fn may_take(spec: &LeaseSpec, identity: &str, unchanged_for: Duration) -> bool {
    let holder = spec.holder_identity.as_deref().unwrap_or_default();
    let seconds = u64::try_from(spec.lease_duration_seconds.unwrap_or(0)).unwrap_or(0);
    holder.is_empty() || holder == identity || unchanged_for >= Duration::from_secs(seconds)
}

fn claim(old: &LeaseSpec, identity: &str, now: Timestamp) -> LeaseSpec {
    let ours = old.holder_identity.as_deref() == Some(identity);
    LeaseSpec {
        holder_identity: Some(identity.to_owned()),
        lease_duration_seconds: i32::try_from(LEASE_DURATION.as_secs()).ok(),
        acquire_time: if ours { old.acquire_time.clone() } else { Some(MicroTime(now)) },
        renew_time: Some(MicroTime(now)),
        lease_transitions: Some(old.lease_transitions.unwrap_or(0) + i32::from(!ours && old.holder_identity.is_some())),
        ..LeaseSpec::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held_by(holder: &str) -> LeaseSpec {
        claim(&LeaseSpec::default(), holder, Timestamp::UNIX_EPOCH)
    }

    // proves: OP-11
    #[test]
    fn a_lease_is_taken_only_when_free_ours_or_stale() {
        for (spec, seconds, expected) in [
            (LeaseSpec::default(), 0, true),
            (held_by("me"), 0, true),
            (held_by("other"), 14, false),
            (held_by("other"), 15, true),
            (held_by(""), 0, true),
        ] {
            assert_eq!(may_take(&spec, "me", Duration::from_secs(seconds)), expected, "{spec:?} after {seconds} s");
        }
    }

    #[test]
    fn taking_over_counts_a_transition_and_renewing_does_not() {
        let taken = claim(&held_by("other"), "me", Timestamp::UNIX_EPOCH);
        assert_eq!((taken.holder_identity.as_deref(), taken.lease_transitions), (Some("me"), Some(1)));
        assert_eq!(claim(&taken, "me", Timestamp::UNIX_EPOCH).lease_transitions, Some(1));
        assert_eq!(held_by("me").lease_transitions, Some(0));
    }
}
