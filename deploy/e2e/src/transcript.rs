//! Transcripts: a text file of commands, each with what it must print.
//!
//! - `# text` before the first command of a block is a comment.
//! - `$ command` runs in a shell; `$~ command` is repeated until it prints what is expected, for what happens by and by;
//!   lines that start with `> ` continue it.
//! - The lines below are what it prints, up to the next command or comment block: first standard output, then each line of
//!   standard error after `! `, then `? N` if the status is not 0. Blank lines at the end do not count.
//! - A line that starts with `{1.27}` or `{newest}` holds for that version of kubectl only.
//! - `{age}`, `{time}`, `{ip}`, `{hash}`, `{number}`, `{uid}` and `{any}` stand for text of that shape; a line `...` for
//!   any number of lines. Two or more spaces inside a line stand for any such run: columns are as wide as their content.
//!
//! With `RAFTSMAN_REWRITE=1` what differs is written into the file instead, so that its difference can be read and judged.

mod pattern;

use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

pub use pattern::matches;

/// How long a repeated command may take to print what is expected.
const REPEAT_TIMEOUT: Duration = Duration::from_secs(60);
/// Between two runs of a repeated command.
const REPEAT_INTERVAL: Duration = Duration::from_millis(300);

/// What commands run with.
#[derive(Clone, Debug)]
pub struct Shell {
    /// The version of kubectl, as lines for one version only name it.
    pub version: String,
    /// Set for every command.
    pub variables: Vec<(String, PathBuf)>,
    /// Where commands run.
    pub folder: PathBuf,
}

/// One command and what it must print.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Step {
    /// Comments and blank lines above it.
    above: Vec<String>,
    command: Vec<String>,
    repeat: bool,
    expected: Vec<String>,
}

/// Runs a transcript and returns how many commands it has.
///
/// # Errors
/// Names every command that printed something else, with both texts.
pub fn run(file: &Path, shell: &Shell) -> Result<usize> {
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {file:?}"))?;
    let mut steps = parse(&text);
    let mut failures = Vec::new();
    for step in &mut steps {
        let actual = step.run(shell)?;
        let expected = step.expected_for(&shell.version);
        if let Err(difference) = matches(&expected, &actual) {
            failures.push(format!("$ {}\n{difference}\n", step.command.join("\n> ")));
            step.expected = actual.iter().map(|line| pattern::generalize(line)).collect();
        }
    }
    if failures.is_empty() {
        return Ok(steps.len());
    }
    if std::env::var_os("RAFTSMAN_REWRITE").is_some() {
        std::fs::write(file, render(&steps)).with_context(|| format!("cannot write {file:?}"))?;
    }
    let count = failures.len();
    bail!("{file:?} with kubectl {}: {count} commands differ\n{}", shell.version, failures.join("\n"))
}

impl Step {
    fn run(&self, shell: &Shell) -> Result<Vec<String>> {
        let deadline = Instant::now() + REPEAT_TIMEOUT;
        loop {
            let actual = execute(&self.command.join("\n"), shell)?;
            let done = !self.repeat || matches(&self.expected_for(&shell.version), &actual).is_ok();
            if done || Instant::now() > deadline {
                return Ok(actual);
            }
            std::thread::sleep(REPEAT_INTERVAL);
        }
    }

    /// The expected lines that hold for this version.
    fn expected_for(&self, version: &str) -> Vec<String> {
        let marker = format!("{{{version}}}");
        let others: Vec<String> = crate::binary::KUBECTL_VERSIONS
            .iter()
            .filter(|name| **name != version)
            .map(|name| format!("{{{name}}}"))
            .collect();
        self.expected
            .iter()
            .filter(|line| !others.iter().any(|other| line.starts_with(other)))
            .map(|line| line.strip_prefix(&marker).unwrap_or(line).to_owned())
            .collect()
    }
}

fn execute(command: &str, shell: &Shell) -> Result<Vec<String>> {
    let output = Command::new("bash")
        .args(["-c", command])
        .current_dir(&shell.folder)
        .envs(shell.variables.iter().cloned())
        .stdin(Stdio::null())
        .output()
        .context("cannot run bash")?;
    let mut lines: Vec<String> = text_lines(&output.stdout).collect();
    lines.extend(text_lines(&output.stderr).map(|line| format!("! {line}")));
    if !output.status.success() {
        lines.push(format!("? {}", output.status.code().map_or("signal".to_owned(), |code| code.to_string())));
    }
    while lines.last().is_some_and(|line| line.is_empty()) {
        lines.pop();
    }
    Ok(lines)
}

fn text_lines(bytes: &[u8]) -> impl Iterator<Item = String> {
    String::from_utf8_lossy(bytes).lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>().into_iter()
}

fn parse(text: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut above = Vec::new();
    let mut after_blank = true;
    for line in text.lines() {
        let command = line
            .strip_prefix("$~ ")
            .map(|command| (command, true))
            .or(line.strip_prefix("$ ").map(|command| (command, false)));
        if let Some((command, repeat)) = command {
            let above = std::mem::take(&mut above);
            steps.push(Step { above, command: vec![command.to_owned()], repeat, expected: Vec::new() });
        } else if after_blank && line.starts_with("# ") || steps.is_empty() || !above.is_empty() {
            above.push(line.to_owned());
        } else if let Some(step) = steps.last_mut() {
            match line.strip_prefix("> ") {
                Some(more) if step.expected.is_empty() => step.command.push(more.to_owned()),
                _ => step.expected.push(line.trim_end().to_owned()),
            }
        }
        after_blank = line.is_empty();
    }
    for step in &mut steps {
        while step.expected.last().is_some_and(|line| line.is_empty()) {
            step.expected.pop();
        }
    }
    steps
}

fn render(steps: &[Step]) -> String {
    let mut text = String::new();
    for step in steps {
        let sign = if step.repeat { "$~" } else { "$" };
        let above: String = step.above.iter().map(|line| format!("{line}\n")).collect();
        let expected: String = step.expected.iter().map(|line| format!("{line}\n")).collect();
        text.push_str(&format!("{above}{sign} {}\n{expected}\n", step.command.join("\n> ")));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# Nodes.\n$ one\n> two\nout\n{1.27}old\n{newest}new\n! err\n? 1\n\n$~ again\n";

    #[test]
    fn a_transcript_keeps_its_commands_and_what_they_print() {
        let steps = parse(TEXT);
        assert_eq!(steps.len(), 2);
        assert_eq!(steps[0].command, ["one", "two"]);
        assert_eq!(steps[0].above, ["# Nodes."]);
        assert_eq!(steps[0].expected_for("1.27"), ["out", "old", "! err", "? 1"]);
        assert_eq!(steps[0].expected_for("newest"), ["out", "new", "! err", "? 1"]);
        assert!(steps[1].repeat && steps[1].expected.is_empty());
        assert_eq!(parse(&render(&steps)), steps);
    }

    #[test]
    fn a_command_is_judged_by_output_errors_and_status() {
        let shell = Shell { version: "newest".into(), variables: Vec::new(), folder: std::env::temp_dir() };
        assert_eq!(execute("echo a; echo b >&2; exit 3", &shell).unwrap(), ["a", "! b", "? 3"]);
        assert_eq!(execute("true", &shell).unwrap(), Vec::<String>::new());
    }

    #[test]
    fn a_transcript_that_differs_fails_and_names_the_command() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.txt");
        std::fs::write(&file, "$ echo hello\nhello\n\n$ echo no\nyes\n").unwrap();
        let shell = Shell { version: "newest".into(), variables: Vec::new(), folder: folder.path().to_owned() };
        let error = run(&file, &shell).unwrap_err().to_string();
        assert!(error.contains("1 commands differ") && error.contains("$ echo no"), "{error}");
    }
}
