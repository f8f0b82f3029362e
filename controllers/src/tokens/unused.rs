//! Which token Secrets nobody uses any more. Pure.

use super::plan::{ACCOUNT_NAME, ACCOUNT_UID, TYPE};
use crate::objects::{annotation, created, is_terminating, name, uid};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, ToSpan};
use k8s_openapi::api::core::v1::{Pod, Secret, ServiceAccount};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

/// Label with the day on which a token was last used; the server that checks it writes it.
pub const LAST_USED: &str = "kubernetes.io/legacy-token-last-used";
/// Label with the day on which a token was declared invalid for lack of use.
pub const INVALID_SINCE: &str = "kubernetes.io/legacy-token-invalid-since";
/// Days without use after which a token becomes invalid, and days after that until its Secret goes (upstream:
/// `--legacy-service-account-token-clean-up-period`, one year).
pub const UNUSED_DAYS_MAX: i64 = 365;

/// What to do about a Secret.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// It is in use, is new, or was made by hand.
    Keep,
    /// Label it as invalid since this day.
    Invalidate(Date),
    /// It has been invalid for long.
    Delete,
}

/// The day of a moment in UTC, as the labels count.
pub fn day(moment: Timestamp) -> Date {
    moment.to_zoned(TimeZone::UTC).date()
}

/// Whether use has been tracked for long enough to tell; `since` is the day on which that began.
pub fn can_tell(since: Date, now: Timestamp) -> bool {
    let began = since.checked_add(1.day()).and_then(|next| next.to_zoned(TimeZone::UTC));
    began.is_ok_and(|began| now >= began.timestamp() + period())
}

/// What to do about a Secret that holds a token of `account`, given the pods of its namespace, untrimmed.
pub fn step(secret: &Secret, account: Option<&ServiceAccount>, pods: &[Pod], now: Timestamp) -> Step {
    let meta = &secret.metadata;
    let oldest = now - period();
    if secret.type_.as_deref() != Some(TYPE) || created(meta) >= oldest || is_terminating(meta) {
        return Step::Keep;
    }
    let oldest_day = day(oldest);
    match label(meta, LAST_USED).map(str::parse::<Date>) {
        None => {}
        Some(Ok(used)) if used < oldest_day => {}
        Some(_) => return Step::Keep,
    }
    // Only what the token controller of old made by itself is listed by its account.
    let is_generated = account.filter(|account| is_of(secret, account)).is_some_and(|account| {
        account.secrets.iter().flatten().any(|listed| listed.name.as_deref() == Some(name(meta)))
    });
    if !is_generated || pods.iter().any(|pod| uses(pod, name(meta))) {
        return Step::Keep;
    }
    match label(meta, INVALID_SINCE).and_then(|since| since.parse::<Date>().ok()) {
        None => Step::Invalidate(day(now)),
        Some(since) if since < oldest_day => Step::Delete,
        Some(_) => Step::Keep,
    }
}

fn period() -> Span {
    (24 * UNUSED_DAYS_MAX).hours()
}

fn label<'a>(meta: &'a ObjectMeta, key: &str) -> Option<&'a str> {
    meta.labels.as_ref()?.get(key).map(String::as_str)
}

fn is_of(secret: &Secret, account: &ServiceAccount) -> bool {
    let wanted = annotation(&secret.metadata, ACCOUNT_UID).unwrap_or_default();
    annotation(&secret.metadata, ACCOUNT_NAME) == Some(name(&account.metadata))
        && (wanted.is_empty() || wanted == uid(&account.metadata))
}

/// Whether a pod names the Secret anywhere that upstream looks.
fn uses(pod: &Pod, secret: &str) -> bool {
    let Some(spec) = &pod.spec else { return false };
    let is = |named: Option<&str>| named == Some(secret);
    let pulls = spec.image_pull_secrets.iter().flatten().any(|reference| is(Some(&reference.name)));
    let containers = spec.containers.iter().chain(spec.init_containers.iter().flatten());
    let reads =
        containers.flat_map(|container| container.env.iter().flatten().map(|env| &env.value_from)).any(|from| {
            is(from.as_ref().and_then(|from| from.secret_key_ref.as_ref()).map(|reference| reference.name.as_str()))
        });
    let containers = spec.containers.iter().chain(spec.init_containers.iter().flatten());
    let takes = containers
        .flat_map(|container| container.env_from.iter().flatten())
        .any(|from| is(from.secret_ref.as_ref().map(|reference| reference.name.as_str())));
    let mounts = spec.volumes.iter().flatten().any(|volume| {
        is(volume.secret.as_ref().and_then(|source| source.secret_name.as_deref()))
            || volume
                .projected
                .iter()
                .flat_map(|projected| projected.sources.iter().flatten())
                .any(|source| is(source.secret.as_ref().map(|reference| reference.name.as_str())))
    });
    pulls || reads || takes || mounts
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn account() -> ServiceAccount {
        let value = json!({"metadata": {"name": "bot", "uid": "u"}, "secrets": [{"name": "t"}]});
        serde_json::from_value(value).unwrap()
    }

    fn secret(labels: Value) -> Secret {
        let meta = json!({"name": "t", "creationTimestamp": "2020-01-01T00:00:00Z", "labels": labels,
                          "annotations": {ACCOUNT_NAME: "bot", ACCOUNT_UID: "u"}});
        serde_json::from_value(json!({"metadata": meta, "type": TYPE})).unwrap()
    }

    fn told(secret: &Secret) -> Step {
        step(secret, Some(&account()), &[], at("2026-06-01T12:00:00Z"))
    }

    // proves: CT-15
    #[test]
    fn a_token_unused_for_a_year_becomes_invalid_and_goes_a_year_later() {
        let today = Step::Invalidate("2026-06-01".parse().unwrap());
        assert_eq!(told(&secret(json!({}))), today);
        assert_eq!(told(&secret(json!({LAST_USED: "2025-05-31"}))), today);
        assert_eq!(told(&secret(json!({LAST_USED: "2025-06-01"}))), Step::Keep);
        assert_eq!(told(&secret(json!({LAST_USED: "yesterday"}))), Step::Keep);
        assert_eq!(told(&secret(json!({INVALID_SINCE: "2025-06-01"}))), Step::Keep);
        assert_eq!(told(&secret(json!({INVALID_SINCE: "2025-05-31"}))), Step::Delete);
        assert_eq!(told(&secret(json!({INVALID_SINCE: "today"}))), today);
    }

    #[test]
    fn tokens_made_by_hand_new_ones_and_mounted_ones_are_kept() {
        let (now, none) = (at("2026-06-01T12:00:00Z"), &[] as &[Pod]);
        let old = secret(json!({}));
        assert_eq!(step(&old, None, none, now), Step::Keep);
        assert_eq!(step(&old, Some(&ServiceAccount { secrets: None, ..account() }), none, now), Step::Keep);
        let mut young = old.clone();
        young.metadata.creation_timestamp = serde_json::from_value(json!("2025-06-02T00:00:00Z")).unwrap();
        assert_eq!(step(&young, Some(&account()), none, now), Step::Keep);
        let volumes = json!([{"name": "v", "secret": {"secretName": "t"}}]);
        let pod = json!({"metadata": {"name": "p"}, "spec": {"containers": [], "volumes": volumes}});
        let pods = [serde_json::from_value::<Pod>(pod).unwrap()];
        assert_eq!(step(&old, Some(&account()), &pods, now), Step::Keep);
    }

    #[test]
    fn nothing_can_be_told_before_use_was_tracked_for_a_year() {
        let since = "2025-06-01".parse().unwrap();
        assert!(!can_tell(since, at("2026-06-01T23:59:59Z")));
        assert!(can_tell(since, at("2026-06-02T00:00:00Z")));
    }
}
