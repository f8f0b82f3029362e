//! Lists: selectors, pages, revisions.

use crate::support::{Fixture, NAMESPACE, by_field, by_label, page};
use api_storage::{ListOptions, ListRevision, Predicate, StorageError};
use serde_json::json;

fn at(revision: ListRevision) -> ListOptions {
    ListOptions { revision, ..Default::default() }
}

fn selected(namespace: Option<&str>, predicate: Predicate) -> ListOptions {
    ListOptions { namespace: namespace.map(str::to_owned), predicate, ..Default::default() }
}

#[tokio::test]
async fn a_list_shows_what_is_selected_and_nothing_of_the_neighbours() {
    for fixture in Fixture::both() {
        fixture.create_in("a", "one", "n1", json!({"app": "web"})).await;
        fixture.create_in("a", "two", "n2", json!({"app": "db"})).await;
        fixture.create_in("ab", "three", "n1", json!({"app": "web"})).await;
        for (namespace, predicate, expected) in [
            (None, Predicate::everything(), vec!["one", "two", "three"]),
            (Some("a"), Predicate::everything(), vec!["one", "two"]),
            (Some("none"), Predicate::everything(), vec![]),
            (None, by_label("app=web"), vec!["one", "three"]),
            (Some("a"), by_label("app in (web)"), vec!["one"]),
            (None, by_label("!app"), vec![]),
            (None, by_field("spec.nodeName=n1"), vec!["one", "three"]),
            (Some("ab"), by_field("spec.nodeName=n1"), vec!["three"]),
            (None, by_field("spec.nodeName!=n1"), vec!["two"]),
            (Some("a"), by_field("metadata.name=two"), vec!["two"]),
            (None, by_field("metadata.name=three"), vec!["three"]),
            (Some("a"), by_field("metadata.name=two,spec.nodeName=n1"), vec![]),
            (Some("a"), by_field("metadata.name=../ab/three"), vec![]),
        ] {
            let text = format!("{}: {namespace:?} {predicate:?}", fixture.name);
            let listed = fixture.list(selected(namespace, predicate)).await.unwrap();
            assert_eq!(listed.names, expected, "{text}");
            assert_eq!(listed.revision, fixture.storage.current_revision().await.unwrap(), "{text}");
        }
    }
}

#[tokio::test]
async fn a_list_sees_every_acknowledged_write() {
    for fixture in Fixture::both() {
        for round in 1..=50 {
            let created = fixture.create(&format!("p{round:03}")).await;
            let listed = fixture.list(ListOptions::default()).await.unwrap();
            assert_eq!(listed.names.len(), round, "{}", fixture.name);
            assert!(listed.revision >= created.resource_version());
        }
    }
}

// proves: AM-14
#[tokio::test]
async fn pages_show_one_revision_however_much_changes_in_between() {
    for fixture in Fixture::both() {
        for name in ["a", "b", "c", "d", "e"] {
            fixture.create(name).await;
        }
        let first = fixture.list(page(2, None)).await.unwrap();
        assert_eq!((first.names.join(""), first.remaining), ("ab".into(), Some(3)));
        fixture.create("aa").await;
        fixture.create("cc").await;
        fixture.delete("d").await;
        let second = fixture.list(page(2, first.token)).await.unwrap();
        assert_eq!((second.names.join(""), second.remaining), ("cd".into(), Some(1)));
        let third = fixture.list(page(2, second.token)).await.unwrap();
        assert_eq!((third.names.join(""), third.remaining, third.token), ("e".into(), None, None));
        assert_eq!((first.revision, second.revision), (second.revision, third.revision));
    }
}

// proves: AM-14
#[tokio::test]
async fn pages_of_a_selection_do_not_say_how_much_remains() {
    for fixture in Fixture::both() {
        for (name, app) in [("a", "x"), ("b", "y"), ("c", "x"), ("d", "y"), ("e", "x")] {
            fixture.create_in(NAMESPACE, name, "", json!({"app": app})).await;
        }
        let options = |token| ListOptions { predicate: by_label("app=x"), ..page(2, token) };
        let first = fixture.list(options(None)).await.unwrap();
        assert_eq!((first.names.join(""), first.remaining), ("ac".into(), None));
        let second = fixture.list(options(first.token)).await.unwrap();
        assert_eq!((second.names.join(""), second.token), ("e".into(), None));
    }
}

// proves: AM-14
#[tokio::test]
async fn a_token_that_is_too_old_comes_with_one_that_goes_on_inconsistently() {
    for fixture in Fixture::both() {
        for name in ["a", "b", "c"] {
            fixture.create(name).await;
        }
        let first = fixture.list(page(1, None)).await.unwrap();
        fixture.create("bb").await;
        let now = fixture.delete("b").await.resource_version();
        fixture.compact(now).await;
        fixture.list(page(1, None)).await.unwrap();
        let StorageError::ContinueExpired { inconsistent } = fixture.list(page(1, first.token)).await.unwrap_err()
        else {
            panic!("the token is too old");
        };
        let second = fixture.list(page(1, Some(inconsistent))).await.unwrap();
        assert_eq!(second.names, ["bb"]);
        assert!(second.revision >= now);
        let third = fixture.list(page(1, second.token)).await.unwrap();
        assert_eq!((third.names, third.token), (vec!["c".to_owned()], None));
    }
}

// proves: AM-14
#[tokio::test]
async fn tokens_are_refused_that_are_forged_or_of_another_list() {
    for fixture in Fixture::both() {
        fixture.create("a").await;
        fixture.create("b").await;
        let token = fixture.list(page(1, None)).await.unwrap().token;
        for (options, why) in [
            (page(1, Some("x".into())), "invalid continue token: continue key is not valid: "),
            (
                ListOptions { namespace: Some(NAMESPACE.into()), ..page(1, token.clone()) },
                "invalid continue token: continue key is not valid: ",
            ),
            (
                ListOptions { revision: ListRevision::Exact(3), ..page(1, token) },
                "specifying resource version is not allowed when using continue",
            ),
        ] {
            match fixture.list(options).await {
                Err(StorageError::BadRequest(message)) => assert!(message.starts_with(why), "{message}"),
                other => panic!("{other:?}"),
            }
        }
    }
}

// proves: AM-15
#[tokio::test(start_paused = true)]
async fn every_form_of_resource_version_shows_the_state_it_names() {
    for fixture in Fixture::both() {
        let first = fixture.create("a").await.resource_version();
        let second = fixture.create("b").await.resource_version();
        let names =
            async |revision| fixture.list(at(revision)).await.map(|listed| (listed.names.join(""), listed.revision));
        assert_eq!(names(ListRevision::Consistent).await.unwrap(), ("ab".into(), second));
        assert_eq!(names(ListRevision::Any).await.unwrap(), ("ab".into(), second));
        assert_eq!(names(ListRevision::NotOlderThan(first)).await.unwrap(), ("ab".into(), second));
        assert_eq!(names(ListRevision::Exact(first)).await.unwrap(), ("a".into(), first));
        assert_eq!(names(ListRevision::Exact(second)).await.unwrap(), ("ab".into(), second));
        let future = StorageError::TooLargeResourceVersion { requested: second + 1, current: second };
        assert_eq!(names(ListRevision::NotOlderThan(second + 1)).await.unwrap_err(), future);
        assert_eq!(names(ListRevision::Exact(second + 1)).await.unwrap_err(), future);
        let third = fixture.delete("a").await.resource_version();
        fixture.compact(third).await;
        assert_eq!(names(ListRevision::Exact(first)).await.unwrap_err(), StorageError::ListExpired);
        assert_eq!(names(ListRevision::Exact(third)).await.unwrap(), ("b".into(), third));
    }
}

#[tokio::test]
async fn a_resource_version_without_a_match_depends_on_the_limit() {
    for (revision, limited, meaning) in [
        (None, false, ListRevision::Consistent),
        (None, true, ListRevision::Consistent),
        (Some(0), true, ListRevision::Any),
        (Some(7), false, ListRevision::NotOlderThan(7)),
        (Some(7), true, ListRevision::Exact(7)),
    ] {
        assert_eq!(ListRevision::without_match(revision, limited), meaning);
    }
}

#[tokio::test]
async fn a_long_list_is_complete_and_in_order() {
    for fixture in Fixture::both() {
        for index in 0..1_203 {
            fixture.create_in(NAMESPACE, &format!("p{index:04}"), "", json!({"odd": (index % 2).to_string()})).await;
        }
        let all = fixture.list(ListOptions::default()).await.unwrap();
        assert_eq!(all.names.len(), 1_203);
        assert!(all.names.is_sorted());
        let mut paged = Vec::new();
        let mut token = None;
        loop {
            let options = ListOptions { predicate: by_label("odd=1"), ..page(100, token) };
            let next = fixture.list(options).await.unwrap();
            paged.extend(next.names);
            token = next.token;
            if token.is_none() {
                break;
            }
        }
        assert_eq!(paged.len(), 601);
        assert!(paged.is_sorted());
    }
}
