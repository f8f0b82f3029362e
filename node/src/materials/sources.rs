//! ConfigMaps and secrets that a pod refers to, fetched at once and looked up by name.

use k8s_openapi::api::core::v1::{ConfigMap, Secret, Service};
use kube::api::ListParams;
use kube::{Api, Client};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// The kinds that pods read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A ConfigMap.
    ConfigMap,
    /// A secret.
    Secret,
}

impl Kind {
    /// As the API calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::ConfigMap => "ConfigMap",
            Self::Secret => "Secret",
        }
    }

    fn resource(self) -> &'static str {
        match self {
            Self::ConfigMap => "configmap",
            Self::Secret => "secret",
        }
    }
}

/// Values by key.
type Data = BTreeMap<String, Vec<u8>>;

/// What was found; a missing object is remembered as missing.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    found: HashMap<(Kind, String), Option<Data>>,
}

impl Sources {
    /// Fetches the objects of this namespace.
    ///
    /// # Errors
    /// The API server did not answer, or refused.
    pub async fn fetch(
        client: &Client,
        namespace: &str,
        wanted: &BTreeSet<(Kind, String)>,
    ) -> Result<Self, kube::Error> {
        let config_maps: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
        let secrets: Api<Secret> = Api::namespaced(client.clone(), namespace);
        let mut sources = Self::default();
        for (kind, name) in wanted {
            match kind {
                Kind::ConfigMap => sources.insert_config_map(name, config_maps.get_opt(name).await?),
                Kind::Secret => sources.insert_secret(name, secrets.get_opt(name).await?),
            }
        }
        Ok(sources)
    }

    /// Remembers a ConfigMap.
    pub fn insert_config_map(&mut self, name: &str, object: Option<ConfigMap>) {
        let data = object.map(|object| {
            let texts = object.data.into_iter().flatten().map(|(key, value)| (key, value.into_bytes()));
            texts.chain(object.binary_data.into_iter().flatten().map(|(key, value)| (key, value.0))).collect()
        });
        self.found.insert((Kind::ConfigMap, name.to_owned()), data);
    }

    /// Remembers a secret.
    pub fn insert_secret(&mut self, name: &str, object: Option<Secret>) {
        let data = object.map(|object| object.data.into_iter().flatten().map(|(key, value)| (key, value.0)).collect());
        self.found.insert((Kind::Secret, name.to_owned()), data);
    }

    /// Key and value pairs; nothing when the object is missing and `optional`.
    ///
    /// # Errors
    /// The object is missing; upstream's words.
    pub fn data(&self, kind: Kind, name: &str, optional: bool) -> Result<Option<&BTreeMap<String, Vec<u8>>>, String> {
        match self.found.get(&(kind, name.to_owned())).and_then(Option::as_ref) {
            None if !optional => Err(format!("{} {name:?} not found", kind.resource())),
            found => Ok(found),
        }
    }

    /// The pairs whose value is text, for the environment.
    ///
    /// # Errors
    /// The object is missing and not optional.
    pub fn texts(&self, kind: Kind, name: &str, optional: bool) -> Result<BTreeMap<String, String>, String> {
        let data = self.data(kind, name, optional)?.into_iter().flatten();
        Ok(data.filter_map(|(key, value)| Some((key.clone(), String::from_utf8(value.clone()).ok()?))).collect())
    }
}

/// The services that a pod of this namespace may be told of.
///
/// # Errors
/// The API server did not answer, or refused.
pub async fn services(client: &Client, namespace: &str, links: bool) -> Result<Vec<Service>, kube::Error> {
    let mut found = Vec::new();
    if links {
        found = Api::namespaced(client.clone(), namespace).list(&ListParams::default()).await?.items;
    }
    let api: Api<Service> = Api::namespaced(client.clone(), "default");
    found.extend(api.get_opt("kubernetes").await?);
    Ok(found)
}
