//! JSON in, and the words of Go's `encoding/json` for what is not JSON.

use serde::de::DeserializeSeed;

use super::build::{Findings, Seed};
use super::{DecodeError, Decoded, NESTING_DEPTH_MAX};

pub(super) fn decode(body: &[u8]) -> Result<Decoded, DecodeError> {
    match std::str::from_utf8(body) {
        Ok(_) => decode_text(body),
        // Go reads every byte that is no UTF-8 as U+FFFD.
        Err(_) => decode_text(String::from_utf8_lossy(body).as_bytes()),
    }
}

fn decode_text(body: &[u8]) -> Result<Decoded, DecodeError> {
    let findings = Findings::default();
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let value = Seed { findings: &findings, depth: 0 }
        .deserialize(&mut deserializer)
        .and_then(|value| deserializer.end().map(|()| value));
    match value {
        Ok(value) => {
            let duplicates = findings.into_duplicates();
            let duplicates = duplicates.into_iter().map(|path| format!("duplicate field \"{path}\"")).collect();
            Ok(Decoded { value, duplicates })
        }
        Err(_) if findings.too_deep() => Err(DecodeError::Json("exceeded max depth".into())),
        Err(error) => {
            let complaint = Scanner { body, at: 0, depth: 0 }.complaint();
            // Go takes numbers of any size and halves of surrogate pairs; both are refused here.
            Err(DecodeError::Json(complaint.unwrap_or_else(|| error.to_string())))
        }
    }
}

type Scan = Result<(), String>;

/// Walks a body as Go's scanner does and says what Go would say about the first wrong byte.
struct Scanner<'a> {
    body: &'a [u8],
    at: usize,
    depth: usize,
}

impl Scanner<'_> {
    fn complaint(mut self) -> Option<String> {
        self.document().err()
    }

    fn document(&mut self) -> Scan {
        self.value()?;
        self.space();
        if self.at < self.body.len() { self.wrong("after top-level value") } else { Ok(()) }
    }

    fn peek(&self) -> Option<u8> {
        self.body.get(self.at).copied()
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
    }

    fn wrong(&self, context: &str) -> Scan {
        match self.peek() {
            None => Err("unexpected end of JSON input".into()),
            Some(byte) => Err(format!("invalid character {} {context}", quote_byte(byte))),
        }
    }

    fn value(&mut self) -> Scan {
        self.space();
        match self.peek() {
            Some(b'{') => self.nested(Self::object),
            Some(b'[') => self.nested(Self::array),
            Some(b'"') => self.string(),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.literal("true"),
            Some(b'f') => self.literal("false"),
            Some(b'n') => self.literal("null"),
            _ => self.wrong("looking for beginning of value"),
        }
    }

    /// The decoder may have stopped at something that Go would accept, above a depth that nobody should walk.
    fn nested(&mut self, walk: fn(&mut Self) -> Scan) -> Scan {
        self.depth += 1;
        if self.depth > NESTING_DEPTH_MAX {
            return Err("exceeded max depth".into());
        }
        walk(self)?;
        self.depth -= 1;
        Ok(())
    }

    fn object(&mut self) -> Scan {
        self.at += 1;
        self.space();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(());
        }
        loop {
            self.space();
            if self.peek() != Some(b'"') {
                return self.wrong("looking for beginning of object key string");
            }
            self.string()?;
            self.space();
            if self.peek() != Some(b':') {
                return self.wrong("after object key");
            }
            self.at += 1;
            self.value()?;
            self.space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => {
                    self.at += 1;
                    return Ok(());
                }
                _ => return self.wrong("after object key:value pair"),
            }
        }
    }

    fn array(&mut self) -> Scan {
        self.at += 1;
        self.space();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(());
        }
        loop {
            self.value()?;
            self.space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => {
                    self.at += 1;
                    return Ok(());
                }
                _ => return self.wrong("after array element"),
            }
        }
    }

    fn string(&mut self) -> Scan {
        self.at += 1;
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(b'\\') => {
                    self.at += 1;
                    self.escape()?;
                }
                Some(0x20..) => self.at += 1,
                _ => return self.wrong("in string literal"),
            }
        }
    }

    fn escape(&mut self) -> Scan {
        match self.peek() {
            Some(b'b' | b'f' | b'n' | b'r' | b't' | b'\\' | b'/' | b'"') => {
                self.at += 1;
                Ok(())
            }
            Some(b'u') => {
                self.at += 1;
                for _ in 0..4 {
                    if !self.peek().is_some_and(|byte| byte.is_ascii_hexdigit()) {
                        return self.wrong("in \\u hexadecimal character escape");
                    }
                    self.at += 1;
                }
                Ok(())
            }
            _ => self.wrong("in string escape code"),
        }
    }

    fn digits(&mut self, context: &str) -> Scan {
        if !self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            return self.wrong(context);
        }
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        Ok(())
    }

    fn number(&mut self) -> Scan {
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        match self.peek() {
            Some(b'0') => self.at += 1,
            _ => self.digits("in numeric literal")?,
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits("after decimal point in numeric literal")?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits("in exponent of numeric literal")?;
        }
        Ok(())
    }

    fn literal(&mut self, word: &str) -> Scan {
        self.at += 1;
        for expected in word.bytes().skip(1) {
            if self.peek() != Some(expected) {
                return self.wrong(&format!("in literal {word} (expecting '{}')", expected as char));
            }
            self.at += 1;
        }
        Ok(())
    }
}

fn quote_byte(byte: u8) -> String {
    match byte {
        b'\'' => r"'\''".into(),
        b'"' => "'\"'".into(),
        byte => {
            let quoted = crate::gotext::quote(&(byte as char).to_string());
            format!("'{}'", &quoted[1..quoted.len() - 1])
        }
    }
}
