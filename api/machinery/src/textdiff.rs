//! Differences of texts line by line, as Python's `difflib` finds them: upstream shows its messages' values so.

use std::collections::HashMap;

/// Lines around a change that are shown with it.
const CONTEXT_LINES: usize = 3;
/// From here on a line that is repeated often is no place to begin a match.
const POPULAR_LINES_MIN: usize = 200;
/// Longer texts are compared by what they begin and end with alone.
const LINES_MAX: usize = 10_000;

/// Lines of the old text and of the new one that are alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Match {
    old: usize,
    new: usize,
    lines: usize,
}

/// A stretch of both texts: alike, or one in the place of the other.
#[derive(Clone, Copy)]
struct Stretch {
    alike: bool,
    old: (usize, usize),
    new: (usize, usize),
}

/// The unified difference of two texts, without names of files.
pub fn unified(old: &str, new: &str) -> String {
    let (old, new): (Vec<&str>, Vec<&str>) = (old.split('\n').collect(), new.split('\n').collect());
    let mut out = String::new();
    for group in groups(&stretches(&old, &new)) {
        let (first, last) = (group[0], group[group.len() - 1]);
        let (old_range, new_range) = (range(first.old.0, last.old.1), range(first.new.0, last.new.1));
        out.push_str(&format!("@@ -{old_range} +{new_range} @@\n"));
        for stretch in group {
            let mut show = |sign: char, lines: &[&str]| {
                lines.iter().for_each(|line| {
                    out.push(sign);
                    out.push_str(line);
                    out.push('\n');
                })
            };
            if stretch.alike {
                show(' ', &old[stretch.old.0..stretch.old.1]);
            } else {
                show('-', &old[stretch.old.0..stretch.old.1]);
                show('+', &new[stretch.new.0..stretch.new.1]);
            }
        }
    }
    out
}

fn range(start: usize, end: usize) -> String {
    match end - start {
        0 => format!("{start},0"),
        1 => format!("{}", start + 1),
        lines => format!("{},{lines}", start + 1),
    }
}

/// Changes with what is around them; those that are near each other together.
fn groups(stretches: &[Stretch]) -> Vec<Vec<Stretch>> {
    let head = |(start, end): (usize, usize)| (start, end.min(start + CONTEXT_LINES));
    let tail = |(start, end): (usize, usize)| (start.max(end.saturating_sub(CONTEXT_LINES)), end);
    let (mut groups, mut group) = (Vec::new(), Vec::new());
    for (index, stretch) in stretches.iter().enumerate() {
        let mut stretch = *stretch;
        if stretch.alike && index == 0 {
            stretch = Stretch { old: tail(stretch.old), new: tail(stretch.new), ..stretch };
        }
        if stretch.alike && index + 1 == stretches.len() {
            stretch = Stretch { old: head(stretch.old), new: head(stretch.new), ..stretch };
        }
        if stretch.alike && stretch.old.1 - stretch.old.0 > 2 * CONTEXT_LINES {
            group.push(Stretch { old: head(stretch.old), new: head(stretch.new), ..stretch });
            groups.push(std::mem::take(&mut group));
            stretch = Stretch { old: tail(stretch.old), new: tail(stretch.new), ..stretch };
        }
        group.push(stretch);
    }
    if group.iter().any(|stretch| !stretch.alike) {
        groups.push(group);
    }
    groups
}

fn stretches(old: &[&str], new: &[&str]) -> Vec<Stretch> {
    let mut stretches = Vec::new();
    let (mut i, mut j) = (0, 0);
    for Match { old, new, lines } in matches(old, new) {
        if i < old || j < new {
            stretches.push(Stretch { alike: false, old: (i, old), new: (j, new) });
        }
        (i, j) = (old + lines, new + lines);
        if lines > 0 {
            stretches.push(Stretch { alike: true, old: (old, i), new: (new, j) });
        }
    }
    stretches
}

/// What is alike, from the longest match outwards; an empty match at both ends closes the list.
fn matches(old: &[&str], new: &[&str]) -> Vec<Match> {
    let end = Match { old: old.len(), new: new.len(), lines: 0 };
    if old.len().max(new.len()) > LINES_MAX {
        let head = old.iter().zip(new).take_while(|(old, new)| old == new).count();
        let rest = old.len().min(new.len()) - head;
        let tail = old.iter().rev().zip(new.iter().rev()).take(rest).take_while(|(old, new)| old == new).count();
        let tail = Match { old: old.len() - tail, new: new.len() - tail, lines: tail };
        let found = [Match { old: 0, new: 0, lines: head }, tail];
        return found.into_iter().filter(|found| found.lines > 0).chain([end]).collect();
    }
    let mut places: HashMap<&str, Vec<usize>> = HashMap::new();
    for (place, line) in new.iter().enumerate() {
        places.entry(line).or_default().push(place);
    }
    if new.len() >= POPULAR_LINES_MIN {
        places.retain(|_, places| places.len() <= new.len() / 100 + 1);
    }
    let mut found = Vec::new();
    let mut open = vec![((0, old.len()), (0, new.len()))];
    while let Some(((old_start, old_end), (new_start, new_end))) = open.pop() {
        let longest = longest(old, new, &places, (old_start, old_end), (new_start, new_end));
        if longest.lines == 0 {
            continue;
        }
        found.push(longest);
        if old_start < longest.old && new_start < longest.new {
            open.push(((old_start, longest.old), (new_start, longest.new)));
        }
        let (old_after, new_after) = (longest.old + longest.lines, longest.new + longest.lines);
        if old_after < old_end && new_after < new_end {
            open.push(((old_after, old_end), (new_after, new_end)));
        }
    }
    found.sort_unstable();
    let mut joined: Vec<Match> = Vec::with_capacity(found.len() + 1);
    for next in found {
        match joined.last_mut() {
            Some(last) if last.old + last.lines == next.old && last.new + last.lines == next.new => {
                last.lines += next.lines;
            }
            _ => joined.push(next),
        }
    }
    joined.push(end);
    joined
}

fn longest(
    old: &[&str],
    new: &[&str],
    places: &HashMap<&str, Vec<usize>>,
    (old_start, old_end): (usize, usize),
    (new_start, new_end): (usize, usize),
) -> Match {
    let mut best = Match { old: old_start, new: new_start, lines: 0 };
    // How many lines that are alike end at each line of the new text and at the last line of the old one.
    let mut ending: HashMap<usize, usize> = HashMap::new();
    for (i, line) in old.iter().enumerate().take(old_end).skip(old_start) {
        let mut next = HashMap::new();
        let inside = places.get(line).into_iter().flatten().filter(|j| (new_start..new_end).contains(j));
        for &j in inside {
            let lines = 1 + j.checked_sub(1).and_then(|before| ending.get(&before)).copied().unwrap_or(0);
            next.insert(j, lines);
            if lines > best.lines {
                best = Match { old: i + 1 - lines, new: j + 1 - lines, lines };
            }
        }
        ending = next;
    }
    while best.old > old_start && best.new > new_start && old[best.old - 1] == new[best.new - 1] {
        best = Match { old: best.old - 1, new: best.new - 1, lines: best.lines + 1 };
    }
    while best.old + best.lines < old_end
        && best.new + best.lines < new_end
        && old[best.old + best.lines] == new[best.new + best.lines]
    {
        best.lines += 1;
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbered(lines: usize) -> Vec<String> {
        (1..=lines).map(|line| line.to_string()).collect()
    }

    #[test]
    fn a_difference_shows_changes_with_three_lines_around_them() {
        let old = numbered(20);
        let mut new = old.clone();
        new[4] = "five".into();
        new.remove(15);
        assert_eq!(
            unified(&old.join("\n"), &new.join("\n")),
            "@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+five\n 6\n 7\n 8\n@@ -13,7 +13,6 @@\n 13\n 14\n 15\n-16\n 17\n 18\n 19\n"
        );
        assert_eq!(unified("a\nb", "a\nb"), "");
        assert_eq!(unified("a", "b"), "@@ -1 +1 @@\n-a\n+b\n");
        assert_eq!(unified("a\nb", "a\nx\nb"), "@@ -1,2 +1,3 @@\n a\n+x\n b\n");
    }

    #[test]
    fn changes_that_are_near_share_their_surroundings() {
        let old = numbered(12);
        let mut new = old.clone();
        (new[2], new[8]) = ("three".into(), "nine".into());
        let text = unified(&old.join("\n"), &new.join("\n"));
        assert_eq!(text.matches("@@ -").count(), 1, "{text}");
        new[8] = "9".into();
        new[11] = "twelve".into();
        let text = unified(&old.join("\n"), &new.join("\n"));
        assert_eq!(text.matches("@@ -").count(), 2, "{text}");
    }

    #[test]
    fn what_is_too_long_is_compared_by_its_ends() {
        let old = numbered(LINES_MAX + 1);
        let mut new = old.clone();
        (new[10], new[20]) = ("x".into(), "y".into());
        let text = unified(&old.join("\n"), &new.join("\n"));
        assert!(text.starts_with("@@ -8,17 +8,17 @@\n 8\n 9\n 10\n-11\n-12\n"), "{}", &text[..60]);
    }
}
