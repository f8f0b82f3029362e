use super::*;
use crate::resources::testing::{created, errors_of, messages, row, updated};

fn slice() -> Value {
    json!({
        "metadata": {"name": "web-1", "creationTimestamp": "2026-01-01T00:00:00Z"},
        "addressType": "IPv4",
        "endpoints": [{"addresses": ["10.0.0.1"]}, {"addresses": ["10.0.0.2"]}],
        "ports": [{"port": 80}],
    })
}

// proves: AM-33
#[test]
fn ports_are_named_and_labels_count_as_a_change() {
    let old = created(&EndpointSlice, slice());
    assert_eq!(old["ports"], json!([{"name": "", "port": 80, "protocol": "TCP"}]));
    assert_eq!(old["metadata"]["generation"], 1);
    assert_eq!(updated(&EndpointSlice, old.clone(), &old)["metadata"]["generation"], 1);
    let mut labelled = old.clone();
    labelled["metadata"]["labels"] = json!({"a": "b"});
    assert_eq!(updated(&EndpointSlice, labelled, &old)["metadata"]["generation"], 2);
    let mut placed = slice();
    placed["endpoints"][0]["deprecatedTopology"] = json!({"a b": "c"});
    assert_eq!(created(&EndpointSlice, placed)["endpoints"], old["endpoints"], "v1 does not write it any more");
}

// proves: AM-33
#[test]
fn addresses_are_of_the_type_which_stays() {
    assert_eq!(errors_of(&EndpointSlice, slice()), [""; 0]);
    let mut bad = slice();
    bad["addressType"] = json!("IPv6");
    bad["endpoints"] = json!([{"addresses": []}, {"addresses": ["10.0.0.1"], "hostname": "A"}]);
    bad["ports"] = json!([{"name": "a"}, {"name": "a", "protocol": "ICMP"}]);
    let errors = errors_of(&EndpointSlice, bad.clone());
    assert_eq!(
        errors[..3],
        [
            "ports[1].name: Duplicate value: \"a\"",
            "ports[1].protocol: Unsupported value: \"ICMP\": supported values: \"SCTP\", \"TCP\", \"UDP\"",
            "endpoints[1].addresses: Invalid value: \"10.0.0.1\": must be an IPv6 address",
        ]
    );
    assert!(errors[3].starts_with("endpoints[1].hostname: Invalid value: \"A\": a lowercase RFC 1123 label must"));
    assert_eq!(errors[4..], ["endpoints[0].addresses: Required value"]);
    let mut hinted = slice();
    hinted["endpoints"][0]["hints"] = json!({"forZones": [{"name": ""}], "forNodes": [{"name": ""}, {"name": "a.b"}]});
    let errors = errors_of(&EndpointSlice, hinted);
    assert!(
        errors[0].starts_with("endpoints[0].hints.forNodes[0].name: Invalid value: \"\": a lowercase RFC 1123 sub")
    );
    assert_eq!(errors.len(), 1, "{errors:?}");
    let names = json!({"addressType": "FQDN"});
    assert_eq!(EndpointSlice.warnings(&names, None), ["spec.addressType: FQDN endpoints are deprecated"]);
    let old = created(&EndpointSlice, slice());
    let mut changed = old.clone();
    changed["addressType"] = json!("IPv6");
    assert_eq!(
        messages(EndpointSlice.validate_update(&changed, &old)),
        ["addressType: Invalid value: null: field is immutable"],
        "endpoints that were there already are not looked at"
    );
}

// proves: AM-30
#[test]
fn a_row_shows_ports_and_addresses() {
    let at = "2026-01-01T00:02:05Z";
    assert_eq!(
        row(&EndpointSlice, &created(&EndpointSlice, slice()), at),
        "web-1 | IPv4 | 80 | 10.0.0.1,10.0.0.2 | 2m5s"
    );
    let empty = json!({"metadata": {"name": "e"}, "addressType": "FQDN"});
    assert_eq!(row(&EndpointSlice, &empty, at), "e | FQDN | <unset> | <unset> | <unknown>");
}
