//! Tables of the garbage collector's graph.

use super::graph::{FOREGROUND, Graph, ORPHAN, Owner, Verdict, Work, judge};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use serde_json::json;

fn reference(uid: &str, blocks: bool) -> OwnerReference {
    serde_json::from_value(
        json!({"apiVersion": "v1", "kind": "X", "name": uid, "uid": uid, "blockOwnerDeletion": blocks}),
    )
    .unwrap()
}

fn meta(uid: &str, owners: &[OwnerReference], finalizer: Option<&str>) -> ObjectMeta {
    let mut meta: ObjectMeta =
        serde_json::from_value(json!({"name": uid, "uid": uid, "ownerReferences": owners})).unwrap();
    if let Some(finalizer) = finalizer {
        meta.finalizers = Some(vec![finalizer.to_owned()]);
        meta.deletion_timestamp = serde_json::from_value(json!("2026-01-01T00:00:00Z")).unwrap();
    }
    meta
}

fn graph(objects: &[(&str, &[OwnerReference], Option<&str>)]) -> Graph {
    let mut graph = Graph::default();
    for (uid, owners, finalizer) in objects {
        graph.observe("v1", "X", &meta(uid, owners, *finalizer));
    }
    graph
}

// proves: CT-09
#[test]
fn an_object_is_judged_by_its_owners() {
    let own = |uid: &str| reference(uid, false);
    let graph = graph(&[("child", &[own("a"), own("b")], None), ("grandchild", &[own("child")], None)]);
    let judge_child = |a: Owner, b: Owner| judge(&graph, "child", &[(own("a"), a), (own("b"), b)]);
    assert_eq!(judge_child(Owner::Solid, Owner::Solid), Verdict::Keep);
    assert_eq!(judge_child(Owner::Solid, Owner::Absent), Verdict::Unlink(vec!["b".into()]));
    assert_eq!(judge_child(Owner::Absent, Owner::Absent), Verdict::Delete(None));
    assert_eq!(judge_child(Owner::Waiting, Owner::Absent), Verdict::Delete(Some("Foreground")));
    assert_eq!(judge(&graph, "grandchild", &[(own("child"), Owner::Waiting)]), Verdict::Delete(None));
    assert_eq!(judge(&graph, "child", &[]), Verdict::Keep, "what nobody owned is nobody's garbage");
}

#[test]
fn the_dependents_of_what_is_gone_are_looked_at() {
    let mut graph = graph(&[("owner", &[], None), ("child", &[reference("owner", false)], None)]);
    assert_eq!(graph.forget("owner"), [Work::Collect("child".into())]);
}

#[test]
fn an_owner_that_was_never_seen_is_asked_for() {
    let mut graph = Graph::default();
    let work = graph.observe("v1", "X", &meta("child", &[reference("nobody", false)], None));
    assert_eq!(work, [Work::Collect("child".into())]);
}

#[test]
fn foreground_deletion_waits_for_the_dependents_that_block() {
    let mut graph = graph(&[
        ("owner", &[], None),
        ("blocks", &[reference("owner", true)], None),
        ("free", &[reference("owner", false)], None),
    ]);
    let work = graph.observe("v1", "X", &meta("owner", &[], Some(FOREGROUND)));
    assert_eq!(work, ["blocks", "free", "owner"].map(|uid| Work::Collect(uid.into())));
    assert_eq!(judge(&graph, "owner", &[]), Verdict::Wait(vec!["blocks".into()]));
    assert_eq!(graph.forget("blocks"), [Work::Collect("owner".into())]);
    assert_eq!(judge(&graph, "owner", &[]), Verdict::Release);
}

#[test]
fn orphaning_is_work_of_its_own() {
    let mut graph = graph(&[("owner", &[], None)]);
    assert_eq!(graph.observe("v1", "X", &meta("owner", &[], Some(ORPHAN))), [Work::Orphan("owner".into())]);
}

#[test]
fn an_owner_in_another_namespace_is_not_the_one_that_is_meant() {
    let within = |uid: &str, namespace: &str, owners: &[OwnerReference]| {
        let mut meta = meta(uid, owners, None);
        meta.namespace = Some(namespace.to_owned());
        meta
    };
    let own = [reference("owner", false)];
    let mut graph = Graph::default();
    graph.observe("v1", "X", &within("owner", "far", &[]));
    let work = graph.observe("v1", "X", &within("child", "near", &own));
    assert_eq!(work, [Work::Collect("child".into())], "the server is asked for one in its own namespace");
    assert_eq!(graph.observe("v1", "X", &within("sibling", "far", &own)), []);
    let child = graph.node("child").unwrap().identity.clone();
    assert!(!graph.node("owner").unwrap().is_meant_by(&own[0], &child));

    let mut graph = Graph::default();
    graph.observe("v1", "X", &within("child", "near", &own));
    let work = graph.observe("v1", "X", &within("owner", "far", &[]));
    assert_eq!(work, [Work::Collect("child".into())], "also if the owner is seen later");

    let mut graph = Graph::default();
    graph.observe("v1", "X", &meta("owner", &[], None));
    assert_eq!(graph.observe("v1", "X", &within("child", "near", &own)), [], "the cluster's own may own anything");
}
