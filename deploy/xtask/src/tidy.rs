//! Style that a compiler does not check: length of files, module docs, files that no module declares, words that mean
//! unfinished work, checks that assert nothing, files that a slip of the keyboard made.

use crate::workspace;
use anyhow::{Context, Result, bail};
use regex::Regex;
use std::path::{Path, PathBuf};

/// No source file is longer. Split by state or by verb before.
const FILE_LINES_MAX: usize = 800;
/// Half of the source files are shorter.
const MEDIAN_LINES_MAX: usize = 200;
/// The README is read to its end.
const README_LINES_MAX: usize = 200;

/// What may not stand in a source file, and why. Spelled in pieces so that this file passes its own check.
const BANNED: &[(&str, &str)] = &[
    (concat!("todo", "!("), "build it, or leave it out"),
    (concat!("unimple", "mented!("), "build it, or leave it out"),
    (concat!("db", "g!("), "left over from debugging"),
    (concat!("#[ign", "ore"), "a test that does not run proves nothing"),
    (concat!("FIX", "ME"), "fix it, or write an issue"),
    (concat!("X", "XX"), "fix it, or write an issue"),
];

/// Checks every tracked source file; reports all findings at once.
pub(crate) fn check(root: &Path) -> Result<()> {
    let mut findings = Vec::new();
    let mut lengths = Vec::new();
    let odd_name = Regex::new("[^A-Za-z0-9._/-]")?;
    for file in workspace::files(root)?.iter().filter(|file| odd_name.is_match(&file.to_string_lossy())) {
        findings.push(format!("{}: a name that a shell would trip over", file.display()));
    }
    let files = workspace::sources(root)?;
    let bare_matches = Regex::new(r"^\s*matches!\(.*\);\s*$")?;
    for file in &files {
        let text =
            std::fs::read_to_string(root.join(file)).with_context(|| format!("cannot read {}", file.display()))?;
        let lines = text.lines().count();
        lengths.push(lines);
        if lines > FILE_LINES_MAX {
            findings.push(format!("{}: {lines} lines, at most {FILE_LINES_MAX}", file.display()));
        }
        if !text.starts_with("//!") && !is_test(file) {
            findings.push(format!("{}: no module doc", file.display()));
        }
        if file.file_name().is_some_and(|name| name == "mod.rs") {
            findings.push(format!("{}: foo.rs beside foo/, no mod.rs", file.display()));
        }
        if !is_declared(root, file, &files) {
            findings.push(format!("{}: no module declares it", file.display()));
        }
        let mut previous = "";
        for (number, line) in text.lines().enumerate() {
            let place = format!("{}:{}", file.display(), number + 1);
            for (word, reason) in BANNED {
                if line.contains(word) {
                    findings.push(format!("{place}: `{word}`: {reason}"));
                }
            }
            // As a statement of its own; as the value of a `let` it continues the line above.
            let begins = previous.is_empty() || previous.ends_with([';', '{', '}']);
            if begins && bare_matches.is_match(line) {
                findings.push(format!("{place}: matches! without assert! checks nothing"));
            }
            previous = line.trim_end();
        }
    }
    lengths.sort_unstable();
    let median = lengths.get(lengths.len() / 2).copied().unwrap_or(0);
    if median > MEDIAN_LINES_MAX {
        findings.push(format!("median file has {median} lines, at most {MEDIAN_LINES_MAX}"));
    }
    let readme = std::fs::read_to_string(root.join("README.md")).context("cannot read README.md")?;
    if readme.lines().count() > README_LINES_MAX {
        findings.push(format!("README.md: more than {README_LINES_MAX} lines"));
    }
    if !findings.is_empty() {
        bail!("{}", findings.join("\n"));
    }
    println!("tidy: {} files, median {median} lines, longest {}", lengths.len(), lengths.last().copied().unwrap_or(0));
    Ok(())
}

fn is_test(file: &Path) -> bool {
    file.components().any(|part| part.as_os_str() == "tests") || file.ends_with("tests.rs")
}

/// Whether a file is a root that cargo finds by itself, or a parent module names it.
fn is_declared(root: &Path, file: &Path, files: &[PathBuf]) -> bool {
    let Some(stem) = file.file_stem().and_then(|stem| stem.to_str()) else { return false };
    let Some(folder) = file.parent() else { return true };
    let folder_name = folder.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let is_root = matches!(stem, "lib" | "main" | "build")
        || (matches!(folder_name, "tests" | "benches" | "examples" | "bin")
            && !folder.parent().is_some_and(|up| up.ends_with("src")));
    if is_root {
        return true;
    }
    let declaration =
        Regex::new(&format!(r"(?m)^\s*(?:pub(?:\([a-z :]+\))? )?mod (?:r#)?{stem}\b")).expect("stem is a word");
    let mut parents: Vec<PathBuf> = ["lib.rs", "main.rs"].iter().map(|name| folder.join(name)).collect();
    parents.push(folder.with_extension("rs"));
    if let Some(up) = folder.parent() {
        // `tests/area/case.rs` below `tests/area.rs`, or beside a test root that uses #[path].
        parents
            .extend(files.iter().filter(|other| other.parent() == Some(up) || other.parent() == Some(folder)).cloned());
    }
    let by_path = format!("\"{stem}.rs\"]");
    parents.iter().any(|parent| {
        let declares = |text: &String| declaration.is_match(text) || text.contains(&by_path);
        parent != file && std::fs::read_to_string(root.join(parent)).is_ok_and(|text| declares(&text))
    })
}
