use crate::auth::UserInfo;
use crate::auth::authz::Authorizer;
use crate::auth::user::MASTERS;
use crate::bootstrap::Keeper;
use crate::bootstrap::hooks::{Hook, Hooks};
use crate::bootstrap::identity::Identity;
use crate::registry::options::DeleteOptions;
use crate::registry::{Cx, Part, Registry, Settings};
use api_machinery::status::Status;
use api_storage::{ContinueKey, Storage};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::sync::Arc;
use store_client::MemoryStore;
use tokio_util::sync::CancellationToken;

/// The services of a cluster with as many addresses as its range has; the first is that of `kubernetes`.
struct Services {
    registry: Registry,
    user: UserInfo,
}

impl Services {
    async fn start(range: &str) -> Self {
        let services = Self::empty(range);
        crate::bootstrap::run(&services.registry, None).await.expect("bootstrapped");
        services
    }

    /// Before the first start of a server.
    fn empty(range: &str) -> Self {
        let storage = Storage::new(Arc::new(MemoryStore::new()), ContinueKey::new(b"test"));
        let settings = Settings { service_cidr: range.parse().expect("a range"), node_ports: 30_000..=30_001 };
        let table = crate::resources::TABLE;
        let registry = Registry::new(table, &storage, Arc::new(Authorizer::default()), &settings);
        Self { registry, user: UserInfo::new("tester", [MASTERS]) }
    }

    fn cx(&self, dry_run: bool) -> Cx<'_> {
        Cx { now: Timestamp::UNIX_EPOCH, user: &self.user, namespace: "default", subresource: None, dry_run }
    }

    async fn try_create(&self, name: &str, spec: Value, dry_run: bool) -> Result<Value, Status> {
        let kind = self.registry.kinds().find("", "v1", "services").expect("services are served");
        let object = json!({"kind": "Service", "apiVersion": "v1", "metadata": {"name": name}, "spec": spec});
        let written = self.registry.create(kind, &self.cx(dry_run), object).await?;
        Ok(written.object.decode().expect("what was written can be read")["spec"].clone())
    }

    async fn create(&self, name: &str, spec: Value) -> Value {
        self.try_create(name, spec, false).await.expect("created")
    }

    async fn refused(&self, name: &str, spec: Value) -> (u16, String) {
        let status = self.try_create(name, spec, false).await.expect_err("refused");
        (status.http_code(), status.message.clone())
    }

    async fn merge(&self, name: &str, patch: Value) -> Value {
        let kind = self.registry.kinds().find("", "v1", "services").expect("services are served");
        let change = |old: &Value| {
            let mut new = old.clone();
            for (key, value) in patch.as_object().expect("a map") {
                new["spec"][key] = value.clone();
            }
            Ok(new)
        };
        let written = self.registry.update(kind, &self.cx(false), name, Part::Main, change).await.expect("updated");
        written.object.decode().expect("what was written can be read")["spec"].clone()
    }

    async fn delete(&self, name: &str) {
        let kind = self.registry.kinds().find("", "v1", "services").expect("services are served");
        self.registry.delete(kind, &self.cx(false), name, &DeleteOptions::default()).await.expect("deleted");
    }
}

fn web(kind: &str) -> Value {
    json!({"type": kind, "selector": {"app": "web"}, "ports": [{"port": 80}]})
}

fn at(kind: &str, address: &str) -> Value {
    let mut spec = web(kind);
    spec["clusterIP"] = json!(address);
    spec
}

fn node_port(spec: &Value, index: usize) -> i64 {
    spec["ports"][index]["nodePort"].as_i64().unwrap_or(0)
}

// proves: AM-49
#[tokio::test]
async fn every_service_gets_an_address_of_its_own_until_there_is_none() {
    let services = Services::start("10.96.0.0/29").await;
    let mut seen = vec!["10.96.0.1".to_owned()];
    for index in 0..5 {
        let spec = services.create(&format!("s{index}"), web("ClusterIP")).await;
        let address = spec["clusterIP"].as_str().expect("an address").to_owned();
        assert_eq!(spec["clusterIPs"], json!([address]));
        assert_eq!((&spec["ipFamilies"], &spec["ipFamilyPolicy"]), (&json!(["IPv4"]), &json!("SingleStack")));
        assert!(!seen.contains(&address), "{address} was given away twice");
        seen.push(address);
    }
    let (code, message) = services.refused("more", web("ClusterIP")).await;
    assert_eq!(
        (code, message.as_str()),
        (500, "Internal error occurred: failed to allocate a serviceIP: range is full")
    );
    assert_eq!(services.create("headless", at("ClusterIP", "None")).await["clusterIPs"], json!(["None"]));
}

// proves: AM-49
#[tokio::test]
async fn what_somebody_has_or_nobody_can_have_is_refused() {
    let services = Services::start("10.96.0.0/24").await;
    let mut spec = at("NodePort", "10.96.0.7");
    spec["ports"][0]["nodePort"] = json!(30000);
    services.create("a", spec.clone()).await;
    assert_eq!(
        services.refused("b", at("ClusterIP", "10.96.0.7")).await,
        (
            422,
            "Service \"b\" is invalid: spec.clusterIPs: Invalid value: [\"10.96.0.7\"]: failed to allocate IP 10.96.0.7: \
             provided IP is already allocated"
                .to_owned()
        )
    );
    spec["clusterIP"] = json!("10.96.0.8");
    assert_eq!(
        services.refused("b", spec.clone()).await.1,
        "Service \"b\" is invalid: spec.ports[0].nodePort: Invalid value: 30000: provided port is already allocated"
    );
    // The address claimed for the refused service is free again.
    assert_eq!(services.create("c", at("ClusterIP", "10.96.0.8")).await["clusterIP"], "10.96.0.8");
    spec["clusterIP"] = json!("10.96.0.9");
    spec["ports"][0]["nodePort"] = json!(80);
    assert_eq!(
        services.refused("b", spec).await.1,
        "Service \"b\" is invalid: spec.ports[0].nodePort: Invalid value: 80: provided port is not in the valid range. \
         The range of valid ports is 30000-30001"
    );
    let mut invalid = at("ClusterIP", "10.96.0.10");
    invalid["ports"][0]["port"] = json!(0);
    assert_eq!(services.refused("b", invalid).await.0, 422);
    services.create("d", at("ClusterIP", "10.96.0.10")).await;
}

// proves: AM-49
#[tokio::test]
async fn what_a_service_no_longer_needs_others_can_have() {
    let services = Services::start("10.96.0.0/24").await;
    let first = services.create("a", at("NodePort", "10.96.0.7")).await;
    let port = node_port(&first, 0);
    let inside = services.merge("a", json!({"type": "ClusterIP"})).await;
    assert_eq!((node_port(&inside, 0), &inside["clusterIP"]), (0, &json!("10.96.0.7")));
    let mut second = web("NodePort");
    second["ports"][0]["nodePort"] = json!(port);
    assert_eq!(node_port(&services.create("b", second.clone()).await, 0), port);
    let named = services.merge("a", json!({"type": "ExternalName", "externalName": "a.example"})).await;
    assert_eq!(named.get("clusterIP"), None);
    assert_eq!(services.create("c", at("ClusterIP", "10.96.0.7")).await["clusterIP"], "10.96.0.7");
    let again = services.merge("a", json!({"type": "ClusterIP", "externalName": null})).await;
    assert!(again["clusterIP"].as_str().is_some_and(|address| address.starts_with("10.96.0.")));
    services.delete("b").await;
    services.delete("c").await;
    second["clusterIP"] = json!("10.96.0.7");
    assert_eq!(node_port(&services.create("d", second).await, 0), port);
}

// proves: AM-49
#[tokio::test]
async fn ports_of_one_number_share_a_node_port_and_updates_keep_it() {
    let services = Services::start("10.96.0.0/24").await;
    let ports = json!([
        {"name": "dns", "port": 53, "protocol": "UDP"},
        {"name": "dns-tcp", "port": 53, "protocol": "TCP"},
    ]);
    let spec = services.create("dns", json!({"type": "NodePort", "ports": ports})).await;
    assert!(node_port(&spec, 0) >= 30_000);
    assert_eq!(node_port(&spec, 0), node_port(&spec, 1));
    let kept = services.merge("dns", json!({"selector": {"a": "b"}, "ports": ports})).await;
    assert_eq!(node_port(&kept, 0), node_port(&spec, 0));
    let mut more = kept["ports"].as_array().expect("ports").clone();
    more.push(json!({"name": "web", "port": 80}));
    let more = services.merge("dns", json!({ "ports": more })).await;
    assert!(node_port(&more, 2) != 0 && node_port(&more, 2) != node_port(&more, 0));
    let (code, message) = services.refused("full", web("NodePort")).await;
    assert_eq!(
        (code, message.as_str()),
        (500, "Internal error occurred: failed to allocate a nodePort: range is full")
    );
}

// proves: AM-49
#[tokio::test]
async fn a_balancer_that_keeps_traffic_local_gets_a_port_to_ask_after_health() {
    let services = Services::start("10.96.0.0/24").await;
    let mut spec = web("LoadBalancer");
    spec["externalTrafficPolicy"] = json!("Local");
    spec["allocateLoadBalancerNodePorts"] = json!(false);
    let made = services.create("lb", spec).await;
    assert_eq!(node_port(&made, 0), 0);
    let port = made["healthCheckNodePort"].as_i64().expect("a port");
    assert_eq!(services.merge("lb", json!({"selector": {"a": "b"}})).await["healthCheckNodePort"], port);
    assert_eq!(
        services.merge("lb", json!({"externalTrafficPolicy": "Cluster"})).await.get("healthCheckNodePort"),
        None
    );
    let mut other = web("NodePort");
    other["ports"][0]["nodePort"] = json!(port);
    assert_eq!(node_port(&services.create("np", other).await, 0), port);
}

// proves: AM-10, AM-49
#[tokio::test]
async fn a_dry_run_shows_an_address_and_keeps_none() {
    let services = Services::start("10.96.0.0/30").await;
    for name in ["a", "b"] {
        let spec = services.try_create(name, web("NodePort"), true).await.expect("imagined");
        assert_eq!(spec["clusterIP"], "10.96.0.2");
        assert!(node_port(&spec, 0) >= 30_000);
    }
    assert_eq!(services.create("c", web("ClusterIP")).await["clusterIP"], "10.96.0.2");
}

#[tokio::test]
async fn two_ports_of_a_service_do_not_share_a_node_port() {
    let services = Services::start("10.96.0.0/28").await;
    let ports = json!([{"name": "a", "port": 80, "nodePort": 30000}, {"name": "b", "port": 81, "nodePort": 30000}]);
    let refused = services.refused("a", json!({"type": "NodePort", "ports": ports})).await;
    let text =
        "Service \"a\" is invalid: spec.ports[1].nodePort: Invalid value: 30000: provided port is already allocated";
    assert_eq!(refused, (422, text.to_owned()));
    let protocols = json!([{"name": "a", "port": 80, "nodePort": 30000},
        {"name": "b", "port": 80, "protocol": "UDP", "nodePort": 30000}]);
    services.create("b", json!({"type": "NodePort", "ports": protocols})).await;
}

#[tokio::test]
async fn a_server_that_died_between_claim_and_service_or_is_about_to_write_it_stops_no_other() {
    let services = Services::empty("10.96.0.0/30");
    let registry = &services.registry;
    let first = registry.addresses().first();
    registry.addresses().claim(first, "default/kubernetes", false).await.expect("free");
    crate::bootstrap::run(registry, None).await.expect("the start goes on");
    let mut repair = crate::registry::alloc::repair::Repair::default();
    assert_eq!(repair.run(registry).await.expect("compared"), 0, "it may be about to be written");
    assert_eq!(repair.run(registry).await.expect("compared"), 1);
    crate::bootstrap::run(registry, None).await.expect("again");
    let kind = registry.kinds().find("", "v1", "services").expect("services are served");
    let store = kind.store().expect("stored");
    let found = store.get(kind.scope("default"), "kubernetes", api_storage::ReadRevision::Consistent).await;
    let service = found.expect("it is there").decode().expect("an object");
    assert_eq!(service["spec"]["clusterIP"], first.to_string());
}

#[tokio::test]
async fn a_server_is_ready_although_the_address_of_its_service_is_somebody_elses() {
    let services = Services::empty("10.96.0.0/30");
    let registry = Arc::new(services.registry);
    registry.addresses().claim(registry.addresses().first(), "default/kubernetes", false).await.expect("free");
    crate::bootstrap::run(&registry, None).await.expect("the start goes on");
    let hooks = Hooks::default();
    let identity = Identity::new("host", None);
    let keeper = Keeper { registry, advertise: None, client_ca: Vec::new(), identity, hooks: hooks.clone() };
    let stop = CancellationToken::new();
    stop.cancel();
    let Ok(()) = keeper.run(stop).await;
    for hook in Hook::ALL.into_iter().filter(|hook| !matches!(hook, Hook::Roles | Hook::PriorityClasses)) {
        assert!(hooks.has_finished(hook), "{}", hook.name());
    }
}
