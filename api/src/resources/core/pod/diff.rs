//! The difference of two values in lines, for the message of a refused update.

use serde_json::Value;

/// Lines around a change that are shown with it.
const CONTEXT_LINES: usize = 3;
/// Cells of the comparison table; values that differ in more are shown whole.
const CELLS_MAX: usize = 1 << 20;

/// The changed lines of two values, with a little of what surrounds them: `-` for old, `+` for new.
pub(super) fn diff(old: &Value, new: &Value) -> String {
    let (old, new) = (pretty(old), pretty(new));
    let (old, new): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    let head = old.iter().zip(&new).take_while(|(old, new)| old == new).count();
    let rest = old.len().min(new.len()) - head;
    let tail = old.iter().rev().zip(new.iter().rev()).take(rest).take_while(|(old, new)| old == new).count();
    let mut lines: Vec<(char, &str)> = old[..head].iter().map(|line| (' ', *line)).collect();
    compare(&old[head..old.len() - tail], &new[head..new.len() - tail], &mut lines);
    lines.extend(old[old.len() - tail..].iter().map(|line| (' ', *line)));
    let near = |index: usize| {
        let around = &lines[index.saturating_sub(CONTEXT_LINES)..lines.len().min(index + CONTEXT_LINES + 1)];
        around.iter().any(|(sign, _)| *sign != ' ')
    };
    let mut text = String::new();
    let mut gap = false;
    for (index, (sign, line)) in lines.iter().enumerate() {
        if !near(index) {
            gap = true;
            continue;
        }
        if std::mem::take(&mut gap) {
            text.push_str("  ... \n");
        }
        text.push(*sign);
        text.push(' ');
        text.push_str(line);
        text.push('\n');
    }
    text
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).expect("a value has string keys and finite numbers")
}

/// Appends the shortest edit from `old` to `new`.
fn compare<'a>(old: &[&'a str], new: &[&'a str], lines: &mut Vec<(char, &'a str)>) {
    if old.len() * new.len() > CELLS_MAX {
        lines.extend(old.iter().map(|line| ('-', *line)));
        lines.extend(new.iter().map(|line| ('+', *line)));
        return;
    }
    let width = new.len() + 1;
    let mut common = vec![0_u32; (old.len() + 1) * width];
    for i in (0..old.len()).rev() {
        for j in (0..new.len()).rev() {
            common[i * width + j] = match old[i] == new[j] {
                true => common[(i + 1) * width + j + 1] + 1,
                false => common[(i + 1) * width + j].max(common[i * width + j + 1]),
            };
        }
    }
    let (mut i, mut j) = (0, 0);
    while i < old.len() || j < new.len() {
        if i < old.len() && j < new.len() && old[i] == new[j] {
            lines.push((' ', old[i]));
            (i, j) = (i + 1, j + 1);
        } else if j == new.len() || (i < old.len() && common[(i + 1) * width + j] >= common[i * width + j + 1]) {
            lines.push(('-', old[i]));
            i += 1;
        } else {
            lines.push(('+', new[j]));
            j += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::diff;
    use serde_json::json;

    #[test]
    fn a_difference_shows_the_changed_lines_and_a_little_around_them() {
        let old = json!({"a": 1, "b": 2, "c": 3, "d": 4, "e": 5, "f": 6});
        let new = json!({"a": 1, "b": 2, "c": 3, "d": 4, "e": 7, "f": 6});
        let want =
            "  ... \n    \"b\": 2,\n    \"c\": 3,\n    \"d\": 4,\n-   \"e\": 5,\n+   \"e\": 7,\n    \"f\": 6\n  }\n";
        assert_eq!(diff(&old, &new), want);
    }
}
