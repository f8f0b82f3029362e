//! Clients of the API server in its own process, each with an identity.

use api::auth::UserInfo;
use api::server::Handle;
use controllers::ClientFor;
use kube::Client;
use kube::client::retry::RetryPolicy;
use std::sync::Arc;
use std::time::Duration;
use tower::retry::RetryLayer;
use tower::{BoxError, ServiceBuilder};

/// How often a request is repeated that the server has no room for; client-go's number.
const RETRIES_MAX: u32 = 10;
/// The pauses between them, where the answer names none.
const RETRY_DELAY_MIN: Duration = Duration::from_millis(5);
const RETRY_DELAY_MAX: Duration = Duration::from_secs(1);

/// A client that acts as this user. As client-go does, it tries again what is answered with "too many requests", after
/// the pause that the answer asks for.
pub(super) fn client(api: &Handle, user: UserInfo) -> Client {
    let retry = RetryPolicy::new(RETRY_DELAY_MIN, RETRY_DELAY_MAX, RETRIES_MAX, true)
        .expect("the shorter delay is not above the longer one");
    let service =
        ServiceBuilder::new().layer(RetryLayer::new(retry)).map_err(BoxError::from).service(api.local_service(user));
    Client::new(service, "default")
}

/// A component of the control plane under upstream's user name, such as `system:kube-scheduler`.
pub(super) fn component(api: &Handle, name: &str) -> Client {
    client(api, UserInfo::new(name, Vec::<String>::new()))
}

/// Clients of the controllers: each is a service account of `kube-system`.
pub(super) fn controllers(api: &Handle) -> ClientFor {
    let api = api.clone();
    Arc::new(move |controller| {
        let name = format!("system:serviceaccount:kube-system:{controller}");
        client(&api, UserInfo::new(name, ["system:serviceaccounts", "system:serviceaccounts:kube-system"]))
    })
}
