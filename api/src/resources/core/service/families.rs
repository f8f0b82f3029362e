//! Address families of a service in a cluster of one family.

use super::is_headless;
use crate::resources::value::{default_absent, list, set, size, text, texts};
use api_machinery::field::{Error, ErrorList, Path};
use serde_json::{Value, json};

/// The families an address or a cluster may have.
const FAMILIES: [&str; 2] = ["IPv4", "IPv6"];

/// Fills in `ipFamilies` and `ipFamilyPolicy` where the cluster has addresses of `primary` only. Errors are those of
/// asking for a family there is none of.
pub(super) fn default_families(spec: &mut Value, primary: &str) -> ErrorList {
    let mut errors = ErrorList::new();
    if text(spec, "type") == "ExternalName" {
        return errors;
    }
    // Without a selector somebody else fills in the endpoints, of whatever family.
    if is_headless(spec) && size(spec, "selector") == 0 {
        default_absent(spec, "ipFamilyPolicy", "RequireDualStack");
        let mut families: Vec<&str> = texts(spec, "ipFamilies").filter_map(known).collect();
        if families.is_empty() {
            families.push(if primary == FAMILIES[1] { FAMILIES[1] } else { FAMILIES[0] });
        }
        if families.len() == 1 && text(spec, "ipFamilyPolicy") != "SingleStack" {
            families.push(if families[0] == FAMILIES[0] { FAMILIES[1] } else { FAMILIES[0] });
        }
        set(spec, "ipFamilies", json!(families));
        return errors;
    }
    let path = Path::root("spec");
    if text(spec, "ipFamilyPolicy") == "RequireDualStack" {
        let text = "this cluster is not configured for dual-stack services";
        errors.push(Error::invalid(&path.child("ipFamilyPolicy"), "RequireDualStack", text));
    }
    for (index, family) in texts(spec, "ipFamilies").enumerate() {
        if known(family).is_some() && family != primary {
            let path = path.child("ipFamilies").index(index);
            errors.push(Error::invalid(&path, family, "not configured on this cluster"));
        }
    }
    if errors.is_empty() {
        default_absent(spec, "ipFamilyPolicy", "SingleStack");
        if list(spec, "ipFamilies").is_empty() {
            set(spec, "ipFamilies", json!([primary]));
        }
    }
    errors
}

fn known(family: &str) -> Option<&'static str> {
    FAMILIES.into_iter().find(|known| *known == family)
}
