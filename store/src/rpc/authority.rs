//! A shim for clients that put their whole endpoint URL into `:authority`.
//!
//! etcdctl 3.4 does that for `endpoint status` with an `http://` endpoint, and gRPC in Go accepts it; our HTTP/2 library
//! resets the stream, because `http://host:port` is no authority. The value means nothing to a store, so the shim makes
//! it one in place: `http://` becomes `httpx--`, which has the same length, decoded and in Huffman code, so no frame and
//! no table on either side changes its size.
//!
//! Only the first header block of a connection is looked at: Go's client sends the value literally once and by its table
//! index ever after. Nothing else is touched, and what cannot be parsed goes through as it is.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// The client preface that opens every HTTP/2 connection.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const FRAME_HEAD_BYTES: usize = 9;
const HEADERS_FRAME: u8 = 1;
/// Flags of a HEADERS frame: its block is preceded by a pad length, or by a priority.
const PADDED: u8 = 0x08;
const PRIORITY: u8 = 0x20;
/// Bytes looked at before the shim gives up; preface, settings and the first headers are far less.
const LOOK_BYTES_MAX: usize = 16 << 10;

/// Huffman code of `http://` and of `httpx--` (RFC 7541, appendix B): 41 bits each, left-aligned in 48.
const HTTP_URL: u64 = HTTP << (19 + 7) | 0b101_1100 << (12 + 7) | 0b01_1000 << (6 + 7) | 0b01_1000 << 7;
const HTTP_X: u64 = HTTP << (19 + 7) | 0b111_1001 << (12 + 7) | 0b01_0110 << (6 + 7) | 0b01_0110 << 7;
/// `http`: 6, 5, 5 and 6 bits.
const HTTP: u64 = 0b10_0111 << 16 | 0b0_1001 << 11 | 0b0_1001 << 6 | 0b10_1011;
const HTTP_URL_MASK: u64 = ((1 << 41) - 1) << 7;

/// A connection behind the shim.
pub(super) struct Shimmed {
    inner: TcpStream,
    /// Bytes of the beginning that are complete enough to be handed on, and how many of them were.
    held: Vec<u8>,
    handed: usize,
    /// Whether the beginning is over.
    through: bool,
}

impl Shimmed {
    pub(super) fn new(inner: TcpStream) -> Self {
        Self { inner, held: Vec::new(), handed: 0, through: false }
    }

    /// Reads until the first header block is complete, and mends it.
    fn poll_beginning(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.through {
            let mut space = [0; 2048];
            let mut buffer = ReadBuf::new(&mut space);
            std::task::ready!(Pin::new(&mut self.inner).poll_read(context, &mut buffer))?;
            let ended = buffer.filled().is_empty();
            self.held.extend_from_slice(buffer.filled());
            match first_block(&self.held) {
                Looked::Complete(block) => {
                    mend(&mut self.held[block]);
                    self.through = true;
                }
                Looked::Foreign => self.through = true,
                Looked::Incomplete => {
                    self.through = ended || self.held.len() > LOOK_BYTES_MAX;
                    // The server must see the client's settings at once: clients wait for the answer before they go on.
                    if !self.through && self.held.len() > self.handed && complete_frames(&self.held) > self.handed {
                        return Poll::Ready(Ok(()));
                    }
                }
            }
        }
        Poll::Ready(Ok(()))
    }

    /// How much of the beginning may be handed on now.
    fn ready_bytes(&self) -> usize {
        if self.through { self.held.len() } else { complete_frames(&self.held).max(self.handed) }
    }
}

impl AsyncRead for Shimmed {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.through && this.held.is_empty() {
            return Pin::new(&mut this.inner).poll_read(context, out);
        }
        if !this.through && this.ready_bytes() == this.handed {
            std::task::ready!(this.poll_beginning(context))?;
        }
        let ready = &this.held[this.handed..this.ready_bytes()];
        let count = ready.len().min(out.remaining());
        out.put_slice(&ready[..count]);
        this.handed += count;
        if this.through && this.handed == this.held.len() {
            this.held = Vec::new();
            this.handed = 0;
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Shimmed {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }
}

enum Looked {
    /// Where the first header block is.
    Complete(std::ops::Range<usize>),
    Incomplete,
    /// Not HTTP/2, or not as clients begin it.
    Foreign,
}

/// The frames after the preface: (start, kind, flags, end), complete or not.
fn frames(bytes: &[u8]) -> impl Iterator<Item = (usize, u8, u8, usize)> + '_ {
    let mut at = PREFACE.len();
    std::iter::from_fn(move || {
        let head = bytes.get(at..at + FRAME_HEAD_BYTES)?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let frame = (at, head[3], head[4], at + FRAME_HEAD_BYTES + length);
        at = frame.3;
        Some(frame)
    })
}

/// Bytes up to the end of the last complete frame that is no header block.
fn complete_frames(bytes: &[u8]) -> usize {
    if bytes.len() < PREFACE.len() {
        return 0;
    }
    let whole = frames(bytes).take_while(|(_, kind, _, end)| *kind != HEADERS_FRAME && *end <= bytes.len());
    whole.last().map_or(PREFACE.len(), |(_, _, _, end)| end)
}

fn first_block(bytes: &[u8]) -> Looked {
    let known = bytes.len().min(PREFACE.len());
    if bytes[..known] != PREFACE[..known] {
        return Looked::Foreign;
    }
    let Some((start, _, flags, end)) = frames(bytes).find(|(_, kind, ..)| *kind == HEADERS_FRAME) else {
        return Looked::Incomplete;
    };
    if end > bytes.len() {
        return Looked::Incomplete;
    }
    let skipped = usize::from(flags & PADDED != 0) + if flags & PRIORITY != 0 { 5 } else { 0 };
    Looked::Complete((start + FRAME_HEAD_BYTES + skipped).min(end)..end)
}

/// Makes the value of a literal `:authority` an authority.
fn mend(block: &mut [u8]) {
    let mut at = 0;
    while let Some(&first) = block.get(at) {
        // RFC 7541, section 6: an index, a table size, or a literal with its name by index or written out.
        let prefix_bits = match first {
            0x80.. => 7,
            0x40..=0x7f => 6,
            0x20..=0x3f => 5,
            _ => 4,
        };
        let Some((index, next)) = integer(block, at, prefix_bits) else { return };
        at = next;
        if matches!(first, 0x80.. | 0x20..=0x3f) {
            continue;
        }
        if index == 0 {
            let Some((name_bytes, next)) = integer(block, at, 7) else { return };
            at = next + name_bytes;
        }
        let huffman = block.get(at).is_some_and(|byte| byte & 0x80 != 0);
        let Some((value_bytes, next)) = integer(block, at, 7) else { return };
        let Some(value) = block.get_mut(next..next + value_bytes) else { return };
        // 1 is `:authority` in the static table.
        if index == 1 {
            mend_value(value, huffman);
        }
        at = next + value_bytes;
    }
}

fn mend_value(value: &mut [u8], huffman: bool) {
    if !huffman {
        if value.starts_with(b"http://") {
            value[4..7].copy_from_slice(b"x--");
        }
        return;
    }
    let Some(head) = value.first_chunk_mut::<6>() else { return };
    let [one, two, three, four, five, six] = *head;
    let bits = u64::from_be_bytes([0, 0, one, two, three, four, five, six]);
    if bits & HTTP_URL_MASK == HTTP_URL {
        let mended = (bits & !HTTP_URL_MASK) | HTTP_X;
        head.copy_from_slice(&mended.to_be_bytes()[2..]);
    }
}

/// An integer with a prefix (RFC 7541, section 5.1), and where it ends.
fn integer(block: &[u8], at: usize, prefix_bits: u32) -> Option<(usize, usize)> {
    let limit = (1 << prefix_bits) - 1;
    let prefix = usize::from(*block.get(at)?) & limit;
    if prefix < limit {
        return Some((prefix, at + 1));
    }
    let (mut value, mut shift, mut at) = (limit, 0, at + 1);
    loop {
        let byte = *block.get(at)?;
        value = (usize::from(byte & 0x7f) << shift).checked_add(value)?;
        (shift, at) = (shift + 7, at + 1);
        if byte & 0x80 == 0 {
            return Some((value, at));
        }
        if shift > 21 {
            return None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_literal_url_becomes_an_authority_of_the_same_length() {
        // :method by index, :authority literal and plain.
        let mut block = vec![0x83, 0x41, 21];
        block.extend_from_slice(b"http://127.0.0.1:2379");
        mend(&mut block);
        assert_eq!(&block[3..], b"httpx--127.0.0.1:2379");
    }

    #[test]
    fn a_huffman_coded_url_becomes_an_authority_of_the_same_length() {
        // The code of `http://` and the seven bits that follow.
        let coded = HTTP_URL.to_be_bytes();
        let mut block = vec![0x83, 0x41, 0x80 | 6];
        block.extend_from_slice(&coded[2..]);
        mend(&mut block);
        assert_eq!(block[3..], HTTP_X.to_be_bytes()[2..]);
        assert_eq!(block[..3], [0x83, 0x41, 0x86]);
        assert_eq!(HTTP_URL.to_be_bytes()[2..], [0x9d, 0x29, 0xae, 0xe3, 0x0c, 0x00]);
    }

    #[test]
    fn an_ordinary_authority_is_left_alone() {
        let mut block = vec![0x83, 0x41, 14];
        block.extend_from_slice(b"127.0.0.1:2379");
        let before = block.clone();
        mend(&mut block);
        assert_eq!(block, before);
    }

    proptest! {
        #[test]
        fn any_beginning_goes_through_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let mut bytes = [PREFACE, &bytes].concat();
            let length = bytes.len();
            let complete = complete_frames(&bytes);
            prop_assert!(complete <= length);
            if let Looked::Complete(block) = first_block(&bytes) {
                mend(&mut bytes[block]);
            }
            prop_assert_eq!(bytes.len(), length);
        }
    }
}
