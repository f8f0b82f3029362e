//! Generates the table of protobuf field numbers that `api-machinery` decodes request bodies by
//! (`api/machinery/schema/field_numbers.json`).
//!
//! Input: the sources of the crate `k8s-pb` (Apache-2.0), whose `prost` attributes carry the numbers. Output, for each
//! definition of `kinds.json`: number to JSON name. A message that Go embeds has no name in JSON: there the number leads
//! to a table of its own, whose fields belong to the outer object. Fields newer than `k8s-pb` have no number yet.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use regex::Regex;
use serde_json::{Map, Value};

/// One field of a message.
struct Field {
    number: u32,
    name: String,
    /// The type of an optional, not repeated message: it may be embedded.
    message: Option<String>,
}

type Messages = BTreeMap<String, Vec<Field>>;

/// Reads `sources/src`, and `kinds` for the definitions that matter; writes `out`.
pub(crate) fn generate(sources: &Path, kinds: &Path, out: &Path) -> Result<()> {
    let mut messages = Messages::new();
    for (folder, package) in [("api", "io.k8s.api"), ("apimachinery", "io.k8s.apimachinery")] {
        read_folder(&sources.join("src").join(folder), package, &mut messages)?;
    }
    let kinds: Value = serde_json::from_slice(&fs::read(kinds)?)?;
    let mut table = Map::new();
    for (name, facts) in kinds.as_object().context("no definitions")? {
        let Some(json) = facts["fields"].as_object() else { continue };
        let Some(fields) = messages.get(&normal(name)) else {
            println!("no message: {name}");
            continue;
        };
        let package = name.rsplit_once('.').map_or("", |(package, _)| package);
        let names: BTreeMap<String, &str> = json.keys().map(|name| (normal(name), name.as_str())).collect();
        table.insert(name.clone(), Value::Object(numbers(fields, &names, package, &messages)));
    }
    if table.is_empty() {
        bail!("no definition has a message: are these the sources of k8s-pb?");
    }
    let mut text = String::from("{\n");
    for (at, (name, numbers)) in table.iter().enumerate() {
        let comma = if at + 1 == table.len() { "" } else { "," };
        text.push_str(&format!("{}: {numbers}{comma}\n", Value::from(name.as_str())));
    }
    text.push_str("}\n");
    fs::write(out, text).with_context(|| format!("cannot write {}", out.display()))
}

fn numbers(fields: &[Field], names: &BTreeMap<String, &str>, package: &str, messages: &Messages) -> Map<String, Value> {
    let mut numbers = Map::new();
    for field in fields {
        if let Some(name) = names.get(&normal(&field.name)) {
            numbers.insert(field.number.to_string(), Value::from(*name));
            continue;
        }
        let embedded =
            field.message.as_ref().and_then(|message| messages.get(&normal(&format!("{package}.{message}"))));
        if let Some(embedded) = embedded {
            let inner = self::numbers(embedded, names, package, messages);
            if !inner.is_empty() {
                numbers.insert(field.number.to_string(), Value::Object(inner));
            }
        }
    }
    numbers
}

/// Upper case and underscores differ between JSON, protobuf and Rust; nothing else does.
fn normal(name: &str) -> String {
    name.trim_start_matches("r#").chars().filter(|char| *char != '_').flat_map(char::to_lowercase).collect()
}

fn read_folder(folder: &Path, package: &str, messages: &mut Messages) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() {
            read_folder(&path, &format!("{package}.{name}"), messages)?;
        } else if name == "mod.rs" {
            read_file(&fs::read_to_string(&path)?, package, messages)?;
        }
    }
    Ok(())
}

fn read_file(text: &str, package: &str, messages: &mut Messages) -> Result<()> {
    let start = Regex::new(r"^pub struct (\w+) \{")?;
    let attribute = Regex::new(r#"^    #\[prost\((\w+)[ ,].*tag ?= ?"(\d+)"#)?;
    let repeated = Regex::new(r"repeated|_map")?;
    let field = Regex::new(r"^    pub ((?:r#)?\w+):")?;
    let (mut current, mut pending) = (None::<String>, None::<(u32, bool)>);
    let option = Regex::new(r"Option<(?:::prost::alloc::boxed::Box<)?(?:super::)*([\w:]+)>")?;
    let mut joined = String::new();
    for line in text.lines() {
        if let Some(name) = start.captures(line) {
            current = Some(normal(&format!("{package}.{}", &name[1])));
            continue;
        }
        if line.starts_with("    #[prost(") || !joined.is_empty() {
            joined.push_str(if joined.is_empty() { line } else { line.trim() });
            if !line.trim_end().ends_with(")]") {
                continue;
            }
            let whole = std::mem::take(&mut joined).replace("#[prost(message,optional", "#[prost(message, optional");
            if let Some(found) = attribute.captures(&whole) {
                pending = Some((found[2].parse()?, &found[1] == "message" && !repeated.is_match(&whole)));
            }
            continue;
        }
        if let (Some(message), Some((number, is_message)), Some(found)) = (&current, pending, field.captures(line)) {
            let name = found[1].to_owned();
            let embedded = option.captures(line).filter(|_| is_message).map(|found| found[1].to_owned());
            messages.entry(message.clone()).or_default().push(Field { number, name, message: embedded });
            pending = None;
        }
        if line == "}" {
            current = None;
        }
    }
    Ok(())
}
