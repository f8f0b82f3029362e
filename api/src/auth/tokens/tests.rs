use super::*;
use std::collections::BTreeMap;

#[derive(Debug, Default)]
struct World(Mutex<BTreeMap<String, String>>);

impl World {
    fn set(&self, key: &str, uid: Option<&str>) {
        match uid {
            Some(uid) => self.0.lock().insert(key.to_owned(), uid.to_owned()),
            None => self.0.lock().remove(key),
        };
    }
}

#[async_trait]
impl Objects for World {
    async fn has(&self, what: Bound, namespace: &str, name: &str, uid: &str) -> Result<bool, String> {
        Ok(self.0.lock().get(&format!("{what:?} {namespace}/{name}")).is_some_and(|own| own == uid))
    }

    async fn token_in(&self, namespace: &str, secret: &str) -> Result<Option<String>, String> {
        Ok(self.0.lock().get(&format!("token {namespace}/{secret}")).cloned())
    }

    async fn token_used(&self, namespace: &str, secret: &str, today: Date) -> Result<(), String> {
        self.set(&format!("used {namespace}/{secret}"), Some(&today.to_string()));
        Ok(())
    }
}

fn key() -> SigningKey {
    SigningKey::from_pem(rcgen::KeyPair::generate().expect("a key").serialize_pem().as_bytes()).expect("P-256")
}

fn tokens(world: &Arc<World>) -> Tokens {
    world.set("ServiceAccount a/bot", Some("1"));
    world.set("Pod a/p", Some("2"));
    Tokens::new("https://kubernetes.default.svc".to_owned(), Vec::new(), key(), world.clone() as Arc<dyn Objects>)
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs()
}

fn bound(pod: Option<&str>) -> Kubernetes {
    Kubernetes {
        namespace: "a".to_owned(),
        pod: pod.map(|uid| Ref { name: "p".to_owned(), uid: uid.to_owned() }),
        serviceaccount: Ref { name: "bot".to_owned(), uid: "1".to_owned() },
        ..Kubernetes::default()
    }
}

// proves: SE-03
#[tokio::test]
async fn a_token_stands_for_its_account_as_long_as_what_it_is_bound_to_lives() {
    let world = Arc::new(World::default());
    let tokens = tokens(&world);
    let token = tokens.issue(bound(Some("2")), Vec::new(), now(), 3600).expect("signs");
    let user = tokens.verify(&token, &[]).await.expect("valid").user;
    assert_eq!(user.name, "system:serviceaccount:a:bot");
    assert_eq!(user.groups, ["system:serviceaccounts", "system:serviceaccounts:a", "system:authenticated"]);
    assert_eq!((user.extra[POD_NAME][0].as_str(), user.extra[POD_UID][0].as_str()), ("p", "2"));
    world.set("Pod a/p", Some("3"));
    assert_eq!(tokens.verify(&token, &[]).await.err(), Some(TokenError::Invalidated), "another pod of that name");
    world.set("Pod a/p", Some("2"));
    assert!(tokens.verify(&token, &[]).await.is_ok());
    world.set("ServiceAccount a/bot", None);
    assert_eq!(tokens.verify(&token, &[]).await.err(), Some(TokenError::Invalidated), "no account");
}

// proves: SE-03
#[tokio::test]
async fn a_token_counts_for_its_audience_and_its_time_only() {
    let world = Arc::new(World::default());
    let tokens = tokens(&world);
    let vault = vec!["vault".to_owned()];
    let token = tokens.issue(bound(None), vault.clone(), now(), 600).expect("signs");
    assert!(matches!(tokens.verify(&token, &[]).await, Err(TokenError::Audience { .. })));
    assert_eq!(tokens.verify(&token, &vault).await.expect("for the vault").audiences, vault);
    let old = tokens.issue(bound(None), Vec::new(), now() - 7200, 3600).expect("signs");
    assert!(matches!(tokens.verify(&old, &[]).await, Err(TokenError::Invalid(_))));
    let early = tokens.issue(bound(None), Vec::new(), now() + 7200, 3600).expect("signs");
    assert!(matches!(tokens.verify(&early, &[]).await, Err(TokenError::Invalid(_))));
}

// proves: SE-03
#[tokio::test]
async fn forged_tokens_are_refused() {
    let world = Arc::new(World::default());
    let (ours, theirs) = (tokens(&world), tokens(&world));
    let forged = theirs.issue(bound(None), Vec::new(), now(), 600).expect("signs");
    assert!(matches!(ours.verify(&forged, &[]).await, Err(TokenError::Invalid(_))));
    let token = ours.issue(bound(None), Vec::new(), now(), 600).expect("signs");
    let (head, rest) = token.split_once('.').expect("three parts");
    let none = "eyJhbGciOiJub25lIn0";
    for bad in [format!("{none}.{rest}"), format!("{head}.{rest}x"), "abc".to_owned(), String::new()] {
        assert!(ours.verify(&bad, &[]).await.is_err(), "{bad}");
    }
    assert_eq!(ours.verify("abc", &[]).await.err(), Some(TokenError::Foreign));
}

#[tokio::test]
async fn a_token_from_a_secret_counts_as_long_as_the_secret_holds_it() {
    let world = Arc::new(World::default());
    let tokens = tokens(&world);
    let claims = serde_json::json!({
        "iss": "kubernetes/serviceaccount",
        "sub": "system:serviceaccount:a:bot",
        "kubernetes.io/serviceaccount/namespace": "a",
        "kubernetes.io/serviceaccount/secret.name": "bot-token",
        "kubernetes.io/serviceaccount/service-account.name": "bot",
        "kubernetes.io/serviceaccount/service-account.uid": "1",
    });
    let token = tokens.key().sign(&claims).expect("signs");
    assert_eq!(tokens.verify(&token, &[]).await.err(), Some(TokenError::Invalidated), "no secret holds it");
    world.set("token a/bot-token", Some(&token));
    let user = tokens.verify(&token, &[]).await.expect("valid").user;
    assert_eq!(user.name, "system:serviceaccount:a:bot");
    assert_eq!(user.groups, ["system:serviceaccounts", "system:serviceaccounts:a", "system:authenticated"]);
    let used = world.0.lock().remove("used a/bot-token").map(|day| day.parse::<Date>());
    assert!(matches!(used, Some(Ok(_))), "{used:?}");
    assert!(matches!(tokens.verify(&token, &["vault".to_owned()]).await, Err(TokenError::Audience { .. })));
    world.set("token a/bot-token", Some("another"));
    assert!(matches!(tokens.verify(&token, &[]).await, Err(TokenError::Invalid(_))));
    world.set("token a/bot-token", Some(&token));
    world.set("ServiceAccount a/bot", Some("2"));
    assert_eq!(tokens.verify(&token, &[]).await.err(), Some(TokenError::Invalidated), "another account of that name");
    let forged = key().sign(&claims).expect("signs");
    assert!(matches!(tokens.verify(&forged, &[]).await, Err(TokenError::Invalid(_))));
    assert_eq!(world.0.lock().get("used a/bot-token"), None, "what is refused was not used");
}
