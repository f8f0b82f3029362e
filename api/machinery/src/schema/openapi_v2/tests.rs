//! The conversion by example, and the encoding byte by byte.

use serde_json::json;

use super::*;
use crate::schema::openapi;

fn document() -> Value {
    let body = openapi::reference("io.k8s.api.apps.v1.Deployment");
    let paths = json!({"/apis/apps/v1/namespaces/{namespace}/deployments/{name}": {
        "patch": {
            "operationId": "patchDeployment",
            "parameters": [{"name": "fieldValidation", "in": "query", "schema": {"type": "string", "uniqueItems": true}}],
            "requestBody": {"required": true, "content": {"application/merge-patch+json": {"schema": body}}},
            "responses": {"200": {"description": "OK", "content": {"application/json": {"schema": body}}}},
            "x-kubernetes-group-version-kind": {"group": "apps", "version": "v1", "kind": "Deployment"},
        },
        "parameters": [{"name": "name", "in": "path", "required": true, "schema": {"type": "string"}}],
    }});
    let paths = paths.as_object().unwrap().clone();
    let v3 = openapi::document("Kubernetes", "v1.37.0", paths, &["io.k8s.api.apps.v1.Deployment"]);
    from_v3("Kubernetes", "v1.37.0", [&v3])
}

#[test]
fn a_v3_document_becomes_a_v2_document() {
    let document = document();
    let patch = &document["paths"]["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"]["patch"];
    assert_eq!(
        patch,
        &json!({
            "operationId": "patchDeployment",
            "consumes": ["application/merge-patch+json"],
            "produces": ["application/json"],
            "parameters": [
                {"name": "body", "in": "body", "required": true, "schema": {"$ref": "#/definitions/io.k8s.api.apps.v1.Deployment"}},
                {"name": "fieldValidation", "in": "query", "type": "string", "uniqueItems": true}],
            "responses": {"200": {"description": "OK", "schema": {"$ref": "#/definitions/io.k8s.api.apps.v1.Deployment"}}},
            "x-kubernetes-group-version-kind": {"group": "apps", "version": "v1", "kind": "Deployment"},
        })
    );
    let definitions = &document["definitions"];
    assert_eq!(definitions["io.k8s.apimachinery.pkg.api.resource.Quantity"], json!({"type": "string"}));
    assert_eq!(
        definitions["io.k8s.apimachinery.pkg.util.intstr.IntOrString"],
        json!({"type": "string", "format": "int-or-string"})
    );
    assert_eq!(
        definitions["io.k8s.api.apps.v1.DeploymentSpec"]["properties"]["strategy"],
        json!({"$ref": "#/definitions/io.k8s.api.apps.v1.DeploymentStrategy", "x-kubernetes-patch-strategy": "retainKeys"})
    );
    assert!(!document.to_string().contains("#/components/"));
}

/// Length-delimited fields of a message; the document holds no others at the levels that are looked at.
fn parts(mut bytes: &[u8]) -> Vec<(u64, &[u8])> {
    fn varint(bytes: &mut &[u8]) -> u64 {
        let (mut value, mut shift) = (0, 0);
        loop {
            let byte = bytes[0];
            *bytes = &bytes[1..];
            value |= u64::from(byte & 0x7f) << shift;
            shift += 7;
            if byte < 0x80 {
                return value;
            }
        }
    }
    let mut out = Vec::new();
    while !bytes.is_empty() {
        let key = varint(&mut bytes);
        if key & 7 == 0 {
            varint(&mut bytes);
            continue;
        }
        assert_eq!(key & 7, 2);
        let (part, rest) = {
            let length = varint(&mut bytes) as usize;
            bytes.split_at(length)
        };
        out.push((key >> 3, part));
        bytes = rest;
    }
    out
}

fn part(bytes: &[u8], number: u64) -> &[u8] {
    parts(bytes).into_iter().find(|(found, _)| *found == number).unwrap().1
}

// proves: AM-43
#[test]
fn the_protobuf_form_has_gnostics_field_numbers() {
    let bytes = to_protobuf(&document());
    assert_eq!(part(&bytes, 1), b"2.0");
    assert_eq!(part(part(&bytes, 2), 1), b"Kubernetes");
    let path = part(part(&bytes, 8), 2);
    assert_eq!(part(path, 1), b"/apis/apps/v1/namespaces/{namespace}/deployments/{name}");
    let patch = part(part(path, 2), 8);
    assert_eq!(part(patch, 5), b"patchDeployment");
    let query = parts(patch).into_iter().filter(|(number, _)| *number == 8).nth(1).unwrap().1;
    assert_eq!(part(part(part(part(query, 1), 2), 3), 4), b"fieldValidation");
    let extension = part(patch, 13);
    assert_eq!(part(extension, 1), b"x-kubernetes-group-version-kind");
    assert_eq!(part(part(extension, 2), 2), br#"{"group":"apps","kind":"Deployment","version":"v1"}"#);
    let definitions = parts(part(&bytes, 9));
    let spec = definitions.iter().find(|(_, named)| part(named, 1) == b"io.k8s.api.apps.v1.DeploymentSpec").unwrap().1;
    let properties = parts(part(part(spec, 2), 25));
    let strategy = properties.iter().find(|(_, named)| part(named, 1) == b"strategy").unwrap().1;
    assert_eq!(part(part(strategy, 2), 1), b"#/definitions/io.k8s.api.apps.v1.DeploymentStrategy");
}
