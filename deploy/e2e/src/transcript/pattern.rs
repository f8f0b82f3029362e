//! Lines with placeholders against lines that were printed.

use regex::Regex;
use std::sync::LazyLock;

/// Placeholders, and what each stands for; the order is that in which [`generalize`] tries them.
const PLACEHOLDERS: [(&str, &str); 7] = [
    ("uid", "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"),
    ("time", r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z|[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d \+0000"),
    ("ip", r"\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}"),
    ("age", r"(\d+[dhms])+"),
    ("hash", "[0-9a-z]+"),
    ("number", r"\d+"),
    ("any", ".*?"),
];
/// Of those, the ones whose text tells what it is.
const TELLING: usize = 3;

static PLACEHOLDER: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\{([a-z]+)\}").expect("it is a constant"));
static GENERAL: LazyLock<Vec<(Regex, String)>> = LazyLock::new(|| {
    let compile = |(name, pattern): &(&str, &str)| (Regex::new(pattern).expect("a constant"), format!("{{{name}}}"));
    PLACEHOLDERS[..TELLING].iter().map(compile).collect()
});

/// Whether the printed lines are those expected; if not, the error shows both where they part.
///
/// # Errors
/// They differ.
pub fn matches(expected: &[String], actual: &[String]) -> Result<(), String> {
    let patterns: Vec<Option<Regex>> = expected.iter().map(|line| (line != "...").then(|| compile(line))).collect();
    let mut furthest = 0;
    if fits(&patterns, actual, 0, &mut furthest) {
        return Ok(());
    }
    let mark = |lines: &[String]| {
        let numbered = lines.iter().enumerate();
        numbered
            .map(|(index, line)| format!("  {}{line}\n", if index == furthest { ">" } else { " " }))
            .collect::<String>()
    };
    let wanted: String = expected.iter().map(|line| format!("   {line}\n")).collect();
    Err(format!(" expected\n{wanted} printed (> is the first line that does not fit)\n{}", mark(actual)))
}

/// `furthest` becomes the most lines that fitted.
fn fits(patterns: &[Option<Regex>], actual: &[String], done: usize, furthest: &mut usize) -> bool {
    *furthest = (*furthest).max(done);
    match patterns.split_first() {
        None => done == actual.len(),
        Some((None, rest)) => (done..=actual.len()).any(|from| fits(rest, actual, from, furthest)),
        Some((Some(pattern), rest)) => {
            actual.get(done).is_some_and(|line| pattern.is_match(line)) && fits(rest, actual, done + 1, furthest)
        }
    }
}

/// The expression of one expected line.
fn compile(line: &str) -> Regex {
    let indent = line.len() - line.trim_start_matches(' ').len();
    let mut expression = format!("^ {{{indent}}}");
    let mut rest = &line[indent..];
    while let Some(found) = PLACEHOLDER.captures(rest) {
        let whole = found.get(0).expect("group 0 is the match");
        expression.push_str(&literal(&rest[..whole.start()]));
        match PLACEHOLDERS.iter().find(|(name, _)| *name == &found[1]) {
            Some((_, pattern)) => expression.push_str(&format!("(?:{pattern})")),
            None => expression.push_str(&literal(whole.as_str())),
        }
        rest = &rest[whole.end()..];
    }
    expression.push_str(&literal(rest));
    Regex::new(&format!("{expression}$")).expect("every part is escaped or a constant")
}

/// Text that must be there as it is, but for the width of gaps.
fn literal(text: &str) -> String {
    static GAP: LazyLock<Regex> = LazyLock::new(|| Regex::new(" {2,}").expect("it is a constant"));
    GAP.split(text).map(regex::escape).collect::<Vec<_>>().join(" {2,}")
}

/// A printed line with placeholders where the next run will print something else.
pub(super) fn generalize(line: &str) -> String {
    GENERAL.iter().fold(line.to_owned(), |line, (pattern, name)| pattern.replace_all(&line, name).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(expected: &str, actual: &str) -> bool {
        let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
        matches(&lines(expected), &lines(actual)).is_ok()
    }

    #[test]
    fn placeholders_stand_for_their_shape_only() {
        assert!(check("web-{hash}   Running   {age}", "web-68bf9f694d      Running   4m3s"));
        assert!(!check("web-{hash}   Running   {age}", "web-68bf9f694d   Running   never"));
        assert!(check("{ip} {uid}", "10.96.0.1 93e967fe-1d0c-4f74-a53b-3e0c642c1e33"));
        assert!(!check("{number}", "x") && !check("{number}", "1 2"));
        assert!(check("{\"a\":{any}}", "{\"a\":{\"b\":1}}"), "braces of JSON are text");
    }

    #[test]
    fn text_is_compared_exactly_but_for_gaps() {
        assert!(!check("a.b", "axb"));
        assert!(check("a  b", "a     b") && !check("a  b", "a b"));
        assert!(!check("  key: 1", "    key: 1"), "indentation counts");
        assert!(!check("a", "a\nb") && !check("a\nb", "a"));
    }

    #[test]
    fn three_dots_stand_for_any_lines() {
        assert!(check("a\n...\nz", "a\nb\nc\nz") && check("a\n...\nz", "a\nz") && check("...", ""));
        assert!(!check("a\n...\nz", "a\nb\nc"));
    }
}
