//! What must hold for every input: nothing panics, and what is written reads back the same.
//!
//! Floats are eighths: the parser may be one unit in the last place off, and no built-in kind stores a float.

use api_machinery::codec::{self, Format};
use api_machinery::gvk::GroupVersionKind;
use api_machinery::partial::{self, MetaVersion};
use api_machinery::patch::{Patch, PatchType};
use api_machinery::quantity::Quantity;
use api_machinery::schema::{FieldValidation, Schema};
use api_machinery::selector::{FieldSelector, LabelSelector};
use api_machinery::{duration, gotext, meta, names, time};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

/// Any JSON of moderate size, with the field names that the kinds and directives use mixed in.
fn any_json() -> impl Strategy<Value = Value> {
    let name = prop_oneof![
        "[a-z]{1,3}",
        Just("name".to_string()),
        Just("spec".to_string()),
        Just("metadata".to_string()),
        Just("labels".to_string()),
        Just("template".to_string()),
        Just("containers".to_string()),
        Just("finalizers".to_string()),
        Just("ports".to_string()),
        Just("$patch".to_string()),
        Just("$retainKeys".to_string()),
        Just("$setElementOrder/containers".to_string()),
        Just("$deleteFromPrimitiveList/finalizers".to_string()),
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<i32>().prop_map(|eighths| Value::from(f64::from(eighths) / 8.0)),
        ".{0,8}".prop_map(Value::from),
        "[ -~]{0,12}".prop_map(Value::from),
        Just(json!("replace")),
        Just(json!("delete")),
    ];
    leaf.prop_recursive(5, 48, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::Array),
            prop::collection::vec((name.clone(), inner), 0..6)
                .prop_map(|fields| Value::Object(fields.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

fn deployment() -> GroupVersionKind {
    GroupVersionKind::new("apps", "v1", "Deployment")
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn both_formats_read_back_what_they_wrote(value in any_json()) {
        prop_assert_eq!(&codec::decode_json(&codec::encode(&value)).unwrap(), &value);
        let yaml = codec::encode_as(Format::Yaml, &value);
        let read = codec::decode(Format::Yaml, &yaml).map(|decoded| decoded.value);
        prop_assert_eq!(read, Ok(value), "{}", String::from_utf8_lossy(&yaml));
    }

    #[test]
    fn no_body_makes_the_decoder_panic(body in prop::collection::vec(any::<u8>(), 0..64)) {
        let _ = codec::decode(Format::Json, &body);
        let _ = codec::decode(Format::Yaml, &body);
    }

    #[test]
    fn a_json_error_always_has_words(body in "[\\[\\]{},:\" tfn0-9.eE+-]{0,24}") {
        if let Err(error) = codec::decode(Format::Json, body.as_bytes()) {
            let text = codec::unrecognized("Pod", &error, body.as_bytes());
            prop_assert!(text.contains("invalid character") || text.contains("unexpected end of JSON input")
                || text.contains("number out of range"), "{}", text);
        }
    }

    #[test]
    fn splicing_is_the_same_as_setting_the_resource_version(object in any_json(), version in 1..i64::MAX) {
        let Value::Object(mut fields) = object else { return Ok(()) };
        if !fields.get("metadata").is_some_and(Value::is_object) {
            fields.remove("metadata");
        }
        let mut object = Value::Object(fields);
        let (bytes, point) = codec::encode_with_splice_point(&object);
        meta::set_resource_version(&mut object, &version.to_string());
        prop_assert_eq!(&codec::decode_json(&codec::splice(&bytes, point, version)).unwrap(), &object);
        let (cut, at) = partial::from_encoded(MetaVersion::V1, &bytes, point);
        prop_assert_eq!(codec::decode_json(&codec::splice(&cut, at, version)).unwrap(), partial::from_value(MetaVersion::V1, &object));
    }

    #[test]
    fn conforming_twice_changes_nothing(mut object in any_json()) {
        let definition = Schema::get().kind("apps", "v1", "Deployment").unwrap();
        if definition.conform(&mut object).is_ok() {
            let once = object.clone();
            prop_assert_eq!(definition.conform(&mut object), Ok(Vec::new()));
            prop_assert_eq!(object, once);
        }
    }

    #[test]
    fn no_patch_panics_and_results_conform(original in any_json(), patch in any_json()) {
        let original = json!({"kind": "Deployment", "apiVersion": "apps/v1", "spec": original});
        for kind in [PatchType::Json, PatchType::Merge, PatchType::StrategicMerge] {
            for patch in [patch.clone(), json!({ "spec": patch })] {
                let Ok(patch) = Patch::parse(kind, &codec::encode(&patch)) else { continue };
                if let Ok(body) = patch.apply(&original, &deployment(), FieldValidation::Warn) {
                    let mut again = body.object.clone();
                    let definition = Schema::get().kind("apps", "v1", "Deployment").unwrap();
                    prop_assert_eq!(definition.conform(&mut again), Ok(Vec::new()));
                    prop_assert!(!again.to_string().contains("\"$patch\":"), "{}", again);
                }
            }
        }
    }

    #[test]
    fn an_empty_strategic_patch_changes_nothing(original in any_json()) {
        let original = json!({ "spec": original });
        let patch = Patch::parse(PatchType::StrategicMerge, b"{}").unwrap();
        prop_assert_eq!(patch.apply_unchecked(&original, &deployment()).unwrap(), original);
    }

    #[test]
    fn selectors_print_what_they_parse(text in "[a-z!=<>(), /.\\\\é-]{0,24}") {
        if let Ok(selector) = LabelSelector::parse(&text) {
            prop_assert_eq!(LabelSelector::parse(&selector.to_string()), Ok(selector));
        }
        if let Ok(selector) = FieldSelector::parse(&text) {
            let again = FieldSelector::parse(&selector.to_string()).unwrap();
            prop_assert_eq!(again.to_string(), selector.to_string());
        }
    }

    #[test]
    fn quantities_print_what_they_mean(number in any::<i64>(), fraction in 0..1_000_000_000_u32, suffix in "(|n|u|m|k|M|G|Ki|Mi|e3|E-2)") {
        let text = format!("{}.{fraction:09}{suffix}", number / 1_000_000_000);
        let quantity: Quantity = text.parse().unwrap();
        let printed = quantity.to_string();
        prop_assert_eq!(printed.parse::<Quantity>().unwrap(), quantity);
        prop_assert_eq!(printed.parse::<Quantity>().unwrap().to_string(), printed);
    }

    #[test]
    fn no_text_makes_a_parser_panic(text in ".{0,40}", number in any::<i64>()) {
        let _ = text.parse::<Quantity>();
        let _ = LabelSelector::parse(&text);
        let _ = FieldSelector::parse(&text);
        let _ = time::parse(&text);
        let _ = gotext::quote(&text);
        let _ = duration::human(number);
        for check in [names::is_dns1123_label, names::is_dns1123_subdomain, names::is_qualified_name, names::is_label_value,
            names::is_dns1035_label, names::is_config_map_key, names::is_port_name, names::is_wildcard_dns1123_subdomain] {
            let _ = check(&text);
        }
    }
}
