//! Bodies byte for byte.

use super::*;
use crate::field::{Error, ErrorList, Path};
use crate::gvk::{GroupKind, GroupResource};

const PODS: GroupResource<'static> = GroupResource { group: "", resource: "pods" };
const DEPLOYMENTS: GroupResource<'static> = GroupResource { group: "apps", resource: "deployments" };

fn check(status: Status, want: &str) {
    assert_eq!(std::str::from_utf8(&status.to_json()).unwrap(), want);
}

// proves: AM-31
#[test]
fn bodies_are_those_of_upstream() {
    check(
        Status::not_found(DEPLOYMENTS, "web"),
        r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"deployments.apps \"web\" not found","reason":"NotFound","details":{"name":"web","group":"apps","kind":"deployments"},"code":404}"#,
    );
    check(
        Status::conflict_modified(GroupResource { group: "", resource: "configmaps" }, "x"),
        r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"Operation cannot be fulfilled on configmaps \"x\": the object has been modified; please apply your changes to the latest version and try again","reason":"Conflict","details":{"name":"x","kind":"configmaps"},"code":409}"#,
    );
    check(
        Status::unauthorized("Unauthorized"),
        r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"Unauthorized","reason":"Unauthorized","code":401}"#,
    );
    check(
        Status::success(Details { name: "x".into(), kind: "pods".into(), uid: "u".into(), ..Details::default() }),
        r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Success","details":{"name":"x","kind":"pods","uid":"u"}}"#,
    );
    check(
        Status::unknown_resource(),
        r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"the server could not find the requested resource","reason":"NotFound","details":{},"code":404}"#,
    );
    check(
        Status::expired(Expired::Continue { inconsistent: Some("tok") }),
        r#"{"kind":"Status","apiVersion":"v1","metadata":{"continue":"tok"},"status":"Failure","message":"The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter, or use the continue token in this response to retrieve the remainder of the results. Continuing with the provided token results in an inconsistent list - objects that were created, modified, or deleted between the time the first chunk was returned and now may show up in the list.","reason":"Expired","code":410}"#,
    );
    check(
        Status::too_large_resource_version(9, 5, 1),
        r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"Timeout: Too large resource version: 9, current: 5","reason":"Timeout","details":{"causes":[{"reason":"ResourceVersionTooLarge","message":"Too large resource version"}],"retryAfterSeconds":1},"code":504}"#,
    );
}

// proves: AM-31
#[test]
fn an_invalid_object_lists_its_fields() {
    let mut errors = ErrorList::new();
    errors.push(Error::invalid(&Path::of(&["spec", "replicas"]), -1, "must be greater than or equal to 0"));
    errors.push(Error::required(&Path::of(&["spec", "selector"]), ""));
    check(
        Status::invalid(GroupKind { group: "apps", kind: "Deployment" }, "web", &errors),
        r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"Deployment.apps \"web\" is invalid: [spec.replicas: Invalid value: -1: must be greater than or equal to 0, spec.selector: Required value]","reason":"Invalid","details":{"name":"web","group":"apps","kind":"Deployment","causes":[{"reason":"FieldValueInvalid","message":"Invalid value: -1: must be greater than or equal to 0","field":"spec.replicas"},{"reason":"FieldValueRequired","message":"Required value","field":"spec.selector"}]},"code":422}"#,
    );
}

#[test]
fn refusals_use_upstreams_sentences() {
    let attributes =
        Attributes { user: "jane", verb: "list", resource: "pods", namespace: "default", ..Default::default() };
    let cases = [
        (
            Status::not_authorized(&attributes, ""),
            r#"pods is forbidden: User "jane" cannot list resource "pods" in API group "" in the namespace "default""#,
        ),
        (
            Status::not_authorized(
                &Attributes { namespace: "", name: "x", subresource: "log", ..attributes },
                "no role",
            ),
            r#"pods "x" is forbidden: User "jane" cannot list resource "pods/log" in API group "" at the cluster scope: no role"#,
        ),
        (
            Status::not_authorized(&Attributes { user: "<a>", verb: "get", path: "/x", ..Default::default() }, ""),
            r#"forbidden: User "&lt;a&gt;" cannot get path "/x""#,
        ),
        (
            Status::method_not_supported(DEPLOYMENTS, "patch"),
            r#"patch is not supported on resources of kind "deployments.apps""#,
        ),
        (Status::already_exists(PODS, "a"), r#"pods "a" already exists"#),
        (Status::expired(Expired::Watch { requested: 1, oldest: 2 }), "too old resource version: 1 (2)"),
        (Status::internal_error("boom"), "Internal error occurred: boom"),
        (
            Status::server_timeout(PODS, "list", 2),
            "The list operation against pods could not be completed at this time, please try again.",
        ),
        (
            Status::not_acceptable(&["application/json", "application/yaml"]),
            "only the following media types are accepted: application/json, application/yaml",
        ),
        (
            Status::generic_server_response(500, "GET", PODS, "a", "x", true),
            r#"an error on the server ("x") has prevented the request from succeeding (get pods a)"#,
        ),
    ];
    for (status, want) in cases {
        assert_eq!(status.message, want);
    }
}
