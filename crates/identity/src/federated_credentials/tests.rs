//! Federated credentials, on every database.

use serde_json::{Map, Value, json};

use crate::{
    IdentityError, Upserted,
    testing::{actor, fixtures},
};

fn object(value: Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

fn good(name: &str, subject: &str) -> Map<String, Value> {
    object(json!({"name": name, "issuer": "https://token.ci.example", "subject": subject,
        "audiences": ["api://AzureADTokenExchange"], "description": "d"}))
}

#[tokio::test]
async fn federated_credentials_live() {
    for fixture in fixtures().await {
        let identity = &fixture.identity;
        let id = fixture.client("client").await.id();
        let made = identity.add_federated_credential(&actor(), &id, &good("main", "repo:a")).await.unwrap();
        for taken in [good("MAIN", "repo:b"), good("other", "repo:a")] {
            let taken = identity.add_federated_credential(&actor(), &id, &taken).await;
            assert!(matches!(taken, Err(IdentityError::Conflict { .. })), "{taken:?}");
        }
        let change = object(json!({"subject": "repo:c", "description": null}));
        identity.update_federated_credential(&actor(), &id, "main", &change).await.unwrap();
        for name in ["Main", &made.id.to_string()] {
            let found = identity.find_federated_credential(&id, name).await.unwrap();
            assert_eq!((found.properties.subject.as_str(), found.properties.description), ("repo:c", None));
        }
        let renamed = object(json!({"name": "second"}));
        let renamed = identity.update_federated_credential(&actor(), &id, "main", &renamed).await;
        assert!(matches!(renamed, Err(IdentityError::Invalid { .. })), "{renamed:?}");

        let upsert = async |name: &str, subject: &str| {
            let mut members = good(name, subject);
            members.remove("name");
            identity.upsert_federated_credential(&actor(), &id, name, &members).await.unwrap().1
        };
        assert_eq!(upsert("new-one", "repo:d").await, Upserted::Created);
        assert_eq!(upsert("new-one", "repo:e").await, Upserted::Updated);
        identity.remove_federated_credential(&actor(), &id, "main").await.unwrap();
        let gone = identity.find_federated_credential(&id, "main").await;
        assert!(matches!(gone, Err(IdentityError::NotFound { .. })), "{gone:?}");
        for number in 0..19 {
            let more = good(&format!("more{number}"), &format!("repo:{number}"));
            identity.add_federated_credential(&actor(), &id, &more).await.unwrap();
        }
        let full = identity.add_federated_credential(&actor(), &id, &good("full", "repo:full")).await;
        assert!(matches!(full, Err(IdentityError::Invalid { .. })), "{full:?}");
    }
}

#[tokio::test]
async fn each_rule_broken_alone() {
    let fixture = fixtures().await.remove(0);
    let id = fixture.client("client").await.id();
    let long = "x".repeat(601);
    let cases = [
        json!({"name": "ab"}),
        json!({"name": "x".repeat(121)}),
        json!({"name": "with space"}),
        json!({"name": "-first"}),
        json!({"issuer": "http://token.ci.example"}),
        json!({"issuer": format!("https://{long}")}),
        json!({"subject": " "}),
        json!({"subject": long}),
        json!({"audiences": []}),
        json!({"audiences": ["a", "b"]}),
        json!({"audiences": [long]}),
        json!({"audiences": "a"}),
        json!({"description": long}),
        json!({"colour": "red"}),
        json!({"id": "x"}),
    ];
    let mut told = Vec::new();
    for case in cases {
        let mut members = good("main", "repo:a");
        members.extend(object(case.clone()));
        match fixture.identity.add_federated_credential(&actor(), &id, &members).await {
            Err(IdentityError::Invalid { property, reason }) => told.push(format!("{property}: {reason}")),
            other => panic!("{case}: {other:?}"),
        }
    }
    insta::assert_snapshot!(told.join("\n"));
}
