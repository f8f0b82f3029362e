//! Who a registry takes the pod for: `imagePullSecrets`. What is decided from the secrets is pure.

use super::Materials;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{Pod, Secret};
use kube::Api;
use node_cri::Credentials;
use serde_json::{Map, Value, json};

/// Where images without a registry come from, and the names that its credentials go under.
const DEFAULT_REGISTRY: &str = "docker.io";
const DEFAULT_REGISTRY_KEYS: [&str; 2] = ["index.docker.io", "registry-1.docker.io"];

impl Materials {
    /// The credentials to try in turn, and the names of the secrets that are not there.
    ///
    /// # Errors
    /// The API server did not answer, or refused.
    pub async fn credentials(&self, pod: &Pod, image: &str) -> Result<(Vec<Credentials>, Vec<String>), kube::Error> {
        let namespace = pod.metadata.namespace.as_deref().unwrap_or_default();
        let api: Api<Secret> = Api::namespaced(self.client().clone(), namespace);
        let (mut secrets, mut missing) = (Vec::new(), Vec::new());
        for reference in pod.spec.iter().flat_map(|spec| spec.image_pull_secrets.iter().flatten()) {
            match api.get_opt(&reference.name).await? {
                Some(secret) => secrets.push(secret),
                None => missing.push(reference.name.clone()),
            }
        }
        Ok((matching(image, &secrets), missing))
    }
}

/// The credentials that fit the image, those for the longest place first.
fn matching(image: &str, secrets: &[Secret]) -> Vec<Credentials> {
    let place = place(image);
    let mut found: Vec<(String, Credentials)> = Vec::new();
    for (key, entry) in secrets.iter().flat_map(entries) {
        let key = key.trim_start_matches("https://").trim_start_matches("http://").trim_end_matches('/');
        let key = key.strip_suffix("/v1").or_else(|| key.strip_suffix("/v2")).unwrap_or(key);
        if fits(key, &place)
            && let Some(credentials) = read(key, &entry)
        {
            found.push((key.to_owned(), credentials));
        }
    }
    found.sort_by(|one, other| other.0.cmp(&one.0));
    found.into_iter().map(|(_, credentials)| credentials).collect()
}

/// `REGISTRY/REPOSITORY`, without tag and digest.
fn place(image: &str) -> String {
    let name = image.split('@').next().unwrap_or(image);
    let (registry, repository) = match name.split_once('/') {
        Some((first, rest)) if first.contains(['.', ':']) || first == "localhost" => (first, rest.to_owned()),
        Some(_) => (DEFAULT_REGISTRY, name.to_owned()),
        None => (DEFAULT_REGISTRY, format!("library/{name}")),
    };
    let repository = repository.split(':').next().unwrap_or_default();
    format!("{registry}/{repository}")
}

/// Host by host name part, where `*` stands for one part or a piece of it; then the path as a beginning.
fn fits(key: &str, place: &str) -> bool {
    let (key_host, key_path) = key.split_once('/').unwrap_or((key, ""));
    let (host, path) = place.split_once('/').unwrap_or((place, ""));
    let is_default = host == DEFAULT_REGISTRY && DEFAULT_REGISTRY_KEYS.contains(&key_host);
    let parts = |text: &str| text.split('.').map(str::to_owned).collect::<Vec<_>>();
    let (patterns, names) = (parts(key_host), parts(host));
    let is_host = patterns.len() == names.len() && patterns.iter().zip(&names).all(|(one, other)| glob(one, other));
    (is_default || is_host) && path.starts_with(key_path)
}

fn glob(pattern: &str, text: &str) -> bool {
    let Some((before, after)) = pattern.split_once('*') else { return pattern == text };
    let Some(rest) = text.strip_prefix(before) else { return false };
    (0..=rest.len()).any(|at| rest.get(at..).is_some_and(|rest| glob(after, rest)))
}

/// What a secret says, by registry; both of upstream's forms.
fn entries(secret: &Secret) -> Vec<(String, Value)> {
    let data = secret.data.as_ref();
    let read = |key: &str| -> Option<Map<String, Value>> {
        serde_json::from_slice::<Value>(&data?.get(key)?.0).ok()?.as_object().cloned()
    };
    let auths = read(".dockerconfigjson").and_then(|config| config.get("auths")?.as_object().cloned());
    auths.or_else(|| read(".dockercfg")).into_iter().flatten().collect()
}

fn read(server: &str, entry: &Value) -> Option<Credentials> {
    let text = |key: &str| entry[key].as_str().unwrap_or_default().to_owned();
    let (mut username, mut password) = (text("username"), text("password"));
    if username.is_empty()
        && let Ok(ByteString(bytes)) = serde_json::from_value(json!(text("auth")))
    {
        let both = String::from_utf8(bytes).ok()?;
        let (name, secret) = both.split_once(':')?;
        (username, password) = (name.to_owned(), secret.trim_end_matches('\0').to_owned());
    }
    Some(Credentials { username, password, identity_token: text("identitytoken"), server: server.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(auths: &Value) -> Secret {
        let config = ByteString(json!({ "auths": auths }).to_string().into_bytes());
        Secret { data: Some([(".dockerconfigjson".to_owned(), config)].into()), ..Secret::default() }
    }

    fn names(image: &str, auths: &Value) -> Vec<String> {
        matching(image, &[secret(auths)]).into_iter().map(|one| format!("{}:{}", one.username, one.password)).collect()
    }

    #[test]
    fn credentials_are_those_of_the_images_registry() {
        let auths = json!({
            "https://index.docker.io/v1/": {"username": "hub", "password": "1"},
            "registry.test": {"auth": "dXNlcjpwdzp4"},
            "registry.test/team": {"username": "team", "password": "2"},
            "*.cloud.test": {"username": "wild", "password": "3"},
            "local.test:5000": {"username": "port", "password": "4"},
        });
        assert_eq!(names("web:1", &auths), ["hub:1"]);
        assert_eq!(names("someone/web", &auths), ["hub:1"]);
        assert_eq!(names("registry.test/team/web@sha256:00", &auths), ["team:2", "user:pw:x"]);
        assert_eq!(names("registry.test/other/web", &auths), ["user:pw:x"]);
        assert_eq!(names("a.cloud.test/web", &auths), ["wild:3"]);
        assert_eq!(names("b.a.cloud.test/web", &auths), [] as [String; 0]);
        assert_eq!(names("local.test:5000/web:2", &auths), ["port:4"]);
        assert_eq!(names("local.test/web", &auths), [] as [String; 0]);
    }

    #[test]
    fn the_older_form_of_a_secret_is_read_too() {
        let config = ByteString(br#"{"registry.test": {"username": "u", "password": "p"}}"#.to_vec());
        let secret = Secret { data: Some([(".dockercfg".to_owned(), config)].into()), ..Secret::default() };
        assert_eq!(matching("registry.test/web", &[secret])[0].username, "u");
    }
}
