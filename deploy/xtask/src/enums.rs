//! Generates the table of allowed values that OpenAPI documents show (`api/machinery/schema/enums.json`).
//!
//! Input: `pkg/generated/openapi/zz_generated.openapi.go` of the Go module `k8s.io/kubernetes` 1.37.0 (Apache-2.0), whose
//! definitions carry the values; the published documents leave them out. Output, for each definition of `kinds.json` that
//! has some: field to values; values of a list's items are those of the field with `[]` behind its name.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use regex::Regex;
use serde_json::{Map, Value};

/// Tabs before the name of a definition's own field.
const FIELD_TABS: usize = 5;

/// Reads `source`, and `kinds` for the definitions that matter; writes `out`.
pub(crate) fn generate(source: &Path, kinds: &Path, out: &Path) -> Result<()> {
    let text = fs::read_to_string(source).with_context(|| format!("cannot read {}", source.display()))?;
    let kinds: Value = serde_json::from_slice(&fs::read(kinds)?)?;
    let start = Regex::new(r"^func schema_(\w+)\(ref ")?;
    let field = Regex::new(r#"^(\t+)"([\w$-]+)": \{$"#)?;
    let values = Regex::new(r#"^\t+Enum:\s+\[\]interface\{\}\{(.*)\},$"#)?;
    let (mut table, mut definition, mut current, mut in_items) = (Map::new(), None, None, false);
    for line in text.lines() {
        if let Some(found) = start.captures(line) {
            definition = definition_name(&found[1]).filter(|name| kinds.get(name).is_some());
            current = None;
        } else if let Some(found) = field.captures(line).filter(|found| found[1].len() == FIELD_TABS) {
            current = Some(found[2].to_owned());
            in_items = false;
        } else if line.trim_start().starts_with("Items: ") {
            in_items = true;
        } else if let (Some(found), Some(definition), Some(field)) = (values.captures(line), &definition, &current) {
            let list: Value = serde_json::from_str(&format!("[{}]", &found[1]))?;
            let name = if in_items { format!("{field}[]") } else { field.clone() };
            let fields = table.entry(definition.clone()).or_insert_with(|| Value::Object(Map::new()));
            fields[name] = list;
        }
    }
    if table.is_empty() {
        bail!("no definition has allowed values: is this zz_generated.openapi.go?");
    }
    let mut text = String::from("{\n");
    for (at, (name, fields)) in table.iter().enumerate() {
        let comma = if at + 1 == table.len() { "" } else { "," };
        text.push_str(&format!("{}: {fields}{comma}\n", Value::from(name.as_str())));
    }
    text.push_str("}\n");
    fs::write(out, text).with_context(|| format!("cannot write {}", out.display()))
}

/// `k8sio_api_core_v1_Pod` is `io.k8s.api.core.v1.Pod`.
fn definition_name(function: &str) -> Option<String> {
    let name = match function.strip_prefix("k8sio_api_") {
        Some(rest) => format!("io.k8s.api.{}", rest.replace('_', ".")),
        None => format!("io.k8s.apimachinery.pkg.apis.{}", function.strip_prefix("pkg_apis_")?.replace('_', ".")),
    };
    Some(name)
}
