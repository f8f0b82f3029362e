//! The value in the store: a small binary header with what selectors and caches need, then the object's JSON.
//!
//! FORMAT.md documents every byte. The header is read without touching the JSON; the JSON never carries a
//! resourceVersion, its place is the splice point. Not here: what the fields mean, and who may write them.

use api_machinery::codec::encode_with_splice_point;
use bytes::{BufMut, Bytes, BytesMut};
use serde_json::{Map, Value};

/// Version of the layout, the first byte of every value.
pub(crate) const VERSION: u8 = 1;
/// Flag: `metadata.deletionTimestamp` is set.
pub(crate) const FLAG_DELETING: u8 = 1;
/// Flag: `metadata.finalizers` is not empty.
pub(crate) const FLAG_FINALIZERS: u8 = 2;

const FIXED_BYTES: usize = 10;
/// Room for the header before it is known; a longer one costs a reallocation.
const HEADER_BYTES_GUESS: usize = 256;

/// Why bytes are not an envelope.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    /// The object cannot be stored: a string is longer than its length field can say.
    #[error("{0} is too long to be stored")]
    TooLong(&'static str),
    /// The object has no metadata map.
    #[error("metadata is missing")]
    NoMetadata,
    /// The first byte names a layout that this build does not know.
    #[error("unknown envelope version {0}")]
    UnknownVersion(u8),
    /// The value ends inside a field, or a field is not UTF-8.
    #[error("damaged envelope at byte {0}")]
    Damaged(usize),
}

/// Where things are within the bytes of one envelope. Offsets are checked once, by [`Layout::parse`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    pub(crate) flags: u8,
    uid: Span,
    created: Span,
    labels: u32,
    fields: u32,
    json: u32,
    /// Absolute offset of the byte before which the resourceVersion goes.
    splice: u32,
}

/// A string of at most 255 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Span {
    start: u32,
    bytes: u8,
}

/// Writes the envelope of `object`; `metadata.resourceVersion` is left out.
pub(crate) fn encode(object: &Value, fields: &[(&'static str, String)]) -> Result<Bytes, EnvelopeError> {
    let metadata = object.get("metadata").and_then(Value::as_object).ok_or(EnvelopeError::NoMetadata)?;
    let text = |name: &str| metadata.get(name).and_then(Value::as_str).unwrap_or_default();
    let mut flags = 0;
    if metadata.get("deletionTimestamp").is_some_and(|time| !time.is_null()) {
        flags |= FLAG_DELETING;
    }
    if metadata.get("finalizers").and_then(Value::as_array).is_some_and(|list| !list.is_empty()) {
        flags |= FLAG_FINALIZERS;
    }
    let (encoded, splice) = encode_with_splice_point(object);
    let mut out = BytesMut::with_capacity(encoded.len() + HEADER_BYTES_GUESS);
    out.put_u8(VERSION);
    out.put_u8(flags);
    out.put_u64_le(0);
    put_short(&mut out, text("uid"), "metadata.uid")?;
    put_short(&mut out, text("creationTimestamp"), "metadata.creationTimestamp")?;
    let none = Map::new();
    let labels = metadata.get("labels").and_then(Value::as_object).unwrap_or(&none);
    put_pairs(&mut out, labels.iter().filter_map(|(key, value)| Some((key.as_str(), value.as_str()?))), "a label")?;
    put_pairs(&mut out, fields.iter().map(|(key, value)| (*key, value.as_str())), "a selectable field")?;
    let json = out.len();
    out.put_slice(&encoded);
    let (json, splice) = match (u32::try_from(json), u32::try_from(json + splice)) {
        (Ok(json), Ok(splice)) if u32::try_from(out.len()).is_ok() => (json, splice),
        _ => return Err(EnvelopeError::TooLong("the object")),
    };
    out[2..6].copy_from_slice(&json.to_le_bytes());
    out[6..10].copy_from_slice(&splice.to_le_bytes());
    Ok(out.freeze())
}

impl Layout {
    /// Checks a value from the store.
    pub(crate) fn parse(value: &[u8]) -> Result<Self, EnvelopeError> {
        match value.first() {
            Some(&VERSION) => {}
            Some(&other) => return Err(EnvelopeError::UnknownVersion(other)),
            None => return Err(EnvelopeError::Damaged(0)),
        }
        let number = |at: usize| {
            let bytes = value.get(at..at + 4).ok_or(EnvelopeError::Damaged(at))?;
            Ok(u32::from_le_bytes(bytes.try_into().expect("four bytes were taken")))
        };
        let (flags, json, splice) = (*value.get(1).ok_or(EnvelopeError::Damaged(1))?, number(2)?, number(6)?);
        if json as usize >= value.len() || splice <= json || splice as usize >= value.len() {
            return Err(EnvelopeError::Damaged(2));
        }
        let header = &value[..json as usize];
        let mut at = FIXED_BYTES;
        let uid = short(header, &mut at)?;
        let created = short(header, &mut at)?;
        let labels = at as u32;
        skip_pairs(header, &mut at)?;
        let fields = at as u32;
        skip_pairs(header, &mut at)?;
        if at != header.len() || !value[splice as usize - 1..].starts_with(b"{") {
            return Err(EnvelopeError::Damaged(at));
        }
        Ok(Self { flags, uid, created, labels, fields, json, splice })
    }

    pub(crate) fn uid<'a>(&self, value: &'a [u8]) -> &'a str {
        text(value, self.uid.start as usize, usize::from(self.uid.bytes))
    }

    pub(crate) fn created<'a>(&self, value: &'a [u8]) -> &'a str {
        text(value, self.created.start as usize, usize::from(self.created.bytes))
    }

    pub(crate) fn labels<'a>(&self, value: &'a [u8]) -> Pairs<'a> {
        Pairs::new(value, self.labels as usize)
    }

    pub(crate) fn fields<'a>(&self, value: &'a [u8]) -> Pairs<'a> {
        Pairs::new(value, self.fields as usize)
    }

    pub(crate) fn json_start(&self) -> usize {
        self.json as usize
    }

    pub(crate) fn splice(&self) -> usize {
        self.splice as usize
    }
}

/// Iterates over checked pairs.
#[derive(Clone, Debug)]
pub(crate) struct Pairs<'a> {
    value: &'a [u8],
    at: usize,
    left: u16,
}

impl<'a> Pairs<'a> {
    fn new(value: &'a [u8], at: usize) -> Self {
        Self { value, at: at + 2, left: u16_at(value, at) }
    }

    fn next_bytes(&mut self) -> Option<(&'a [u8], &'a [u8])> {
        self.left = self.left.checked_sub(1)?;
        let mut take = || {
            let bytes = usize::from(u16_at(self.value, self.at));
            let start = self.at + 2;
            self.at = start + bytes;
            &self.value[start..start + bytes]
        };
        Some((take(), take()))
    }

    /// The value of `key`; compares bytes, allocates nothing.
    pub(crate) fn find(mut self, key: &str) -> Option<&'a str> {
        while let Some((candidate, value)) = self.next_bytes() {
            if candidate == key.as_bytes() {
                return Some(std::str::from_utf8(value).expect("pairs were checked to be UTF-8 when parsed"));
            }
        }
        None
    }
}

impl<'a> Iterator for Pairs<'a> {
    type Item = (&'a str, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        let (key, value) = self.next_bytes()?;
        let checked = |bytes| std::str::from_utf8(bytes).expect("pairs were checked to be UTF-8 when parsed");
        Some((checked(key), checked(value)))
    }
}

fn put_short(out: &mut BytesMut, text: &str, what: &'static str) -> Result<(), EnvelopeError> {
    out.put_u8(u8::try_from(text.len()).map_err(|_| EnvelopeError::TooLong(what))?);
    out.put_slice(text.as_bytes());
    Ok(())
}

fn put_pairs<'a>(
    out: &mut BytesMut,
    pairs: impl Iterator<Item = (&'a str, &'a str)>,
    what: &'static str,
) -> Result<(), EnvelopeError> {
    let count_at = out.len();
    out.put_u16_le(0);
    let mut count = 0u16;
    for (key, value) in pairs {
        count = count.checked_add(1).ok_or(EnvelopeError::TooLong(what))?;
        for text in [key, value] {
            out.put_u16_le(u16::try_from(text.len()).map_err(|_| EnvelopeError::TooLong(what))?);
            out.put_slice(text.as_bytes());
        }
    }
    out[count_at..count_at + 2].copy_from_slice(&count.to_le_bytes());
    Ok(())
}

fn short(header: &[u8], at: &mut usize) -> Result<Span, EnvelopeError> {
    let bytes = *header.get(*at).ok_or(EnvelopeError::Damaged(*at))?;
    let start = *at + 1;
    let end = start + usize::from(bytes);
    header.get(start..end).and_then(|text| std::str::from_utf8(text).ok()).ok_or(EnvelopeError::Damaged(start))?;
    *at = end;
    Ok(Span { start: start as u32, bytes })
}

fn skip_pairs(header: &[u8], at: &mut usize) -> Result<(), EnvelopeError> {
    let read = |at: usize| header.get(at..at + 2).map(|_| u16_at(header, at)).ok_or(EnvelopeError::Damaged(at));
    let count = read(*at)?;
    *at += 2;
    for _ in 0..u32::from(count) * 2 {
        let end = *at + 2 + usize::from(read(*at)?);
        let text = header.get(*at + 2..end).ok_or(EnvelopeError::Damaged(*at))?;
        std::str::from_utf8(text).map_err(|_| EnvelopeError::Damaged(*at))?;
        *at = end;
    }
    Ok(())
}

fn u16_at(value: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([value[at], value[at + 1]])
}

fn text(value: &[u8], start: usize, bytes: usize) -> &str {
    std::str::from_utf8(&value[start..start + bytes]).expect("checked to be UTF-8 when parsed")
}

#[cfg(test)]
mod tests;
