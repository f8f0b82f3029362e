//! Feature IDs and the tests that prove them: a comment `proves: AM-07` above a test claims the ID.
//!
//! `deploy/xtask/features.txt` lists the IDs that this version claims; each needs a test, and a test may only name an ID
//! of the list.

use crate::workspace;
use anyhow::{Context, Result, bail};
use regex::Regex;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

const CLAIMED: &str = "deploy/xtask/features.txt";

/// Where an ID is proven: `file:line test_name`.
type Proofs = BTreeMap<String, Vec<String>>;

/// Prints each ID with its tests.
pub(crate) fn print(root: &Path) -> Result<()> {
    for (id, tests) in proofs(root)? {
        println!("{id}");
        for test in tests {
            println!("    {test}");
        }
    }
    Ok(())
}

/// Fails when a claimed ID has no test, or a test names an unclaimed ID.
pub(crate) fn check(root: &Path) -> Result<()> {
    let text = std::fs::read_to_string(root.join(CLAIMED)).with_context(|| format!("cannot read {CLAIMED}"))?;
    let claimed: BTreeSet<&str> =
        text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
    let proofs = proofs(root)?;
    let proven: BTreeSet<&str> = proofs.keys().map(String::as_str).collect();
    let unproven: Vec<&&str> = claimed.difference(&proven).collect();
    if !unproven.is_empty() {
        bail!("claimed in {CLAIMED}, but no test proves them: {unproven:?}");
    }
    let unclaimed: Vec<&&str> = proven.difference(&claimed).collect();
    if !unclaimed.is_empty() {
        bail!("a test proves them, but {CLAIMED} does not claim them: {unclaimed:?}");
    }
    Ok(())
}

fn proofs(root: &Path) -> Result<Proofs> {
    let claim = Regex::new(r"proves: ((?:[A-Z]{2}-\d{2}(?:, )?)+)")?;
    let test = Regex::new(r"^\s*(?:pub )?(?:async )?fn (\w+)")?;
    let mut proofs = Proofs::new();
    for file in workspace::sources(root)? {
        if file.starts_with("deploy/xtask") {
            continue;
        }
        let text =
            std::fs::read_to_string(root.join(&file)).with_context(|| format!("cannot read {}", file.display()))?;
        let lines: Vec<&str> = text.lines().collect();
        for (index, line) in lines.iter().enumerate() {
            let Some(ids) = claim.captures(line) else { continue };
            let place = format!("{}:{}", file.display(), index + 1);
            let below = &lines[index..];
            let is_test = below
                .iter()
                .take(6)
                .any(|line| line.contains("test]") || line.contains("test(") || line.contains("proptest!"));
            let name = below.iter().find_map(|line| test.captures(line)).map(|found| found[1].to_owned());
            let (true, Some(name)) = (is_test, name) else { bail!("{place}: a claim without a test below it") };
            for id in ids[1].split(", ").filter(|id| !id.is_empty()) {
                proofs.entry(id.to_owned()).or_default().push(format!("{place} {name}"));
            }
        }
    }
    Ok(proofs)
}
