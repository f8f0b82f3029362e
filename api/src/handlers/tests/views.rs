//! Tables and bare metadata.

use super::{MAPS, Server, map, pod};
use serde_json::json;

const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";
const PARTIAL: &str = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io";
const PARTIAL_LIST: &str = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io";

// proves: AM-30
#[tokio::test]
async fn a_table_has_the_columns_of_the_kind_and_a_row_an_object() {
    let server = Server::start().await;
    let pods = "/api/v1/namespaces/default/pods";
    server.post(pods, &pod("p")).await.expect(201);
    let table = server.get_as(pods, TABLE).await.expect(200);
    assert_eq!((&table["kind"], &table["apiVersion"]), (&json!("Table"), &json!("meta.k8s.io/v1")));
    let columns: Vec<&str> = table["columnDefinitions"]
        .as_array()
        .expect("columns")
        .iter()
        .filter(|column| column["priority"] == 0)
        .filter_map(|column| column["name"].as_str())
        .collect();
    assert_eq!(columns, ["Name", "Ready", "Status", "Restarts", "Age"]);
    let row = &table["rows"][0];
    assert_eq!((&row["cells"][0], &row["cells"][1], &row["cells"][2]), (&json!("p"), &json!("0/1"), &json!("Pending")));
    assert_eq!(row["object"]["kind"], "PartialObjectMetadata");
    assert_eq!(row["object"]["metadata"]["name"], "p");
    assert_eq!(row["object"].get("spec"), None);
    let one = server.get_as(&format!("{pods}/p?includeObject=Object"), TABLE).await.expect(200);
    assert_eq!(one["rows"][0]["object"]["spec"]["containers"][0]["name"], "c");
    let bare = server.get_as(&format!("{pods}?includeObject=None"), TABLE).await.expect(200);
    assert_eq!(bare["rows"][0]["object"], json!(null));
    assert_eq!(server.get_as(&format!("{pods}?includeObject=All"), TABLE).await.code / 100, 4);
}

// proves: AM-30
#[tokio::test]
async fn every_kind_that_is_stored_prints_as_a_table_with_a_cell_for_every_column() {
    let server = Server::start().await;
    for kind in server.handlers.registry().kinds().iter().filter(|kind| kind.info.stored) {
        let root = if kind.info.group.is_empty() { "/api".to_owned() } else { format!("/apis/{}", kind.info.group) };
        let path = format!("{root}/{}/{}", kind.info.version, kind.info.resource);
        let table = server.get_as(&path, TABLE).await.expect(200);
        let columns = table["columnDefinitions"].as_array().expect("columns").len();
        for row in table["rows"].as_array().expect("rows") {
            assert_eq!(row["cells"].as_array().map(Vec::len), Some(columns), "{path}");
        }
    }
}

// proves: AM-30
#[tokio::test]
async fn metadata_alone_is_served_of_objects_and_of_lists() {
    let server = Server::start().await;
    let created = server.post(MAPS, &map("a")).await.expect(201);
    let one = server.get_as(&format!("{MAPS}/a"), PARTIAL).await.expect(200);
    let want =
        json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": created["metadata"]});
    assert_eq!(one, want);
    let list = server.get_as(MAPS, PARTIAL_LIST).await.expect(200);
    assert_eq!((&list["kind"], &list["items"][0]), (&json!("PartialObjectMetadataList"), &want));
    let old = server.get_as(MAPS, &PARTIAL_LIST.replace("v1", "v1beta1")).await.expect(200);
    assert_eq!(
        (&old["apiVersion"], &old["items"][0]["apiVersion"]),
        (&json!("meta.k8s.io/v1beta1"), &old["apiVersion"])
    );
    assert_eq!(old["items"][0]["metadata"], want["metadata"]);
    let table = server.get_as(MAPS, &TABLE.replace("v1", "v1beta1")).await.expect(200);
    assert_eq!((&table["apiVersion"], &table["rows"][0]["object"]), (&old["apiVersion"], &old["items"][0]));
    assert_eq!(server.get_as(MAPS, PARTIAL).await.code, 406);
    assert_eq!(server.get_as(&format!("{MAPS}/a"), PARTIAL_LIST).await.code, 406);
    assert_eq!(server.get_as(MAPS, "application/xml").await.code, 406);
}
