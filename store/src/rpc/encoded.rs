//! etcd's watch response, put together from events that were encoded once for all watchers.

use bytes::{Buf, BufMut, Bytes};
use prost::DecodeError;
use prost::encoding::{DecodeContext, WireType, skip_field};
use store_types::etcdserverpb as pb;

/// Same bytes on the wire as [`pb::WatchResponse`].
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct WatchResponse {
    /// Everything but the events.
    pub(crate) head: pb::WatchResponse,
    /// The events, each as an encoded field 11, in order.
    pub(crate) events: Vec<Bytes>,
}

impl From<pb::WatchResponse> for WatchResponse {
    fn from(head: pb::WatchResponse) -> Self {
        Self { head, events: Vec::new() }
    }
}

impl prost::Message for WatchResponse {
    fn encode_raw(&self, out: &mut impl BufMut) {
        self.head.encode_raw(out);
        for event in &self.events {
            out.put_slice(event);
        }
    }

    /// The server only sends these; what is fed in all the same is skipped.
    fn merge_field(
        &mut self,
        tag: u32,
        wire_type: WireType,
        buffer: &mut impl Buf,
        context: DecodeContext,
    ) -> Result<(), DecodeError> {
        skip_field(wire_type, tag, buffer, context)
    }

    fn encoded_len(&self) -> usize {
        self.head.encoded_len() + self.events.iter().map(Bytes::len).sum::<usize>()
    }

    fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use prost::Message;
    use store_types::Event;

    #[test]
    fn the_bytes_are_those_of_the_plain_response() {
        let plain = pb::WatchResponse { watch_id: 3, events: vec![Event::default(); 2], ..Default::default() };
        let mut encoded = WatchResponse::from(pb::WatchResponse { watch_id: 3, ..Default::default() });
        encoded.events = vec![Bytes::from_static(&[11 << 3 | 2, 0]); 2];
        assert_eq!(encoded.encode_to_vec(), plain.encode_to_vec());
        assert_eq!(encoded.encoded_len(), plain.encoded_len());
    }
}
