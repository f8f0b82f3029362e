//! Which objects belong to a controller's object: adopt what matches and is nobody's, release what no longer matches
//! (upstream: `ControllerRefManager`).

use crate::objects::{controller_of, controller_reference, is_terminating, name, selects, uid};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::api::{Patch, PatchParams};
use kube::{Api, Resource};
use serde::de::DeserializeOwned;
use serde_json::json;
use std::fmt::Debug;
use std::sync::Arc;

/// What to do with one candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Claim {
    /// It is ours.
    Keep,
    /// It matches and has no managing owner.
    Adopt,
    /// It is ours and no longer matches.
    Release,
    /// It is not ours.
    Ignore,
}

/// Decides about one candidate in the owner's namespace.
pub(crate) fn claim<O: Resource, K: Resource>(owner: &O, selector: Option<&LabelSelector>, candidate: &K) -> Claim {
    let meta = candidate.meta();
    let matches = selects(selector, meta.labels.as_ref());
    match controller_of(meta) {
        Some(reference) if reference.uid != uid(owner.meta()) => Claim::Ignore,
        Some(_) if matches => Claim::Keep,
        Some(_) if is_terminating(owner.meta()) => Claim::Ignore,
        Some(_) => Claim::Release,
        None if !matches || is_terminating(owner.meta()) || is_terminating(meta) => Claim::Ignore,
        None => Claim::Adopt,
    }
}

/// Decides about all candidates, adopts and releases on the server, and returns those that belong to `owner` now.
///
/// # Errors
/// The server refused an adoption or a release for another reason than that the object is gone or changed.
pub(crate) async fn claim_all<O, K>(
    owner: &O,
    selector: Option<&LabelSelector>,
    candidates: Vec<Arc<K>>,
    api: &Api<K>,
) -> Result<Vec<Arc<K>>, kube::Error>
where
    O: Resource<DynamicType = ()>,
    K: Resource + Clone + DeserializeOwned + Debug,
{
    let mut claimed = Vec::with_capacity(candidates.len());
    for candidate in candidates {
        match claim(owner, selector, candidate.as_ref()) {
            Claim::Ignore => {}
            Claim::Keep => claimed.push(candidate),
            Claim::Adopt => {
                let references = json!([controller_reference(owner)]);
                if let Some(adopted) = patch_owners(api, candidate.as_ref(), references).await? {
                    claimed.push(Arc::new(adopted));
                }
            }
            Claim::Release => {
                let references = json!([{ "$patch": "delete", "uid": uid(owner.meta()) }]);
                patch_owners(api, candidate.as_ref(), references).await?;
            }
        }
    }
    Ok(claimed)
}

/// `None` when the object is gone or another one by now: the watch will tell.
async fn patch_owners<K>(api: &Api<K>, object: &K, references: serde_json::Value) -> Result<Option<K>, kube::Error>
where
    K: Resource + Clone + DeserializeOwned + Debug,
{
    let patch = json!({ "metadata": { "uid": uid(object.meta()), "ownerReferences": references } });
    match api.patch(name(object.meta()), &PatchParams::default(), &Patch::Strategic(patch)).await {
        Ok(object) => Ok(Some(object)),
        Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409 | 422) => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::api::apps::v1::ReplicaSet;
    use k8s_openapi::api::core::v1::Pod;

    #[test]
    fn a_candidate_is_kept_adopted_released_or_ignored() {
        let owner: ReplicaSet = serde_json::from_value(json!({"metadata": {"name": "o", "uid": "me"}})).unwrap();
        let selector: LabelSelector = serde_json::from_value(json!({"matchLabels": {"app": "web"}})).unwrap();
        let pod = |app: &str, owner: Option<&str>| -> Pod {
            let owners: Vec<_> = owner
                .map(|uid| json!({"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "o", "uid": uid, "controller": true}))
                .into_iter()
                .collect();
            serde_json::from_value(
                json!({"metadata": {"name": "p", "labels": {"app": app}, "ownerReferences": owners}}),
            )
            .unwrap()
        };
        for (app, reference, expected) in [
            ("web", Some("me"), Claim::Keep),
            ("db", Some("me"), Claim::Release),
            ("web", Some("other"), Claim::Ignore),
            ("web", None, Claim::Adopt),
            ("db", None, Claim::Ignore),
        ] {
            assert_eq!(claim(&owner, Some(&selector), &pod(app, reference)), expected, "{app} {reference:?}");
        }
    }
}
