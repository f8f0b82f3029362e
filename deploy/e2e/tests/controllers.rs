//! Controllers end to end: what they do to a cluster, seen through its API.

use anyhow::{Context, Result, ensure};
use e2e::Server;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Pod, Secret, ServiceAccount};
use k8s_openapi::serde::Serialize;
use k8s_openapi::serde::de::DeserializeOwned;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use kube::runtime::wait::await_condition;
use kube::{Api, Client};
use serde_json::{Value, json};
use std::fmt::Debug;
use std::time::Duration;

/// A debug build on a busy machine gets much time; a controller that hangs never ends.
const TIMEOUT: Duration = Duration::from_secs(90);

/// Waits until the object of this name, or its absence, is as wanted.
async fn until<K>(api: &Api<K>, name: &str, wanted: impl Fn(Option<&K>) -> bool) -> Result<Option<K>>
where
    K: kube::Resource + Clone + Debug + DeserializeOwned + Send + 'static,
{
    let wait = await_condition(api.clone(), name, |object: Option<&K>| wanted(object));
    tokio::time::timeout(TIMEOUT, wait)
        .await
        .with_context(|| format!("{name} never became as wanted"))?
        .context("watch")
}

async fn create<K>(api: &Api<K>, object: Value) -> Result<K>
where
    K: Clone + Debug + DeserializeOwned + Serialize,
{
    Ok(api.create(&PostParams::default(), &serde_json::from_value(object)?).await?)
}

fn message(namespace: &Namespace, type_: &str) -> Option<String> {
    let conditions = namespace.status.as_ref()?.conditions.as_ref()?;
    let condition = conditions.iter().find(|condition| condition.type_ == type_ && condition.status == "True")?;
    condition.message.clone()
}

// proves: CT-10
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_namespace_goes_in_order_and_tells_what_holds_it() -> Result<()> {
    let server = Server::start(1).await?;
    let client = server.client().await?;
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let (pods, maps) = (Api::<Pod>::namespaced(client.clone(), "n"), Api::<ConfigMap>::namespaced(client.clone(), "n"));
    create(&namespaces, json!({"metadata": {"name": "n"}})).await?;
    let held = |name: &str| json!({"name": name, "finalizers": ["example.com/keep"]});
    create(&maps, json!({"metadata": held("m")})).await?;
    let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), "n");
    until(&accounts, "default", |account| account.is_some()).await?;
    create(&pods, json!({"metadata": held("p"), "spec": {"containers": [{"name": "c", "image": "busybox"}]}})).await?;
    namespaces.delete("n", &DeleteParams::default()).await?;

    let remaining = "NamespaceContentRemaining";
    let told =
        until(&namespaces, "n", |namespace| namespace.is_some_and(|namespace| message(namespace, remaining).is_some()));
    let namespace = told.await?.context("the namespace is gone")?;
    let only_pods = "Some resources are remaining: pods. has 1 resource instances";
    ensure!(message(&namespace, remaining).as_deref() == Some(only_pods), "{namespace:?}");
    let map = maps.get("m").await?;
    ensure!(map.metadata.deletion_timestamp.is_none(), "pods go first: {map:?}");

    release(&pods, "p").await?;
    let wanted = "Some resources are remaining: configmaps. has 1 resource instances";
    let last = until(&namespaces, "n", |namespace| {
        namespace.is_some_and(|namespace| message(namespace, remaining).as_deref() == Some(wanted))
    });
    let namespace = last.await?.context("the namespace is gone")?;
    let finalizers = "Some content in the namespace has finalizers remaining: example.com/keep in 1 resource instances";
    ensure!(message(&namespace, "NamespaceFinalizersRemaining").as_deref() == Some(finalizers), "{namespace:?}");
    release(&maps, "m").await?;
    until(&namespaces, "n", |namespace| namespace.is_none()).await?;
    Ok(())
}

async fn release<K>(api: &Api<K>, name: &str) -> Result<()>
where
    K: Clone + Debug + DeserializeOwned,
{
    let patch = Patch::Merge(json!({"metadata": {"finalizers": null}}));
    api.patch(name, &PatchParams::default(), &patch).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_secret_is_filled_is_a_credential_and_goes_with_its_account() -> Result<()> {
    let server = Server::start(1).await?;
    let client = server.client().await?;
    let secrets: Api<Secret> = Api::namespaced(client.clone(), "default");
    let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), "default");
    create(&accounts, json!({"metadata": {"name": "bot"}})).await?;
    let token_of = |account: &str| {
        json!({"metadata": {"name": format!("{account}-token"), "annotations": {"kubernetes.io/service-account.name": account}},
            "type": "kubernetes.io/service-account-token"})
    };
    create(&secrets, token_of("bot")).await?;
    create(&secrets, token_of("nobody")).await?;
    let filled = until(&secrets, "bot-token", |secret| {
        secret.and_then(|secret| secret.data.as_ref()).is_some_and(|data| data.len() == 3)
    });
    let secret = filled.await?.context("the secret is gone")?;
    let token = secret.data.context("no data")?.remove("token").context("no token")?;
    let who = whoami(&client, &String::from_utf8(token.0)?).await?;
    ensure!(who == "system:serviceaccount:default:bot", "{who}");
    until(&secrets, "nobody-token", |secret| secret.is_none()).await?;
    accounts.delete("bot", &DeleteParams::default()).await?;
    until(&secrets, "bot-token", |secret| secret.is_none()).await?;
    Ok(())
}

/// Who the server says that a token stands for.
async fn whoami(client: &Client, token: &str) -> Result<String> {
    let review = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": token}});
    let api: Api<k8s_openapi::api::authentication::v1::TokenReview> = Api::all(client.clone());
    let answer = create(&api, review).await?;
    let status = answer.status.context("no status")?;
    Ok(status.user.and_then(|user| user.username).unwrap_or_default())
}
