//! Filter: what handlers warn about becomes `Warning` headers, formed and cut as upstream does (RFC 7234, 5.5).

use crate::http::RequestContext;
use ::http::header::{HeaderMap, HeaderValue, WARNING};

/// All warnings of an answer together; when more, each is cut to [`ITEM_CHARS_MAX`] (upstream's values).
pub const TOTAL_CHARS_MAX: usize = 4 * 1024;
/// One warning of an answer that has too much of them.
pub const ITEM_CHARS_MAX: usize = 256;

/// Adds the headers.
pub fn write(cx: &RequestContext, headers: &mut HeaderMap) {
    let warnings = cx.take_warnings();
    if warnings.is_empty() {
        return;
    }
    let cut = warnings.iter().map(|text| text.chars().count()).sum::<usize>() > TOTAL_CHARS_MAX;
    let mut chars_left = TOTAL_CHARS_MAX;
    for text in warnings {
        let text: String = if cut { text.chars().take(ITEM_CHARS_MAX.min(chars_left)).collect() } else { text };
        chars_left = chars_left.saturating_sub(text.chars().count());
        if let Some(value) = header(&text) {
            headers.append(WARNING, value);
        }
        if cut && chars_left == 0 {
            break;
        }
    }
}

/// `299 - "text"`; `None` for what no header can carry.
fn header(text: &str) -> Option<HeaderValue> {
    if text.is_empty() || text.chars().any(char::is_control) {
        return None;
    }
    let mut line = String::with_capacity(text.len() + 10);
    line.push_str("299 - \"");
    for char in text.chars() {
        if matches!(char, '"' | '\\') {
            line.push('\\');
        }
        line.push(char);
    }
    line.push('"');
    HeaderValue::from_bytes(line.as_bytes()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::UserInfo;
    use crate::filters::request_info::RequestInfo;
    use std::sync::Arc;

    fn headers(warnings: &[&str]) -> Vec<String> {
        let info = RequestInfo::from_parts(&::http::Method::GET, "/", "").expect("good");
        let cx = RequestContext::new(info, Arc::new(UserInfo::anonymous()));
        warnings.iter().for_each(|text| cx.warn(*text));
        let mut headers = HeaderMap::new();
        write(&cx, &mut headers);
        headers.get_all(WARNING).iter().map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()).collect()
    }

    #[test]
    fn a_warning_is_quoted_and_sent_once() {
        assert_eq!(
            headers(&["unknown field \"spec.x\"", "b", "b", ""]),
            [r#"299 - "unknown field \"spec.x\"""#, r#"299 - "b""#]
        );
        assert_eq!(headers(&["two\nlines"]), Vec::<String>::new());
    }

    #[test]
    fn too_many_words_are_cut() {
        let long: Vec<String> = (0..40).map(|n| format!("{n:03}").repeat(100)).collect();
        let sent = headers(&long.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(sent.len(), 16);
        assert!(sent.iter().all(|line| line.len() <= ITEM_CHARS_MAX + 8));
    }
}
