//! Envelopes of lists: the bytes around items that are copied, not encoded.

use bytes::BufMut;

/// Metadata of a list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ListMeta<'a> {
    /// Revision that the whole list shows; 0 is left out.
    pub resource_version: i64,
    /// Token for the rest; empty if this is all.
    pub continue_token: &'a str,
    /// How many objects follow, if known.
    pub remaining_item_count: Option<i64>,
}

impl ListMeta<'_> {
    /// Appends it as JSON.
    pub fn write(&self, out: &mut impl BufMut) {
        let mut separator = b'{';
        let mut number = itoa::Buffer::new();
        if self.resource_version > 0 {
            out.put_u8(separator);
            separator = b',';
            out.put_slice(b"\"resourceVersion\":\"");
            out.put_slice(number.format(self.resource_version).as_bytes());
            out.put_u8(b'"');
        }
        if !self.continue_token.is_empty() {
            out.put_u8(separator);
            separator = b',';
            out.put_slice(b"\"continue\":");
            out.put_slice(serde_json::Value::from(self.continue_token).to_string().as_bytes());
        }
        if let Some(count) = self.remaining_item_count {
            out.put_u8(separator);
            separator = b',';
            out.put_slice(b"\"remainingItemCount\":");
            out.put_slice(number.format(count).as_bytes());
        }
        if separator == b'{' {
            out.put_u8(b'{');
        }
        out.put_u8(b'}');
    }
}

/// Appends a list up to its first item. `kind` is that of the list, such as `PodList`.
pub fn write_head(api_version: &str, kind: &str, meta: &ListMeta<'_>, out: &mut impl BufMut) {
    out.put_slice(b"{\"kind\":\"");
    out.put_slice(kind.as_bytes());
    out.put_slice(b"\",\"apiVersion\":\"");
    out.put_slice(api_version.as_bytes());
    out.put_slice(b"\",\"metadata\":");
    meta.write(out);
    out.put_slice(b",\"items\":[");
}

/// Appends a whole list of nothing that says `null` where its items would be, as Go writes a list that was never made.
pub fn write_null(api_version: &str, kind: &str, meta: &ListMeta<'_>, out: &mut bytes::BytesMut) {
    write_head(api_version, kind, meta, out);
    out.truncate(out.len() - 1);
    out.put_slice(b"null}");
}

/// Appends the end of a list.
pub fn write_tail(out: &mut impl BufMut) {
    out.put_slice(b"]}");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(meta: ListMeta<'_>) -> String {
        let mut out = Vec::new();
        write_head("v1", "PodList", &meta, &mut out);
        write_tail(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn list_metadata_leaves_out_what_is_not_known() {
        assert_eq!(list(ListMeta::default()), r#"{"kind":"PodList","apiVersion":"v1","metadata":{},"items":[]}"#);
        assert_eq!(
            list(ListMeta { resource_version: 5, continue_token: "a\"", remaining_item_count: Some(0) }),
            r#"{"kind":"PodList","apiVersion":"v1","metadata":{"resourceVersion":"5","continue":"a\"","remainingItemCount":0},"items":[]}"#
        );
        assert_eq!(
            list(ListMeta { remaining_item_count: Some(3), ..ListMeta::default() }),
            r#"{"kind":"PodList","apiVersion":"v1","metadata":{"remainingItemCount":3},"items":[]}"#
        );
    }
}
