//! Image references, as far as defaults need them.

/// The default pull policy of an image: `Always` where it names the tag `latest` or neither tag nor digest.
pub(crate) fn default_pull_policy(image: &str) -> &'static str {
    if tag(image) == "latest" { "Always" } else { "IfNotPresent" }
}

/// The tag of an image reference; `latest` where there is neither tag nor digest, "" where there is only a digest or
/// the reference is malformed.
fn tag(image: &str) -> &str {
    if !is_reference(image) {
        return "";
    }
    let (name, digest) = match image.split_once('@') {
        Some((name, digest)) => (name, Some(digest)),
        None => (image, None),
    };
    let last = name.rsplit('/').next().unwrap_or(name);
    match (last.split_once(':'), digest) {
        (Some((_, tag)), _) => tag,
        (None, Some(_)) => "",
        (None, None) => "latest",
    }
}

/// Whether the reference parses at all: upstream takes no tag from one that does not, such as a name with capitals.
fn is_reference(image: &str) -> bool {
    let name = image.split('@').next().unwrap_or(image);
    let (host, path) = match name.split_once('/') {
        Some((host, path)) if host.contains(['.', ':']) || host == "localhost" => (host, path),
        _ => ("", name),
    };
    let path = match path.rsplit_once(':') {
        Some((path, tag)) if !tag.contains('/') => path,
        _ => path,
    };
    let host_fits = host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte));
    host_fits
        && path.split('/').all(|part| {
            let ends = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
            ends(part.bytes().next())
                && ends(part.bytes().next_back())
                && part.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte))
        })
}

#[cfg(test)]
mod tests {
    use super::default_pull_policy;

    // proves: AM-33
    #[test]
    fn the_pull_policy_follows_the_tag() {
        for (image, want) in [
            ("nginx", "Always"),
            ("nginx:latest", "Always"),
            ("nginx:1.27", "IfNotPresent"),
            ("registry.example:5000/a/nginx", "Always"),
            ("registry.example:5000/a/nginx:v1", "IfNotPresent"),
            ("localhost/busybox:1", "IfNotPresent"),
            ("nginx@sha256:0123", "IfNotPresent"),
            ("nginx:latest@sha256:0123", "Always"),
            ("NotAReference", "IfNotPresent"),
        ] {
            assert_eq!(default_pull_policy(image), want, "{image}");
        }
    }
}
