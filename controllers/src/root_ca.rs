//! ConfigMap `kube-root-ca.crt` in every namespace, so that pods can verify the API server (upstream:
//! `pkg/controller/certificates/rootcacertpublisher`).

use crate::Context;
use crate::informers::ROOT_CA_CONFIG_MAP;
use crate::objects::is_terminating;
use controllers_runtime::worker::{self, Next};
use controllers_runtime::{Key, Queue};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use kube::api::PostParams;
use serde_json::json;

const NAME: &str = "root-ca-cert-publisher";
const CA_KEY: &str = "ca.crt";
/// Upstream's text for readers of the object.
const DESCRIPTION: &str = "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the \
internal service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes clusters.";
/// Namespaces reconciled at a time.
const WORKERS: usize = 2;

/// Starts the controller.
pub fn start(context: &Context) {
    let queue = Queue::new("root-ca-cert-publisher");
    let keys = queue.clone();
    context.informers.namespaces.on_change(move |delta| keys.add(Key::of(delta.object().as_ref())));
    let keys = queue.clone();
    context.informers.root_ca_config_maps.on_change(move |delta| {
        keys.add(Key::new("", delta.object().metadata.namespace.clone().unwrap_or_default()));
    });
    let (client, informers) = ((context.client_for)(NAME), context.informers.clone());
    let options = context.options.clone();
    worker::start(&queue, WORKERS, &context.supervisor, move |key| {
        let (client, informers, options) = (client.clone(), informers.clone(), options.clone());
        async move {
            let namespace = informers.namespaces.index().get(&key);
            if namespace.is_none_or(|namespace| is_terminating(&namespace.metadata)) {
                return Ok(Next::Wait);
            }
            let current = informers.root_ca_config_maps.index().get(&Key::new(key.name.as_str(), ROOT_CA_CONFIG_MAP));
            let maps: Api<ConfigMap> = Api::namespaced(client, &key.name);
            let outcome = match plan(current.as_deref(), &options.root_ca_pem) {
                Step::Nothing => return Ok(Next::Wait),
                Step::Create(map) => maps.create(&PostParams::default(), &map).await,
                Step::Restore(map) => maps.replace(ROOT_CA_CONFIG_MAP, &PostParams::default(), &map).await,
            };
            match outcome {
                Ok(_) => Ok(Next::Wait),
                Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => Ok(Next::Wait),
                Err(error) => Err(error),
            }
        }
    });
}

#[derive(Debug, PartialEq)]
enum Step {
    Nothing,
    Create(Box<ConfigMap>),
    Restore(Box<ConfigMap>),
}

fn plan(current: Option<&ConfigMap>, ca_pem: &str) -> Step {
    let annotations = json!({ "kubernetes.io/description": DESCRIPTION });
    let wanted =
        json!({ "metadata": { "name": ROOT_CA_CONFIG_MAP, "annotations": annotations }, "data": { CA_KEY: ca_pem } });
    let Some(current) = current else {
        return Step::Create(Box::new(serde_json::from_value(wanted).expect("a literal ConfigMap")));
    };
    let data = current.data.clone().unwrap_or_default();
    if data.len() == 1 && data.get(CA_KEY).is_some_and(|pem| pem == ca_pem) {
        return Step::Nothing;
    }
    let restored = [(CA_KEY.to_owned(), ca_pem.to_owned())].into();
    Step::Restore(Box::new(ConfigMap { data: Some(restored), ..current.clone() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    // proves: CT-16
    #[test]
    fn the_certificate_is_published_and_restored() {
        let map = |data| {
            serde_json::from_value::<ConfigMap>(json!({"metadata": {"name": ROOT_CA_CONFIG_MAP}, "data": data}))
                .unwrap()
        };
        let Step::Create(made) = plan(None, "PEM") else { panic!("it is missing") };
        assert_eq!(made.data.unwrap()[CA_KEY], "PEM");
        assert_eq!(plan(Some(&map(json!({CA_KEY: "PEM"}))), "PEM"), Step::Nothing);
        let spoiled = map(json!({CA_KEY: "other", "extra": "x"}));
        assert_eq!(plan(Some(&spoiled), "PEM"), Step::Restore(Box::new(map(json!({CA_KEY: "PEM"})))));
    }
}
