use super::*;
use crate::resources::testing::{created, errors_of, row};
use serde_json::json;

fn endpoints(subsets: Value) -> Value {
    json!({"metadata": {"name": "web", "creationTimestamp": "2026-01-01T00:00:00Z"}, "subsets": subsets})
}

// proves: AM-33
#[test]
fn addresses_and_ports_are_checked() {
    let good = endpoints(json!([{"addresses": [{"ip": "10.0.0.1"}], "ports": [{"port": 80}]}]));
    assert_eq!(created(&Endpoints, good.clone())["subsets"][0]["ports"][0]["protocol"], "TCP");
    assert_eq!(errors_of(&Endpoints, good), [""; 0]);
    let bad = endpoints(json!([
        {"addresses": [{"ip": "127.0.0.1"}, {"ip": "x"}], "ports": [{"port": 0, "name": "a"}, {"port": 1}]},
        {},
    ]));
    assert_eq!(
        errors_of(&Endpoints, bad),
        [
            "subsets[0].addresses[0].ip: Invalid value: \"127.0.0.1\": may not be in the loopback range (127.0.0.0/8, \
             ::1/128)",
            "subsets[0].addresses[1].ip: Invalid value: \"x\": must be a valid IP address, (e.g. 10.9.8.7 or \
             2001:db8::ffff)",
            "subsets[0].addresses[1].ip: Invalid value: \"x\": must be a valid IP address",
            "subsets[0].ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive",
            "subsets[0].ports[1].name: Required value",
            "subsets[1]: Required value: must specify `addresses` or `notReadyAddresses`",
        ]
    );
}

// proves: AM-30
#[test]
fn a_row_shows_three_addresses_and_counts_the_rest() {
    let at = "2026-01-01T00:00:09Z";
    assert_eq!(row(&Endpoints, &endpoints(json!([])), at), "web | <none> | 9s");
    let ip = |n: u8| json!({"ip": format!("10.0.0.{n}")});
    let many = endpoints(json!([
        {"addresses": [ip(1), ip(2)], "ports": [{"port": 80}, {"port": 443}]},
        {"addresses": [{"ip": "fd00::1"}], "ports": [{"port": 80}]},
    ]));
    assert_eq!(row(&Endpoints, &many, at), "web | 10.0.0.1:80,10.0.0.2:80,10.0.0.1:443 + 2 more... | 9s");
    let headless = endpoints(json!([{"addresses": [ip(1)]}]));
    assert_eq!(row(&Endpoints, &headless, at), "web | 10.0.0.1 | 9s");
}
