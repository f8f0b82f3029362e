//! The kinds that the server has, with what can be done to them.

use kube::core::ApiResource;
use kube::{Client, Error};

/// A kind.
#[derive(Clone, Debug)]
pub(crate) struct Kind {
    /// How to reach it.
    pub(crate) resource: ApiResource,
    /// Whether its objects live in namespaces.
    pub(crate) namespaced: bool,
    verbs: Vec<String>,
}

impl Kind {
    /// Whether the server serves this verb.
    pub(crate) fn can(&self, verb: &str) -> bool {
        self.verbs.iter().any(|known| known == verb)
    }
}

/// All kinds, one entry each, subresources left out.
pub(crate) async fn kinds(client: &Client) -> Result<Vec<Kind>, Error> {
    let mut kinds = Vec::new();
    let mut add = |list: k8s_openapi::apimachinery::pkg::apis::meta::v1::APIResourceList| {
        let (group, version) = list.group_version.split_once('/').unwrap_or(("", list.group_version.as_str()));
        for found in list.resources.iter().filter(|found| !found.name.contains('/')) {
            kinds.push(Kind {
                resource: ApiResource {
                    group: group.to_owned(),
                    version: version.to_owned(),
                    api_version: list.group_version.clone(),
                    kind: found.kind.clone(),
                    plural: found.name.clone(),
                },
                namespaced: found.namespaced,
                verbs: found.verbs.clone(),
            });
        }
    };
    add(client.list_core_api_resources("v1").await?);
    for group in client.list_api_groups().await?.groups {
        if let Some(version) = group.preferred_version.or_else(|| group.versions.first().cloned()) {
            add(client.list_api_group_resources(&version.group_version).await?);
        }
    }
    Ok(kinds)
}
