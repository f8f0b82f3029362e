//! The lines of a watch, as they come in.

use anyhow::{Context, Result, bail};
use bytes::BytesMut;
use http_body_util::BodyExt;
use hyper::body::Incoming;

/// A watch that is read line by line, without a look at what the lines say.
pub(crate) struct Lines {
    body: Incoming,
    pending: BytesMut,
}

impl Lines {
    /// Reads the body of a watch's answer.
    pub(crate) fn of(body: Incoming) -> Self {
        Self { body, pending: BytesMut::new() }
    }

    /// The next line, with its end.
    ///
    /// # Errors
    /// The server ended the stream, or it broke off.
    pub(crate) async fn next(&mut self) -> Result<BytesMut> {
        loop {
            if let Some(end) = memchr::memchr(b'\n', &self.pending) {
                return Ok(self.pending.split_to(end + 1));
            }
            let Some(frame) = self.body.frame().await else { bail!("the server ended the stream") };
            let data = frame.context("the stream broke off")?.into_data().unwrap_or_default();
            self.pending.extend_from_slice(&data);
        }
    }
}
