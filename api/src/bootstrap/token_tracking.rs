//! Since when it has been told which tokens that lie in Secrets are used: a ConfigMap that the cleaner of unused ones goes by
//! (upstream: `pkg/controlplane/controller/legacytokentracking`).

use super::Bootstrap;
use crate::registry::Part;
use api_machinery::status::Status;
use api_machinery::value;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

const NAMESPACE: &str = "kube-system";
const NAME: &str = "kube-apiserver-legacy-service-account-token-tracking";
/// The key with the day.
const SINCE: &str = "since";

pub(super) async fn write(bootstrap: &Bootstrap<'_>) -> Result<(), Status> {
    let kind = bootstrap.kind("", "configmaps")?;
    let cx = bootstrap.cx(NAMESPACE);
    let today = cx.now.to_zoned(TimeZone::UTC).date().to_string();
    match bootstrap.find(kind, NAMESPACE, NAME).await? {
        Some(map) if says_a_day(&map) => Ok(()),
        Some(_) => {
            let update = bootstrap.registry.update(kind, &cx, NAME, Part::Main, |old| {
                let mut new = old.clone();
                value::set(&mut new, &["data", SINCE], today.as_str());
                Ok(new)
            });
            update.await.map(drop)
        }
        None => {
            let metadata = json!({"name": NAME, "namespace": NAMESPACE});
            let map = json!({"kind": "ConfigMap", "apiVersion": "v1", "metadata": metadata, "data": {SINCE: today}});
            bootstrap.create(kind, map).await
        }
    }
}

fn says_a_day(map: &Value) -> bool {
    value::str_or_empty(map, &["data", SINCE]).parse::<Date>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_day_is_taken_for_one() {
        assert!(says_a_day(&json!({"data": {"since": "2026-01-31"}})));
        assert!(!says_a_day(&json!({"data": {"since": "2026-02-31"}})));
        assert!(!says_a_day(&json!({"data": {}})));
    }
}
