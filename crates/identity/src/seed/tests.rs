//! Seeds and their upgrade, on every database.

use futures::FutureExt as _;
use hilum_kernel::ObjectId;

use super::*;
use crate::{
    IdentityError, PreAuthorizedApplication,
    testing::{Fixture, actor, fixtures, members, request},
};

impl Fixture {
    async fn seeded(&self, app_id: AppId) -> Application {
        self.identity.find_application(&app_id.to_string()).await.unwrap()
    }
}

#[tokio::test]
async fn everything_is_seeded_once() {
    for fixture in fixtures().await {
        let before = fixture.trail().await;
        fixture.identity.init(request()).await.unwrap();
        assert_eq!(fixture.trail().await, before);
        for (name, app_id) in [
            ("https://graph.microsoft.com/", GRAPH_APP_ID),
            ("https://localhost", GRAPH_APP_ID),
            ("https://management.azure.com/", GRAPH_APP_ID),
            ("https://dicom.healthcareapis.azure.com", DICOM_APP_ID),
            ("1950a258-227b-4e31-a9cf-717495945fc2", AZURE_POWERSHELL_APP_ID),
        ] {
            assert_eq!(fixture.identity.find_service_principal(name).await.unwrap().app_id, app_id, "{name}");
        }
        // The articles make this one themselves.
        let id = "4f6778d8-5aef-43dc-a1ff-b073724b9495";
        let missing = fixture.identity.find_service_principal(id).await;
        assert!(matches!(missing, Err(IdentityError::NotFound { .. })), "{missing:?}");
        fixture.identity.create_service_principal(&actor(), id).await.unwrap();
        let twice = fixture.identity.create_service_principal(&actor(), id).await;
        assert!(matches!(twice, Err(IdentityError::Conflict { .. })), "{twice:?}");
    }
}

#[tokio::test]
async fn an_older_database_gets_what_is_new_and_administrators_keep_what_they_changed() {
    for fixture in fixtures().await {
        let identity = &fixture.identity;
        // As an older version left it: fewer permissions, no record of seeds, one client less.
        fixture
            .test_db
            .db
            .write((), |tx, ()| {
                async move {
                    tx.execute("DELETE FROM seeded_item", &[]).await?;
                    tx.execute(
                        "DELETE FROM application WHERE app_id = $1",
                        &[AZURE_POWERSHELL_APP_ID.into()],
                    )
                    .await?;
                    tx.execute(
                        "DELETE FROM service_principal WHERE app_id = $1",
                        &[AZURE_POWERSHELL_APP_ID.into()],
                    )
                    .await?;
                    let name = AZURE_POWERSHELL_APP_ID.to_string();
                    tx.execute("DELETE FROM application_name WHERE name_folded = $1", &[name.into()]).await?;
                    Ok::<_, IdentityError>(())
                }
                .boxed()
            })
            .await
            .unwrap();
        let tenant = identity.tenant().await.unwrap().id;
        let mut resource = fixture.seeded(GRAPH_APP_ID).await;
        resource.properties.app_roles.truncate(8);
        resource.properties.api.oauth2_permission_scopes.truncate(5);
        resource.properties.api.oauth2_permission_scopes[4].is_enabled = false;
        resource.properties.api.pre_authorized_applications.clear();
        store(&fixture, tenant, &resource).await;

        identity.init(request()).await.unwrap();
        let upgraded = fixture.seeded(GRAPH_APP_ID).await.properties;
        let whole = graph::application(crate::testing::ORIGIN);
        assert_eq!(upgraded.app_roles.len(), whole.app_roles.len());
        assert_eq!(upgraded.api.oauth2_permission_scopes.len(), whole.api.oauth2_permission_scopes.len());
        assert!(!upgraded.api.oauth2_permission_scopes[4].is_enabled);
        assert_eq!(upgraded.api.pre_authorized_applications.len(), 2);
        identity.find_service_principal(&AZURE_POWERSHELL_APP_ID.to_string()).await.unwrap();

        // From now on it is remembered: what is removed stays removed.
        let mut resource = fixture.seeded(GRAPH_APP_ID).await;
        resource.properties.api.pre_authorized_applications =
            vec![PreAuthorizedApplication { app_id: AZURE_CLI_APP_ID, delegated_permission_ids: Vec::new() }];
        store(&fixture, tenant, &resource).await;
        let before = fixture.trail().await;
        identity.init(request()).await.unwrap();
        assert_eq!(fixture.trail().await, before);
        assert_eq!(fixture.seeded(GRAPH_APP_ID).await.properties, resource.properties);
    }
}

#[tokio::test]
async fn a_name_that_somebody_took_stays_theirs() {
    for fixture in fixtures().await {
        let name = "https://contoso.local";
        let members = members(&format!(r#"{{"displayName":"x","identifierUris":["{name}"]}}"#));
        let taken = fixture.identity.create_application(&actor(), &members).await.unwrap();
        let tenant = fixture.identity.tenant().await.unwrap().id;
        let stamp = fixture.identity.stamp(&actor());
        let now = crate::timestamp(stamp.at_ms);
        let [seed, ..] = applications(name, std::array::from_fn(|_| Uuid::nil()), now);
        fixture
            .test_db
            .db
            .write((tenant, seed, stamp), |tx, (tenant, seed, stamp)| {
                async move { upgrade(tx, *tenant, seed, ObjectId::new(Uuid::nil()), stamp).await }.boxed()
            })
            .await
            .unwrap();
        assert_eq!(fixture.identity.find_application(name).await.unwrap().app_id, taken.app_id);
        let slash = fixture.identity.find_application("https://contoso.local/").await.unwrap();
        assert_eq!(slash.app_id, GRAPH_APP_ID);
    }
}

async fn store(fixture: &Fixture, tenant: hilum_kernel::TenantId, application: &Application) {
    fixture
        .test_db
        .db
        .write((tenant, application.clone()), |tx, (tenant, application)| {
            async move { crate::applications::update(tx, *tenant, application).await }.boxed()
        })
        .await
        .unwrap();
}

#[test]
fn every_permission_says_in_words_what_it_gives() {
    for seed in
        [dicom("https://localhost:8443"), healthcare_apis(), graph::application("https://localhost:8443")]
    {
        for scope in seed.api.oauth2_permission_scopes {
            let texts = [
                &scope.admin_consent_display_name,
                &scope.admin_consent_description,
                &scope.user_consent_display_name,
                &scope.user_consent_description,
            ];
            assert!(texts.iter().all(|text| text.is_some()), "{:?}", scope.value);
        }
    }
}
