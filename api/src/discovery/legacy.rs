//! `/api`, `/apis`, `/api/V`, `/apis/G`, `/apis/G/V`. Fields come in the order in which upstream's types name them, since
//! people compare what `kubectl get --raw` prints.

use super::{Elsewhere, Group, storage_version_hash};
use crate::registry::strategy::{KindInfo, Subresource};
use bytes::Bytes;
use serde::Serialize;
use std::net::SocketAddr;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ApiVersions<'a> {
    kind: &'static str,
    versions: Vec<&'a str>,
    #[serde(rename = "serverAddressByClientCIDRs")]
    addresses: Vec<ServerAddress>,
}

#[derive(Serialize)]
struct ServerAddress {
    #[serde(rename = "clientCIDR")]
    client_cidr: &'static str,
    #[serde(rename = "serverAddress")]
    server_address: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ApiGroupList<'a> {
    kind: &'static str,
    api_version: &'static str,
    groups: Vec<ApiGroup<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ApiGroup<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    api_version: Option<&'static str>,
    name: &'a str,
    versions: Vec<GroupVersion<'a>>,
    preferred_version: Option<GroupVersion<'a>>,
}

#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct GroupVersion<'a> {
    group_version: String,
    version: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ApiResourceList {
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    api_version: Option<&'static str>,
    group_version: String,
    resources: Vec<ApiResource>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ApiResource {
    name: String,
    singular_name: &'static str,
    namespaced: bool,
    #[serde(skip_serializing_if = "str::is_empty")]
    group: &'static str,
    #[serde(skip_serializing_if = "str::is_empty")]
    version: &'static str,
    kind: &'static str,
    verbs: &'static [&'static str],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    short_names: &'static [&'static str],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    categories: &'static [&'static str],
    #[serde(skip_serializing_if = "Option::is_none")]
    storage_version_hash: Option<String>,
}

/// All documents by path. `advertise` is where clients outside find this server.
pub(super) fn documents(
    groups: &[Group],
    elsewhere: &Elsewhere,
    advertise: Option<SocketAddr>,
) -> Vec<(String, Bytes)> {
    let named: Vec<&Group> = groups.iter().filter(|group| !group.name.is_empty()).collect();
    let core = groups.iter().find(|group| group.name.is_empty());
    let versions: Vec<&str> = core.into_iter().flat_map(|group| &group.versions).map(|(version, _)| *version).collect();
    let address = |address: SocketAddr| ServerAddress { client_cidr: "0.0.0.0/0", server_address: address.to_string() };
    let addresses = advertise.map(address).into_iter().collect();
    let list = named.iter().map(|group| ApiGroup::of(group)).collect();
    let mut documents = vec![
        ("/api".to_owned(), encode(&ApiVersions { kind: "APIVersions", versions, addresses })),
        ("/apis".to_owned(), encode(&ApiGroupList { kind: "APIGroupList", api_version: "v1", groups: list })),
    ];
    for group in &named {
        let document = ApiGroup { kind: Some("APIGroup"), api_version: Some("v1"), ..ApiGroup::of(group) };
        documents.push((format!("/apis/{}", group.name), encode(&document)));
    }
    for group in groups {
        for (version, kinds) in &group.versions {
            let group_version = group_version(group.name, version);
            let root = if group.name.is_empty() { "/api" } else { "/apis" };
            let path = format!("{root}/{group_version}");
            let document = ApiResourceList {
                kind: "APIResourceList",
                // Upstream sends no apiVersion for the core group, by an accident that clients know.
                api_version: (!group.name.is_empty()).then_some("v1"),
                group_version,
                resources: kinds.iter().flat_map(|info| resources(info, elsewhere)).collect(),
            };
            documents.push((path, encode(&document)));
        }
    }
    documents
}

/// With the end of line that upstream's encoder writes.
fn encode(document: &impl Serialize) -> Bytes {
    let mut bytes = serde_json::to_vec(document).expect("names and lists have a JSON form");
    bytes.push(b'\n');
    Bytes::from(bytes)
}

fn group_version(group: &str, version: &str) -> String {
    if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") }
}

impl<'a> ApiGroup<'a> {
    /// As an item of a list, which does not repeat what it is.
    fn of(group: &'a Group) -> Self {
        let one = |version: &'a str| GroupVersion { group_version: group_version(group.name, version), version };
        let versions: Vec<GroupVersion<'a>> = group.versions.iter().map(|(version, _)| one(version)).collect();
        Self { kind: None, api_version: None, name: group.name, preferred_version: versions.first().cloned(), versions }
    }
}

fn resources(info: &'static KindInfo, elsewhere: &Elsewhere) -> impl Iterator<Item = ApiResource> {
    let resource = ApiResource {
        name: info.resource.to_owned(),
        singular_name: info.singular,
        namespaced: info.namespaced,
        group: "",
        version: "",
        kind: info.kind,
        verbs: info.verbs,
        short_names: info.short_names,
        categories: info.categories,
        storage_version_hash: info.stored.then(|| storage_version_hash(info, elsewhere)),
    };
    std::iter::once(resource).chain(info.subresources.iter().map(move |subresource| subresource_of(info, subresource)))
}

fn subresource_of(info: &'static KindInfo, subresource: &'static Subresource) -> ApiResource {
    let (group, version, kind) = subresource.body.unwrap_or((info.group, info.version, info.kind));
    let is_foreign = (group, version) != (info.group, info.version);
    ApiResource {
        name: format!("{}/{}", info.resource, subresource.name),
        singular_name: "",
        namespaced: info.namespaced,
        group: if is_foreign { group } else { "" },
        version: if is_foreign { version } else { "" },
        kind,
        verbs: subresource.verbs,
        short_names: &[],
        categories: &[],
        storage_version_hash: None,
    }
}
