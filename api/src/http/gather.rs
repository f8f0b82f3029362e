//! What a connection writes in one turn of its task goes out together: one run of TLS records, one system call.
//!
//! HTTP/2 hands every DATA frame to the socket on its own and flushes behind each, so fifty watches on one connection
//! would cost fifty system calls an event. Here writes only gather; [`Gathered::poll_send`], called once at the end of a
//! turn, sends them. Invariants: bytes keep their order; nothing is held back beyond the turn in which it was written,
//! unless the peer does not read; never more than [`GATHERED_BYTES_MAX`] are held, and none while idle.

use parking_lot::Mutex;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What is gathered before it is sent within a turn: two full TLS records. When it is full and the peer does not read,
/// the writer waits.
pub const GATHERED_BYTES_MAX: usize = 32 * 1024;

/// A stream whose writes gather. Clones are the same stream: one goes to hyper, one stays with who ends the turns. Both
/// are polled by one task, so the lock is never waited for.
pub struct Gathered<I>(Arc<Mutex<Output<I>>>);

struct Output<I> {
    io: I,
    bytes: Vec<u8>,
    /// How much of `bytes` is sent.
    sent: usize,
    /// Whether `io` may hold bytes of its own that are to be sent.
    is_dirty: bool,
    /// Whether writes wait for the end of the turn.
    gathers: bool,
}

impl<I> Clone for Gathered<I> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<I: AsyncWrite + Unpin> Gathered<I> {
    /// Gathers writes to `io`.
    pub fn new(io: I) -> Self {
        Self(Arc::new(Mutex::new(Output { io, bytes: Vec::new(), sent: 0, is_dirty: false, gathers: true })))
    }

    /// Whether writes are to wait for the end of the turn. Where one request has the connection for itself there is
    /// nothing to join, and its bytes are spared a copy.
    pub fn set_gathering(&self, gathers: bool) {
        self.0.lock().gathers = gathers;
    }

    /// Sends what has been written since the last call. While the peer does not read this is pending, and the task is
    /// woken when it does.
    pub fn poll_send(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.lock().poll_send(cx)
    }
}

impl<I: AsyncWrite + Unpin> Output<I> {
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_drain(cx))?;
        if self.is_dirty {
            ready!(Pin::new(&mut self.io).poll_flush(cx))?;
            self.is_dirty = false;
        }
        Poll::Ready(Ok(()))
    }

    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.sent < self.bytes.len() {
            self.is_dirty = true;
            match ready!(Pin::new(&mut self.io).poll_write(cx, &self.bytes[self.sent..]))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                bytes => self.sent += bytes,
            }
        }
        self.bytes = Vec::new();
        self.sent = 0;
        Poll::Ready(Ok(()))
    }

    fn poll_gather(&mut self, cx: &mut Context<'_>, pieces: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        if self.bytes.len() >= GATHERED_BYTES_MAX {
            ready!(self.poll_drain(cx))?;
        }
        if !self.gathers && self.bytes.is_empty() {
            self.is_dirty = true;
            return Pin::new(&mut self.io).poll_write_vectored(cx, pieces);
        }
        let before = self.bytes.len();
        let wanted: usize = pieces.iter().map(|piece| piece.len()).sum();
        self.bytes.reserve(wanted.min(GATHERED_BYTES_MAX - before));
        for piece in pieces {
            let room = GATHERED_BYTES_MAX - self.bytes.len();
            self.bytes.extend_from_slice(&piece[..piece.len().min(room)]);
        }
        Poll::Ready(Ok(self.bytes.len() - before))
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for Gathered<I> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0.lock().io).poll_read(cx, buf)
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Gathered<I> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.0.lock().poll_gather(cx, &[IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.0.lock().poll_gather(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// Nothing: the end of the turn flushes.
    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut output = self.0.lock();
        ready!(output.poll_send(cx))?;
        Pin::new(&mut output.io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;
    use std::future::poll_fn;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    /// Counts writes; takes at most `room` bytes.
    #[derive(Default)]
    struct Socket {
        writes: usize,
        room: usize,
        bytes: Vec<u8>,
    }

    impl AsyncWrite for Socket {
        fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
            let taken = buf.len().min(self.room);
            if taken == 0 {
                return Poll::Pending;
            }
            self.writes += 1;
            self.room -= taken;
            self.bytes.extend_from_slice(&buf[..taken]);
            Poll::Ready(Ok(taken))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[tokio::test]
    async fn writes_of_one_turn_are_one_write_of_the_socket_and_nothing_is_kept_afterwards() {
        let mut gathered = Gathered::new(Socket { room: usize::MAX, ..Socket::default() });
        for piece in ["one ", "two ", "three"] {
            gathered.write_all(piece.as_bytes()).await.expect("there is room");
            gathered.flush().await.expect("nothing to do");
        }
        assert_eq!(gathered.0.lock().io.writes, 0);
        poll_fn(|cx| gathered.poll_send(cx)).await.expect("the socket takes it");
        let output = gathered.0.lock();
        assert_eq!((output.io.writes, &output.io.bytes[..]), (1, &b"one two three"[..]));
        assert_eq!(output.bytes.capacity(), 0);
    }

    #[tokio::test]
    async fn a_peer_that_does_not_read_stops_the_writer_at_the_limit_and_loses_nothing() {
        let mut gathered = Gathered::new(Socket { room: 10, ..Socket::default() });
        let wanted: Vec<u8> = (0..GATHERED_BYTES_MAX + 100).map(|at| at as u8).collect();
        assert_eq!(gathered.write(&wanted).await.expect("there is room"), GATHERED_BYTES_MAX);
        assert!(gathered.write(&wanted[GATHERED_BYTES_MAX..]).now_or_never().is_none());
        assert!(poll_fn(|cx| gathered.poll_send(cx)).now_or_never().is_none());
        gathered.0.lock().io.room = usize::MAX;
        gathered.write_all(&wanted[GATHERED_BYTES_MAX..]).await.expect("there is room again");
        gathered.shutdown().await.expect("the socket takes it");
        assert_eq!(gathered.0.lock().io.bytes, wanted);
    }

    #[tokio::test]
    async fn a_lone_request_writes_straight_to_the_socket_but_never_past_what_is_gathered() {
        let mut gathered = Gathered::new(Socket { room: usize::MAX, ..Socket::default() });
        gathered.write_all(b"one ").await.expect("there is room");
        gathered.set_gathering(false);
        gathered.write_all(b"two ").await.expect("there is room");
        assert_eq!(gathered.0.lock().io.writes, 0);
        poll_fn(|cx| gathered.poll_send(cx)).await.expect("the socket takes it");
        gathered.write_all(b"three").await.expect("there is room");
        let output = gathered.0.lock();
        assert_eq!((output.io.writes, &output.io.bytes[..]), (2, &b"one two three"[..]));
    }

    #[tokio::test]
    async fn bytes_that_come_in_are_read_as_they_are() {
        let (mut far, near) = tokio::io::duplex(64);
        let mut gathered = Gathered::new(near);
        far.write_all(b"hello").await.expect("there is room");
        let mut read = [0; 5];
        gathered.read_exact(&mut read).await.expect("it is there");
        assert_eq!(&read, b"hello");
    }
}
