//! The query string of a request, decoded as upstream's parameter codec does it.

use api_machinery::gotext::quote;
use api_machinery::status::Status;
use std::borrow::Cow;

/// A raw query string; parameters are decoded when asked for.
#[derive(Clone, Copy, Debug)]
pub struct Query<'a>(&'a str);

impl<'a> Query<'a> {
    /// Of a request's URI.
    pub fn of(uri: &'a http::Uri) -> Self {
        Self(uri.query().unwrap_or(""))
    }

    /// Of text.
    pub fn new(raw: &'a str) -> Self {
        Self(raw)
    }

    /// Whether there are no parameters.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All parameters in order. Those that are not properly encoded are left out, as Go does.
    pub fn pairs(self) -> impl Iterator<Item = (Cow<'a, str>, Cow<'a, str>)> {
        self.0.split('&').filter(|pair| !pair.is_empty()).filter_map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            Some((unescape(key)?, unescape(value)?))
        })
    }

    /// The first value of a parameter.
    pub fn get(self, name: &str) -> Option<Cow<'a, str>> {
        self.pairs().find(|(key, _)| key == name).map(|(_, value)| value)
    }

    /// All values of a parameter.
    pub fn all(self, name: &str) -> Vec<String> {
        self.pairs().filter(|(key, _)| key == name).map(|(_, value)| value.into_owned()).collect()
    }

    /// The first value, "" where there is none.
    pub fn text(self, name: &str) -> Cow<'a, str> {
        self.get(name).unwrap_or_default()
    }

    /// A flag: set without a value is true, `false` and `0` are false, anything else is true.
    pub fn flag(self, name: &str) -> Option<bool> {
        self.get(name).map(|value| is_true(&value))
    }

    /// A whole number.
    ///
    /// # Errors
    /// Not a number: BadRequest with Go's text.
    pub fn number(self, name: &str) -> Result<Option<i64>, Status> {
        self.get(name).map(|value| parse_number(&value)).transpose()
    }
}

/// Upstream's reading of a boolean parameter.
pub fn is_true(value: &str) -> bool {
    !(value.eq_ignore_ascii_case("false") || value == "0")
}

fn parse_number(value: &str) -> Result<i64, Status> {
    let digits = value.strip_prefix(['+', '-']).unwrap_or(value);
    let well_formed = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    match value.parse::<i64>() {
        Ok(number) => Ok(number),
        Err(_) => {
            let why = if well_formed { "value out of range" } else { "invalid syntax" };
            Err(Status::bad_request(format!("strconv.ParseInt: parsing {}: {why}", quote(value))))
        }
    }
}

fn unescape(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains(['%', '+']) {
        return Some(Cow::Borrowed(text));
    }
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'+' => out.push(b' '),
            b'%' => {
                let (high, low) = (hex(bytes.next()?)?, hex(bytes.next()?)?);
                out.push(high << 4 | low);
            }
            other => out.push(other),
        }
    }
    String::from_utf8(out).ok().map(Cow::Owned)
}

fn hex(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_decoded() {
        let query = Query::new("labelSelector=a%3Db%2Cc&x=1+2&watch&bad=%zz&limit=5");
        assert_eq!(query.text("labelSelector"), "a=b,c");
        assert_eq!(query.text("x"), "1 2");
        assert_eq!(query.flag("watch"), Some(true));
        assert_eq!(query.get("bad"), None);
        assert_eq!(query.number("limit").expect("a number"), Some(5));
        assert_eq!(query.number("nothing").expect("absent"), None);
    }

    #[test]
    fn flags_are_read_as_upstream_reads_them() {
        for (text, want) in [("w=", true), ("w=true", true), ("w=1", true), ("w=0", false), ("w=False", false)] {
            assert_eq!(Query::new(text).flag("w"), Some(want), "{text}");
        }
    }

    #[test]
    fn bad_numbers_are_refused_with_gos_text() {
        let status = Query::new("limit=abc").number("limit").expect_err("not a number");
        assert_eq!(status.message, r#"strconv.ParseInt: parsing "abc": invalid syntax"#);
        assert_eq!(status.code, 400);
        let status = Query::new("limit=99999999999999999999").number("limit").expect_err("too big");
        assert_eq!(status.message, r#"strconv.ParseInt: parsing "99999999999999999999": value out of range"#);
    }
}
