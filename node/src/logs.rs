//! Log files of containers in the runtime's format: `TIME STREAM TAG TEXT` a line, tag `P` for a line that goes on.
//!
//! [`Filter`] decides what of a line is shown (pure); [`stream`] reads a file, and waits for more when asked to.

pub mod rotation;
mod told;

use bytes::Bytes;
use futures::{Stream, TryStreamExt};
use jiff::Timestamp;
use std::future::Future;
use std::io::{self, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::fs::File;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncSeekExt, BufReader};

pub use told::told;

/// How often a followed file is looked at again.
const POLL: Duration = Duration::from_millis(200);
/// Read at once when looking for the last lines.
const BLOCK_BYTES: u64 = 64 * 1024;

/// Lines of a log that a termination message is taken from (upstream's limit).
const LAST_WORDS_LINES: u64 = 80;
/// Longest termination message from a log (upstream's limit); of a longer text the end is kept.
const LAST_WORDS_BYTES_MAX: usize = 2048;

/// What a client asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wish {
    /// Wait for more until the container ends.
    pub follow: bool,
    /// Only the last lines.
    pub tail_lines: Option<u64>,
    /// Only what was written since.
    pub since: Option<Timestamp>,
    /// End after so many bytes.
    pub limit_bytes: Option<u64>,
    /// Put its time before each line.
    pub timestamps: bool,
}

/// Decides what of each line is shown.
#[derive(Debug)]
pub struct Filter {
    since: Option<Timestamp>,
    timestamps: bool,
    left_bytes: Option<u64>,
    /// The line before went on.
    in_line: bool,
}

impl Filter {
    /// For this wish.
    pub fn new(wish: &Wish) -> Self {
        Self { since: wish.since, timestamps: wish.timestamps, left_bytes: wish.limit_bytes, in_line: false }
    }

    /// What is shown of a line, if anything.
    pub fn line(&mut self, line: &[u8]) -> Option<Bytes> {
        let (time, is_partial, text) = parse(line)?;
        let began = !std::mem::replace(&mut self.in_line, is_partial);
        if self.since.is_some_and(|since| time.parse::<Timestamp>().is_ok_and(|time| time < since)) {
            return None;
        }
        let mut out = Vec::with_capacity(line.len() + 1);
        if self.timestamps && began {
            out.extend_from_slice(time.as_bytes());
            out.push(b' ');
        }
        out.extend_from_slice(text);
        if !is_partial {
            out.push(b'\n');
        }
        if let Some(left) = &mut self.left_bytes {
            out.truncate(usize::try_from(*left).unwrap_or(usize::MAX));
            *left -= out.len() as u64;
        }
        (!out.is_empty()).then(|| out.into())
    }

    /// Whether nothing more is shown.
    pub fn is_full(&self) -> bool {
        self.left_bytes == Some(0)
    }
}

/// Reads the file. With `follow` it waits for more as long as `is_running` says so, and goes on in the next file when
/// the path leads to another one (rotation).
///
/// # Errors
/// The file cannot be opened.
pub async fn stream<F, R>(path: PathBuf, wish: Wish, is_running: F) -> io::Result<impl Stream<Item = io::Result<Bytes>>>
where
    F: Fn() -> R + Send + 'static,
    R: Future<Output = bool> + Send,
{
    let mut file = File::open(&path).await?;
    if let Some(lines) = wish.tail_lines {
        let start = tail(&mut file, lines).await?;
        file.seek(SeekFrom::Start(start)).await?;
    }
    let reader = Reader {
        file: BufReader::new(file),
        path,
        line: Vec::new(),
        filter: Filter::new(&wish),
        follow: wish.follow,
        is_last_look: false,
        is_moved: false,
    };
    let start = (reader, is_running);
    Ok(futures::stream::try_unfold(start, |(mut reader, is_running)| async move {
        loop {
            if reader.filter.is_full() {
                return Ok(None);
            }
            let read = reader.file.read_until(b'\n', &mut reader.line).await?;
            if reader.line.ends_with(b"\n") {
                let shown = reader.filter.line(&reader.line[..reader.line.len() - 1]);
                reader.line.clear();
                match shown {
                    Some(shown) => return Ok(Some((shown, (reader, is_running)))),
                    None => continue,
                }
            }
            if read > 0 {
                continue;
            }
            if !reader.follow || reader.is_last_look {
                return Ok(None);
            }
            if reader.rotate().await? {
                continue;
            }
            // What was written between the last read and the end is read once more.
            reader.is_last_look = !is_running().await;
            if !reader.is_last_look {
                tokio::time::sleep(POLL).await;
            }
        }
    }))
}

/// The end of a log, as the termination message of a container that failed without one.
///
/// # Errors
/// The file cannot be read.
pub async fn last_words(path: &Path) -> io::Result<String> {
    let wish = Wish { tail_lines: Some(LAST_WORDS_LINES), ..Wish::default() };
    let parts: Vec<Bytes> = stream(path.to_owned(), wish, || async { false }).await?.try_collect().await?;
    let text = parts.concat();
    Ok(String::from_utf8_lossy(&text[text.len().saturating_sub(LAST_WORDS_BYTES_MAX)..]).into_owned())
}

struct Reader {
    file: BufReader<File>,
    path: PathBuf,
    /// The line so far.
    line: Vec<u8>,
    filter: Filter,
    follow: bool,
    is_last_look: bool,
    /// The path leads to another file: the runtime writes no more to this one.
    is_moved: bool,
}

impl Reader {
    /// Opens the file that is at the path now, if it is another one and this one was read to its end since.
    async fn rotate(&mut self) -> io::Result<bool> {
        let now = match inode(&self.path).await {
            Ok(now) => now,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(error),
        };
        if self.file.get_ref().metadata().await?.ino() == now {
            return Ok(false);
        }
        if std::mem::replace(&mut self.is_moved, false) {
            self.file = BufReader::new(File::open(&self.path).await?);
            self.line.clear();
        } else {
            self.is_moved = true;
        }
        Ok(true)
    }
}

async fn inode(path: &Path) -> io::Result<u64> {
    Ok(tokio::fs::metadata(path).await?.ino())
}

/// Where the last lines begin.
async fn tail(file: &mut File, lines: u64) -> io::Result<u64> {
    let length = file.metadata().await?.len();
    if lines == 0 {
        return Ok(length);
    }
    let mut end = length;
    let mut seen = 0;
    let mut block = Vec::new();
    while end > 0 {
        let start = end.saturating_sub(BLOCK_BYTES);
        file.seek(SeekFrom::Start(start)).await?;
        block.clear();
        (&mut *file).take(end - start).read_to_end(&mut block).await?;
        for (at, byte) in block.iter().enumerate().rev() {
            let position = start + at as u64;
            // The line break at the very end ends the last line and begins none.
            if *byte == b'\n' && position + 1 < length {
                seen += 1;
                if seen == lines {
                    return Ok(position + 1);
                }
            }
        }
        end = start;
    }
    Ok(0)
}

/// Time, whether the line goes on, and the text.
fn parse(line: &[u8]) -> Option<(&str, bool, &[u8])> {
    let mut parts = line.splitn(4, |byte| *byte == b' ');
    let time = std::str::from_utf8(parts.next()?).ok()?;
    let (_stream, tags) = (parts.next()?, parts.next()?);
    let is_partial = tags.split(|byte| *byte == b':').next() == Some(b"P");
    Some((time, is_partial, parts.next().unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::StreamExt;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    const LOG: &str = "2026-01-01T00:00:01.5Z stdout F one\n2026-01-01T00:00:02Z stderr P tw\n\
        2026-01-01T00:00:02Z stderr F o\n2026-01-01T00:00:03Z stdout F three\n";

    async fn read(wish: Wish) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("0.log");
        std::fs::write(&path, LOG).unwrap();
        let parts: Vec<Bytes> = stream(path, wish, || async { false }).await.unwrap().try_collect().await.unwrap();
        String::from_utf8(parts.concat()).unwrap()
    }

    #[tokio::test]
    async fn a_client_gets_the_part_of_the_log_that_it_asks_for() {
        let since = Some("2026-01-01T00:00:03Z".parse().unwrap());
        for (wish, want) in [
            (Wish::default(), "one\ntwo\nthree\n"),
            (Wish { tail_lines: Some(1), ..Wish::default() }, "three\n"),
            (Wish { tail_lines: Some(0), ..Wish::default() }, ""),
            (Wish { tail_lines: Some(99), ..Wish::default() }, "one\ntwo\nthree\n"),
            (Wish { since, ..Wish::default() }, "three\n"),
            (Wish { limit_bytes: Some(6), ..Wish::default() }, "one\ntw"),
            (Wish { follow: true, ..Wish::default() }, "one\ntwo\nthree\n"),
            (
                Wish { timestamps: true, ..Wish::default() },
                "2026-01-01T00:00:01.5Z one\n2026-01-01T00:00:02Z two\n2026-01-01T00:00:03Z three\n",
            ),
        ] {
            assert_eq!(read(wish.clone()).await, want, "{wish:?}");
        }
    }

    #[tokio::test]
    async fn last_words_are_the_end_of_the_log() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("0.log");
        let line = |number: usize| format!("2026-01-01T00:00:01Z stdout F line {number} {}\n", "x".repeat(40));
        std::fs::write(&path, (0..200).map(line).collect::<String>()).unwrap();
        let words = last_words(&path).await.unwrap();
        assert_eq!(words.len(), LAST_WORDS_BYTES_MAX);
        assert!(words.ends_with(&format!("line 199 {}\n", "x".repeat(40))));
    }

    #[tokio::test]
    async fn a_followed_log_goes_on_after_rotation_and_ends_with_the_container() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("0.log");
        std::fs::write(&path, "2026-01-01T00:00:01Z stdout F one\n").unwrap();
        let running = Arc::new(AtomicBool::new(true));
        let asked = Arc::clone(&running);
        let is_running = move || std::future::ready(asked.load(Ordering::SeqCst));
        let lines = stream(path.clone(), Wish { follow: true, ..Wish::default() }, is_running).await.unwrap();
        let mut lines = std::pin::pin!(lines);
        assert_eq!(lines.next().await.unwrap().unwrap(), "one\n");
        std::fs::rename(&path, folder.path().join("0.log.old")).unwrap();
        std::fs::write(&path, "2026-01-01T00:00:02Z stdout F two\n").unwrap();
        assert_eq!(lines.next().await.unwrap().unwrap(), "two\n");
        running.store(false, Ordering::SeqCst);
        assert!(lines.next().await.is_none());
    }
}
