//! Tables of the token Secrets.

use super::plan::{self, Claims, Step};
use k8s_openapi::api::core::v1::{Secret, ServiceAccount};
use serde_json::{Value, json};

fn account() -> ServiceAccount {
    serde_json::from_value(json!({"metadata": {"name": "bot", "namespace": "a", "uid": "u"},
        "secrets": [{"name": "bot-token"}, {"name": "pull"}]}))
    .unwrap()
}

fn secret(uid: Option<&str>, data: Value) -> Secret {
    let mut annotations = json!({ plan::ACCOUNT_NAME: "bot" });
    if let Some(uid) = uid {
        annotations[plan::ACCOUNT_UID] = json!(uid);
    }
    serde_json::from_value(json!({"metadata": {"name": "bot-token", "namespace": "a", "annotations": annotations},
        "type": plan::TYPE, "data": data}))
    .unwrap()
}

#[test]
fn a_token_secret_gets_what_it_lacks_and_goes_with_its_account() {
    let whole = json!({"token": "dA==", "ca.crt": "UEVN", "namespace": "YQ=="});
    for (uid, data, has_account, expected) in [
        (None, json!({}), true, Step::Fill { token: true }),
        (Some("u"), whole.clone(), true, Step::Nothing),
        (Some("u"), json!({"token": "dA==", "ca.crt": "eA==", "namespace": "YQ=="}), true, Step::Fill { token: false }),
        (Some("u"), json!({"token": "dA==", "ca.crt": "UEVN"}), true, Step::Fill { token: false }),
        (Some("other"), whole.clone(), true, Step::Delete),
        (Some("u"), whole, false, Step::Delete),
    ] {
        let (secret, account) = (secret(uid, data), account());
        let step = plan::plan(&secret, has_account.then_some(&account), "PEM");
        assert_eq!(step, expected, "{secret:?}, account: {has_account}");
    }
}

#[test]
fn a_filled_secret_needs_nothing_more() {
    let filled = plan::filled(&secret(None, json!({"extra": "eA=="})), &account(), "PEM", Some("signed".into()));
    let data = filled.data.clone().unwrap();
    let text = |key: &str| String::from_utf8(data[key].0.clone()).unwrap();
    assert_eq!(["token", "ca.crt", "namespace", "extra"].map(text), ["signed", "PEM", "a", "x"]);
    assert_eq!(filled.metadata.annotations.as_ref().unwrap()[plan::ACCOUNT_UID], "u");
    assert_eq!(plan::plan(&filled, Some(&account()), "PEM"), Step::Nothing);
}

#[test]
fn the_claims_are_upstreams() {
    let claims = serde_json::to_value(Claims::of(&account(), &secret(None, json!({})))).unwrap();
    assert_eq!(
        claims,
        json!({
            "iss": "kubernetes/serviceaccount",
            "sub": "system:serviceaccount:a:bot",
            "kubernetes.io/serviceaccount/namespace": "a",
            "kubernetes.io/serviceaccount/secret.name": "bot-token",
            "kubernetes.io/serviceaccount/service-account.name": "bot",
            "kubernetes.io/serviceaccount/service-account.uid": "u",
        })
    );
}

#[test]
fn an_account_loses_only_references_to_what_is_gone() {
    let kept = plan::without(&account(), &["bot-token".to_owned()]).unwrap();
    assert_eq!(kept.iter().map(|reference| reference.name.as_deref()).collect::<Vec<_>>(), [Some("pull")]);
    assert_eq!(plan::without(&account(), &["another".to_owned()]), None);
}
