//! Whether a text can be the name of an image (the grammar of the distribution project's references). Pure.

/// Longest tag.
const TAG_BYTES_MAX: usize = 128;
/// Fewest digits of a digest.
const DIGEST_DIGITS_MIN: usize = 32;
const INVALID: &str = "invalid reference format";

/// Checks `[REGISTRY/]REPOSITORY[:TAG][@DIGEST]`.
///
/// # Errors
/// It is something else; in the words of upstream's parser.
pub(super) fn check(image: &str) -> Result<(), String> {
    let (name, digest) = match image.split_once('@') {
        Some((name, digest)) => (name, Some(digest)),
        None => (image, None),
    };
    let path = match name.split_once('/') {
        Some((first, rest)) if first.contains(['.', ':']) || first == "localhost" || has_upper(first) => {
            if !is_registry(first) {
                return Err(INVALID.to_owned());
            }
            rest.to_owned()
        }
        Some(_) => name.to_owned(),
        None => format!("library/{name}"),
    };
    let (repository, tag) = match path.split_once(':') {
        Some((repository, tag)) => (repository, Some(tag)),
        None => (path.as_str(), None),
    };
    if has_upper(repository) {
        return Err(format!("{INVALID}: repository name ({repository}) must be lowercase"));
    }
    let is_good = repository.split('/').all(is_component) && tag.is_none_or(is_tag) && digest.is_none_or(is_digest);
    if is_good { Ok(()) } else { Err(INVALID.to_owned()) }
}

fn has_upper(text: &str) -> bool {
    text.bytes().any(|byte| byte.is_ascii_uppercase())
}

fn is_registry(text: &str) -> bool {
    let (host, port) = text.split_once(':').unwrap_or((text, "0"));
    let is_part = |part: &str| {
        part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !part.is_empty()
            && !part.starts_with('-')
            && !part.ends_with('-')
    };
    host.split('.').all(is_part) && !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit())
}

/// Letters and digits, in between one dot, one or two underscores, or dashes.
fn is_component(text: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = text.as_bytes();
    let ends = bytes.first().copied().is_some_and(is_word) && bytes.last().copied().is_some_and(is_word);
    let separators = text.split(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
    ends && separators
        .into_iter()
        .all(|one| matches!(one, "" | "." | "_" | "__") || one.bytes().all(|byte| byte == b'-'))
}

fn is_tag(text: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let first = text.bytes().next().is_some_and(is_word);
    first && text.len() <= TAG_BYTES_MAX && text.bytes().all(|byte| is_word(byte) || byte == b'.' || byte == b'-')
}

fn is_digest(text: &str) -> bool {
    let Some((algorithm, digits)) = text.split_once(':') else { return false };
    algorithm.starts_with(|c: char| c.is_ascii_alphabetic())
        && algorithm.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+._-".contains(&byte))
        && digits.len() >= DIGEST_DIGITS_MIN
        && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_images_are_told_from_other_texts() {
        let digest = format!("web@sha256:{}", "a".repeat(64));
        for good in ["web", "web:1.2-x_y", "a/b__c/d-e", "registry.test:5000/a/b:1", "localhost/a", digest.as_str()] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        for bad in ["", ":1", "web:", "web:-1", "a//b", "a_/b", "a..b", "-a", "web@sha256:12", "we b", "bad-.test/a"] {
            assert_eq!(check(bad), Err(INVALID.to_owned()), "{bad}");
        }
        let upper = "invalid reference format: repository name (library/Web) must be lowercase";
        assert_eq!(check("Web:1"), Err(upper.to_owned()));
    }
}
