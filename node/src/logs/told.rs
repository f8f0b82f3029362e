//! The log of a runtime that keeps it itself and tells it as a whole, as simulated nodes do.

use super::{Filter, POLL, Wish};
use bytes::Bytes;
use futures::Stream;
use std::future::Future;

/// Shows `text`, and with `follow` what `read` tells later, until `is_running` says that there will be no more.
pub fn told<E, R, I>(
    text: String,
    wish: Wish,
    read: impl Fn() -> R,
    is_running: impl Fn() -> I,
) -> impl Stream<Item = Result<Bytes, E>>
where
    R: Future<Output = Result<String, E>>,
    I: Future<Output = bool>,
{
    let lines = text.lines().count();
    let tail = wish.tail_lines.and_then(|lines| usize::try_from(lines).ok()).unwrap_or(lines);
    let seen: usize = text.split_inclusive('\n').take(lines.saturating_sub(tail)).map(str::len).sum();
    let follow = wish.follow;
    let start = Some((text, seen, Filter::new(&wish), false));
    futures::stream::try_unfold((start, read, is_running), move |(state, read, is_running)| async move {
        let Some((mut text, mut seen, mut filter, mut is_last_look)) = state else { return Ok(None) };
        loop {
            let new = text.get(seen..).unwrap_or_default();
            let shown: Vec<Bytes> = new.lines().filter_map(|line| filter.line(line.as_bytes())).collect();
            seen = text.len().max(seen);
            let is_over = !follow || filter.is_full() || is_last_look;
            if !shown.is_empty() {
                let next = (!is_over).then_some((text, seen, filter, is_last_look));
                return Ok(Some((shown.concat().into(), (next, read, is_running))));
            }
            if is_over {
                return Ok(None);
            }
            // What is told between the last look and the end is looked at once more.
            is_last_look = !is_running().await;
            if !is_last_look {
                tokio::time::sleep(POLL).await;
            }
            text = read().await?;
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::TryStreamExt;
    use std::convert::Infallible;
    use std::sync::atomic::{AtomicUsize, Ordering};

    const LINES: [&str; 3] = [
        "2026-01-01T00:00:01Z stdout F one\n",
        "2026-01-01T00:00:02Z stdout F two\n",
        "2026-01-01T00:00:03Z stdout F three\n",
    ];

    /// A container that has told two lines, tells the third when asked again, and has ended then.
    async fn show(wish: Wish) -> String {
        let looks = AtomicUsize::new(0);
        let read = || std::future::ready(Ok::<_, Infallible>(LINES.concat()));
        let is_running = || std::future::ready(looks.fetch_add(1, Ordering::SeqCst) == 0);
        let shown: Vec<Bytes> = told(LINES[..2].concat(), wish, read, is_running).try_collect().await.unwrap();
        String::from_utf8(shown.concat()).unwrap()
    }

    #[tokio::test]
    async fn what_is_told_is_shown_as_asked_for() {
        for (wish, want) in [
            (Wish::default(), "one\ntwo\n"),
            (Wish { tail_lines: Some(1), ..Wish::default() }, "two\n"),
            (Wish { tail_lines: Some(0), follow: true, ..Wish::default() }, "three\n"),
            (Wish { follow: true, ..Wish::default() }, "one\ntwo\nthree\n"),
            (Wish { limit_bytes: Some(5), follow: true, ..Wish::default() }, "one\nt"),
            (Wish { since: Some("2026-01-01T00:00:02Z".parse().unwrap()), ..Wish::default() }, "two\n"),
        ] {
            assert_eq!(show(wish.clone()).await, want, "{wish:?}");
        }
    }
}
