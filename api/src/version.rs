//! `/version`: what clients take the server for.

use bytes::Bytes;

/// The Kubernetes version whose API is served; `kubectl version` and client libraries parse it.
pub const GIT_VERSION: &str = concat!("v1.37.0+raftsman.", env!("CARGO_PKG_VERSION"));

/// The document, in upstream's field order and indentation.
pub fn document() -> Bytes {
    let platform = format!("{}/{}", std::env::consts::OS, go_arch(std::env::consts::ARCH));
    Bytes::from(format!(
        r#"{{
  "major": "1",
  "minor": "37",
  "emulationMajor": "1",
  "emulationMinor": "37",
  "minCompatibilityMajor": "1",
  "minCompatibilityMinor": "36",
  "gitVersion": "{GIT_VERSION}",
  "gitCommit": "",
  "gitTreeState": "",
  "buildDate": "1970-01-01T00:00:00Z",
  "goVersion": "",
  "compiler": "rustc",
  "platform": "{platform}"
}}"#
    ))
}

fn go_arch(arch: &str) -> &str {
    match arch {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // proves: AM-45
    #[test]
    fn clients_find_the_numbers_they_look_for() {
        let version: serde_json::Value = serde_json::from_slice(&document()).expect("JSON");
        assert_eq!((&version["major"], &version["minor"]), (&"1".into(), &"37".into()));
        assert!(version["gitVersion"].as_str().is_some_and(|text| text.starts_with("v1.37.0")));
    }
}
