//! Clients of the API server in its own process, each with an identity.

use api::auth::UserInfo;
use api::server::Handle;
use controllers::ClientFor;
use kube::Client;
use std::sync::Arc;

/// A client that acts as this user.
pub(super) fn client(api: &Handle, user: UserInfo) -> Client {
    Client::new(api.local_service(user), "default")
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
