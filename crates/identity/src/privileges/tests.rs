//! The ways from managing objects to having their rights, each tried.

use futures::FutureExt as _;
use hilum_kernel::{AppId, AppRoleId, ObjectId, UserId};
use uuid::{Uuid, uuid};

use super::*;
use crate::{
    AppRoleAssignment, Application, NewPermissionGrant, NewRoleAssignment, NewUser, OwnedKind, PrincipalKind,
    PrincipalRef, grants, role_assignments,
    testing::{DATA_AUDIENCE, Fixture, actor, fixtures, members},
};

const APPLICATION_READ_WRITE: Uuid = uuid!("1bfefb4e-e0b5-418b-a88f-73c46d2cc8e9");
const APPLICATION_READ: Uuid = uuid!("9a5d68dd-52b0-4cc2-bd40-abcf44ac3a30");
const ASSIGN: Uuid = uuid!("06b708a9-e830-4db3-a914-8e69da51d44f");
const USER_READ: Uuid = uuid!("df021288-bdef-4463-88db-98f22de89214");
const DIRECTORY_READ: Uuid = uuid!("7ab1d382-f21e-4acd-a863-ba3e13f7da61");

type Verdict = Result<(), IdentityError>;

/// Runs a question in a transaction, as an operation does.
macro_rules! ask {
    ($fixture:expr, $holder:expr, |$tx:ident, $tenant:ident, $stamp:ident| $question:expr) => {{
        let identity = $fixture.identity.acting($holder);
        let $tenant = identity.tenant().await.unwrap().id;
        let $stamp = identity.stamp(&actor());
        let mut read = $fixture.test_db.db.snapshot().await.unwrap();
        let $tx = &mut read;
        let verdict: Verdict = $question.await;
        verdict
    }};
}

fn refused(verdict: &Verdict, why: &str) {
    match verdict {
        Err(IdentityError::Denied(reason)) => assert!(reason.contains(why), "{reason}"),
        other => panic!("{why}: {other:?}"),
    }
}

impl Fixture {
    async fn sp(&self, app_id: AppId) -> ServicePrincipal {
        self.identity.find_service_principal(&app_id.to_string()).await.unwrap()
    }

    /// Gives a role of Microsoft Graph, as an administrator's consent does.
    async fn give_graph(&self, principal: ObjectId, role: Uuid) {
        let resource = self.sp(seed::GRAPH_APP_ID).await.id;
        self.give_on(resource, principal, role).await;
    }

    async fn give_on(&self, resource: ObjectId, principal: ObjectId, role: Uuid) {
        let tenant = self.identity.tenant().await.unwrap().id;
        let assignment = AppRoleAssignment {
            id: format!("{principal}{role}{resource}"),
            app_role_id: AppRoleId::new(role),
            principal_id: principal,
            principal_kind: PrincipalKind::ServicePrincipal,
            resource_id: resource,
            created_at: self.identity.0.clock.now(),
        };
        self.test_db
            .db
            .write((tenant, assignment), |tx, (tenant, assignment)| {
                async move { grants::insert_assignment(tx, *tenant, assignment).await }.boxed()
            })
            .await
            .unwrap();
    }

    async fn user(&self, name: &str, role: Option<&str>) -> UserId {
        let new = NewUser {
            user_principal_name: format!("{name}@contoso.local"),
            display_name: name.to_owned(),
            mail_nickname: None,
            password: hilum_kernel::Secret::new("correct horse battery".to_owned()),
            force_change_password_next_sign_in: false,
        };
        let user = self.identity.create_user(&actor(), new).await.unwrap();
        if let Some(role) = role {
            self.make(role, &user.user_principal_name).await;
        }
        user.id
    }

    async fn make(&self, role: &str, to: &str) {
        let new = NewRoleAssignment {
            role: role.to_owned(),
            principal: PrincipalRef::Assignee(to.to_owned()),
            scope: "/".to_owned(),
        };
        self.identity.create_role_assignment(&actor(), new).await.unwrap();
    }

    /// Puts a group around a member; the group needs no row of its own for this.
    async fn join(&self, group: ObjectId, member: ObjectId) {
        self.test_db
            .db
            .write((group, member), |tx, (group, member)| {
                async move {
                    let sql = "INSERT INTO group_member (group_id, member_id) VALUES ($1, $2)";
                    tx.execute(sql, &[(*group).into(), (*member).into()]).await
                }
                .boxed()
            })
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn an_application_gives_only_the_roles_it_holds() {
    for fixture in fixtures().await {
        let client = fixture.client("assigner").await;
        let holder = Holder::Application(client.principal.id);
        fixture.give_graph(client.principal.id, ASSIGN).await;
        fixture.give_graph(client.principal.id, DIRECTORY_READ).await;
        let graph = fixture.sp(seed::GRAPH_APP_ID).await;
        let dicom = fixture.sp(seed::DICOM_APP_ID).await;
        let (graph, dicom) = (&graph, &dicom);
        // (role, its value, whether it may be given)
        let to_give = [
            (graph, APPLICATION_READ_WRITE, "Application.ReadWrite.All", false),
            (dicom, seed::DICOM_DATA_OWNER, "DICOM Data Owner", false),
            (dicom, seed::DICOM_DATA_READER, "DICOM Data Reader", false),
            (graph, ASSIGN, "AppRoleAssignment.ReadWrite.All", true),
            (graph, USER_READ, "User.Read.All", true),
            (graph, Uuid::nil(), "", true),
        ];
        for (resource, role, value, allowed) in to_give {
            let verdict = ask!(fixture, holder, |tx, tenant, stamp| ensure_may_assign(
                tx,
                tenant,
                &stamp,
                resource,
                (AppRoleId::new(role), Some(value))
            ));
            if allowed {
                verdict.unwrap();
            } else {
                refused(&verdict, "gives only the roles it holds");
            }
        }
        // Who owns the data gives any right to it.
        fixture.make("DICOM Data Owner", &client.id()).await;
        ask!(fixture, holder, |tx, tenant, stamp| ensure_may_assign(
            tx,
            tenant,
            &stamp,
            dicom,
            (AppRoleId::new(seed::DICOM_DATA_READER), Some("DICOM Data Reader"))
        ))
        .unwrap();
    }
}

#[tokio::test]
async fn an_application_grants_only_the_scopes_it_holds() {
    for fixture in fixtures().await {
        let client = fixture.client("granter").await;
        let holder = Holder::Application(client.principal.id);
        fixture.give_graph(client.principal.id, APPLICATION_READ_WRITE).await;
        let graph = fixture.sp(seed::GRAPH_APP_ID).await;
        let dicom = fixture.sp(seed::DICOM_APP_ID).await;
        for (resource, scopes, allowed) in [
            (&graph, ["User.Read", "openid"], true),
            (&graph, ["Application.Read.All", "Application.ReadWrite.All"], true),
            (&graph, ["User.Read", "Directory.AccessAsUser.All"], false),
            (&dicom, ["Dicom.Read", "Dicom.Read"], false),
            // Harmless is what it is on Microsoft Graph alone.
            (&dicom, ["openid", "User.Read"], false),
        ] {
            let verdict = ask!(fixture, holder, |tx, tenant, stamp| ensure_may_grant(
                tx, tenant, &stamp, resource, &scopes
            ));
            if allowed {
                verdict.unwrap();
            } else {
                refused(&verdict, "does not hold");
            }
        }
        fixture.make("DICOM Data Reader", &client.id()).await;
        for (scope, allowed) in [("Dicom.Read", true), ("Dicom.ReadWrite", false)] {
            let verdict = ask!(fixture, holder, |tx, tenant, stamp| ensure_may_grant(
                tx,
                tenant,
                &stamp,
                &dicom,
                &[scope]
            ));
            assert_eq!(verdict.is_ok(), allowed, "{scope}: {verdict:?}");
        }
        // What administrators granted to the client itself, it may grant on.
        let new = NewPermissionGrant {
            client: client.id(),
            resource: dicom.app_id.to_string(),
            scopes: vec!["Dicom.ReadWrite".to_owned()],
            principal: None,
        };
        fixture.identity.grant_permissions(&actor(), new).await.unwrap();
        ask!(fixture, holder, |tx, tenant, stamp| ensure_may_grant(
            tx,
            tenant,
            &stamp,
            &dicom,
            &["Dicom.ReadWrite"]
        ))
        .unwrap();
    }
}

#[tokio::test]
async fn an_application_controls_only_what_is_not_stronger() {
    for fixture in fixtures().await {
        let manager = fixture.client("manager").await;
        let holder = Holder::Application(manager.principal.id);
        fixture.give_graph(manager.principal.id, APPLICATION_READ_WRITE).await;
        let weak = fixture.client("weak").await;
        fixture.give_graph(weak.principal.id, APPLICATION_READ).await;

        let by_role = fixture.client("by-role").await;
        fixture.give_graph(by_role.principal.id, ASSIGN).await;
        let by_data = fixture.client("by-data").await;
        fixture.make("DICOM Data Reader", &by_data.id()).await;
        let by_directory = fixture.client("by-directory").await;
        fixture.make("Global Administrator", &by_directory.id()).await;
        let by_grant = fixture.client("by-grant").await;
        let new = NewPermissionGrant {
            client: by_grant.id(),
            resource: "https://graph.microsoft.com".to_owned(),
            scopes: vec!["User.Read".to_owned(), "Directory.AccessAsUser.All".to_owned()],
            principal: None,
        };
        fixture.identity.grant_permissions(&actor(), new).await.unwrap();
        let by_group = fixture.client("by-group").await;
        let (inner, outer) = (ObjectId::new(Uuid::from_u128(1)), ObjectId::new(Uuid::from_u128(2)));
        fixture.join(inner, by_group.principal.id).await;
        fixture.join(outer, inner).await;
        // Groups in circles end the search, too.
        fixture.join(inner, outer).await;
        fixture.give_graph(outer, ASSIGN).await;

        for (client, why) in [
            (&by_role, "AppRoleAssignment.ReadWrite.All"),
            (&by_data, "DICOM Data Reader"),
            (&by_directory, "Global Administrator"),
            (&by_grant, "Directory.AccessAsUser.All"),
            (&by_group, "AppRoleAssignment.ReadWrite.All"),
        ] {
            let app_id = client.application.app_id;
            let verdict =
                ask!(fixture, holder, |tx, tenant, stamp| ensure_may_control(tx, tenant, &stamp, app_id));
            refused(&verdict, why);
            // It may itself: its own secret is renewed with its own token.
            let itself = Holder::Application(client.principal.id);
            ask!(fixture, itself, |tx, tenant, stamp| ensure_may_control(tx, tenant, &stamp, app_id))
                .unwrap();
        }
        for app_id in [weak.application.app_id, manager.application.app_id] {
            ask!(fixture, holder, |tx, tenant, stamp| ensure_may_control(tx, tenant, &stamp, app_id))
                .unwrap();
        }
        for seeded in [seed::GRAPH_APP_ID, seed::DICOM_APP_ID, seed::AZURE_CLI_APP_ID] {
            let verdict =
                ask!(fixture, holder, |tx, tenant, stamp| ensure_may_control(tx, tenant, &stamp, seeded));
            refused(&verdict, "belongs to the installation");
        }
    }
}

#[tokio::test]
async fn administrators_of_applications_stay_below_global_ones() {
    for fixture in fixtures().await {
        let administrator = Holder::User(fixture.user("apps", Some("Application Administrator")).await);
        let global = Holder::User(fixture.user("global", Some("Global Administrator")).await);
        let graph = fixture.sp(seed::GRAPH_APP_ID).await;
        let dicom = fixture.sp(seed::DICOM_APP_ID).await;
        let strong = fixture.client("strong").await;
        fixture.give_graph(strong.principal.id, ASSIGN).await;
        let reader = fixture.client("reader").await;
        fixture.give_graph(reader.principal.id, DIRECTORY_READ).await;
        fixture.make("DICOM Data Owner", &reader.id()).await;
        let ruler = fixture.client("ruler").await;
        fixture.make("Global Administrator", &ruler.id()).await;

        let (strong, reader, ruler) =
            (strong.application.app_id, reader.application.app_id, ruler.application.app_id);
        for (app_id, allowed) in
            [(strong, false), (ruler, false), (seed::DICOM_APP_ID, false), (reader, true)]
        {
            let verdict = ask!(fixture, administrator, |tx, tenant, stamp| ensure_may_control(
                tx, tenant, &stamp, app_id
            ));
            assert_eq!(verdict.is_ok(), allowed, "{app_id}: {verdict:?}");
            ask!(fixture, global, |tx, tenant, stamp| ensure_may_control(tx, tenant, &stamp, app_id))
                .unwrap();
        }
        for (resource, role, value) in [
            (&graph, APPLICATION_READ, "Application.Read.All"),
            (&dicom, seed::DICOM_DATA_READER, "DICOM Data Reader"),
        ] {
            let role = (AppRoleId::new(role), Some(value));
            let verdict = ask!(fixture, administrator, |tx, tenant, stamp| ensure_may_assign(
                tx, tenant, &stamp, resource, role
            ));
            refused(&verdict, "only a Global Administrator");
            ask!(fixture, global, |tx, tenant, stamp| ensure_may_assign(tx, tenant, &stamp, resource, role))
                .unwrap();
        }
        for (scope, allowed) in [("Application.ReadWrite.All", true), ("Directory.AccessAsUser.All", false)] {
            let verdict = ask!(fixture, administrator, |tx, tenant, stamp| ensure_may_grant(
                tx,
                tenant,
                &stamp,
                &graph,
                &[scope]
            ));
            assert_eq!(verdict.is_ok(), allowed, "{scope}: {verdict:?}");
        }
        for name in ["Global Administrator", "Application Administrator", "DICOM Data Owner"] {
            let role = &role_assignments::required_role(name).unwrap();
            let verdict = ask!(fixture, administrator, |tx, tenant, stamp| ensure_may_give_role(
                tx, tenant, &stamp, role
            ));
            refused(&verdict, "only a Global Administrator");
        }
    }
}

#[tokio::test]
async fn groups_and_passwords_are_no_way_up() {
    for fixture in fixtures().await {
        let helper = Holder::User(fixture.user("helper", None).await);
        let owner = Holder::User(fixture.user("owner", Some("DICOM Data Owner")).await);
        let global = fixture.user("global", Some("Global Administrator")).await;
        let client = fixture.client("people").await;
        let application = Holder::Application(client.principal.id);
        let group = ObjectId::new(Uuid::from_u128(9));
        let dicom = fixture.sp(seed::DICOM_APP_ID).await;
        fixture.give_on(dicom.id, group, seed::DICOM_DATA_READER).await;
        for (holder, allowed) in
            [(helper, false), (application, false), (owner, true), (Holder::User(global), true)]
        {
            let verdict =
                ask!(fixture, holder, |tx, tenant, stamp| ensure_may_add_member(tx, tenant, &stamp, group));
            assert_eq!(verdict.is_ok(), allowed, "{holder:?}: {verdict:?}");
        }
        // Passwords of administrators; a plain user's is what helping is about.
        let plain = fixture.user("plain", None).await;
        let data = fixture.user("data", Some("DICOM Data Reader")).await;
        for (holder, user, allowed) in [
            (helper, global, false),
            (helper, plain, true),
            (helper, data, true),
            (application, global, false),
            (application, data, false),
            (application, plain, true),
            (Holder::User(global), global, true),
        ] {
            let verdict =
                ask!(fixture, holder, |tx, tenant, stamp| ensure_may_manage_user(tx, tenant, &stamp, user));
            assert_eq!(verdict.is_ok(), allowed, "{holder:?} {user}: {verdict:?}");
        }
        // Who signs in as the owner of something strong makes credentials for it.
        let strong = fixture.client("strong").await;
        fixture.give_graph(strong.principal.id, USER_READ).await;
        let (kind, owner) = (OwnedKind::Application, ObjectId::new(plain.uuid()));
        fixture.identity.add_owner(&actor(), kind, strong.application.object_id, owner).await.unwrap();
        for (role, allowed) in [(None, false), (Some(USER_READ), true)] {
            if let Some(role) = role {
                fixture.give_graph(client.principal.id, role).await;
            }
            let verdict = ask!(fixture, application, |tx, tenant, stamp| ensure_may_manage_user(
                tx, tenant, &stamp, plain
            ));
            assert_eq!(verdict.is_ok(), allowed, "{verdict:?}");
        }
    }
}

#[tokio::test]
async fn changes_that_hand_rights_on_need_control() {
    for fixture in fixtures().await {
        let manager = fixture.client("manager").await;
        let holder = Holder::Application(manager.principal.id);
        fixture.give_graph(manager.principal.id, APPLICATION_READ_WRITE).await;
        let strong = fixture.client("strong").await;
        fixture.make("DICOM Data Owner", &strong.id()).await;
        let changed = |before: &Application, change: &str| {
            let properties = before.properties.merged(&members(change)).unwrap();
            Application { properties, ..before.clone() }
        };
        for (change, allowed) in [
            (r#"{"notes":"n","tags":["t"],"description":"d"}"#, true),
            (r#"{"spa":{"redirectUris":["https://evil.example/"]}}"#, false),
            (r#"{"web":{"redirectUris":["https://evil.example/"]}}"#, false),
            (r#"{"publicClient":{"redirectUris":["http://localhost"]}}"#, false),
            (r#"{"isFallbackPublicClient":true}"#, false),
            (r#"{"displayName":"Another"}"#, false),
        ] {
            let before = &strong.application;
            let after = &changed(before, change);
            let verdict = ask!(fixture, holder, |tx, tenant, stamp| ensure_may_change_application(
                tx, tenant, &stamp, before, after
            ));
            assert_eq!(verdict.is_ok(), allowed, "{change}: {verdict:?}");
        }

        // A resource of one's own in which the manager has a small role.
        let resource = fixture.client("resource").await;
        let first = r#"{"appRoles":[{"id":"00000000-0000-0000-0000-000000000007","value":"small","displayName":"s",
            "allowedMemberTypes":["Application"]}],"api":{"oauth2PermissionScopes":[{"id":
            "00000000-0000-0000-0000-000000000008","value":"user_impersonation"}]}}"#;
        let before =
            &fixture.identity.update_application(&actor(), &resource.id(), &members(first)).await.unwrap();
        let role = r#"{"appRoles":[{"id":"00000000-0000-0000-0000-000000000007","value":"great","displayName":"s",
            "allowedMemberTypes":["Application"]}]}"#;
        let own = format!(
            r#"{{"api":{{"preAuthorizedApplications":[{{"appId":"{}",
                "delegatedPermissionIds":["00000000-0000-0000-0000-000000000008"]}}]}}}}"#,
            manager.id()
        );
        for change in [role, own.as_str()] {
            let after = &changed(before, change);
            let verdict = ask!(fixture, holder, |tx, tenant, stamp| ensure_may_change_application(
                tx, tenant, &stamp, before, after
            ));
            assert!(matches!(verdict, Err(IdentityError::Denied(_))), "{change}: {verdict:?}");
        }
        // The installation's own resources.
        for app_id in [seed::GRAPH_APP_ID, seed::DICOM_APP_ID] {
            let before = &fixture.identity.find_application(&app_id.to_string()).await.unwrap();
            for change in
                [r#"{"identifierUris":["https://x.contoso.local"]}"#, r#"{"appRoles":[]}"#, own.as_str()]
            {
                let after = &changed(before, change);
                let verdict = ask!(fixture, holder, |tx, tenant, stamp| ensure_may_change_application(
                    tx, tenant, &stamp, before, after
                ));
                refused(&verdict, "belongs to the installation");
            }
        }
    }
}

#[tokio::test]
async fn who_owns_an_audience_of_the_data_does_not_decide_who_gets_to_it() {
    for fixture in fixtures().await {
        let owner = fixture.user("owner", Some("Application Administrator")).await;
        let global = Holder::User(fixture.user("global", Some("Global Administrator")).await);
        let manager = fixture.client("manager").await;
        fixture.give_graph(manager.principal.id, APPLICATION_READ_WRITE).await;
        let application = Holder::Application(manager.principal.id);
        let plain = fixture.client("plain").await;
        let identity = &fixture.identity;
        let named = members(&format!(r#"{{"displayName":"Imaging","identifierUris":["{DATA_AUDIENCE}"]}}"#));
        let renamed = members(&format!(r#"{{"identifierUris":["{}"]}}"#, DATA_AUDIENCE.to_uppercase()));
        // The name of an audience is not for the taking, while nobody has it either.
        for holder in [Holder::User(owner), application] {
            let as_holder = identity.acting(holder);
            let made = as_holder.create_application(&actor(), &named).await.map(drop);
            refused(&made, "is an audience of the data services");
            let changed = as_holder.update_application(&actor(), &plain.id(), &renamed).await.map(drop);
            refused(&changed, "is an audience of the data services");
        }
        let imaging = identity.acting(global).create_application(&actor(), &named).await.unwrap();
        let id = imaging.app_id.to_string();
        let resource = identity.create_service_principal(&actor(), &id).await.unwrap();
        let kind = OwnedKind::Application;
        identity.add_owner(&actor(), kind, imaging.object_id, ObjectId::new(owner.uuid())).await.unwrap();

        let role = members(
            r#"{"appRoles":[{"id":"00000000-0000-0000-0000-000000000007","value":"globalAdmin","displayName":"s",
            "description":"d","allowedMemberTypes":["Application","User"],"isEnabled":true}]}"#,
        );
        let disabled = members(r#"{"accountEnabled":false}"#);
        for holder in [Holder::User(owner), application] {
            let as_holder = identity.acting(holder);
            let why = "only a Global Administrator changes it";
            refused(&as_holder.update_application(&actor(), &id, &role).await.map(drop), why);
            refused(
                &as_holder.add_secret(&actor(), id.as_str(), crate::NewSecret::default()).await.map(drop),
                why,
            );
            refused(&as_holder.delete_application(&actor(), &id).await, why);
            let change = as_holder.change_service_principal(&actor(), id.as_str().into(), &disabled).await;
            refused(&change.map(drop), why);
        }
        // What only describes it is the owner's affair.
        let notes = members(r#"{"notes":"n"}"#);
        identity.acting(Holder::User(owner)).update_application(&actor(), &id, &notes).await.unwrap();
        identity.acting(global).update_application(&actor(), &id, &role).await.unwrap();

        let asked = (AppRoleId::new(Uuid::from_u128(7)), Some("globalAdmin"));
        let resource = &resource;
        for (holder, allowed) in [(Holder::User(owner), false), (application, false), (global, true)] {
            let verdict = ask!(fixture, holder, |tx, tenant, stamp| ensure_may_assign(
                tx, tenant, &stamp, resource, asked
            ));
            assert_eq!(verdict.is_ok(), allowed, "{holder:?}: {verdict:?}");
        }
        let group = ObjectId::new(Uuid::from_u128(9));
        fixture.give_on(resource.id, group, Uuid::from_u128(7)).await;
        for (holder, allowed) in [(Holder::User(owner), false), (application, false), (global, true)] {
            let verdict =
                ask!(fixture, holder, |tx, tenant, stamp| ensure_may_add_member(tx, tenant, &stamp, group));
            assert_eq!(verdict.is_ok(), allowed, "{holder:?}: {verdict:?}");
        }
        // While the configuration names it, it stays: for the operator, too.
        for kept in [
            identity.delete_application(&actor(), &id).await,
            identity.delete_service_principal(&actor(), &id).await,
        ] {
            let text = kept.unwrap_err().to_string();
            assert!(text.contains("take it out of the configuration first"), "{text}");
        }
    }
}

#[test]
fn what_includes_what() {
    for (held, asked, expected) in [
        ("User.ReadWrite.All", "User.Read.All", true),
        ("User.Read.All", "User.ReadWrite.All", false),
        ("RoleManagement.ReadWrite.Directory", "RoleManagement.Read.Directory", true),
        ("Application.ReadWrite.OwnedBy", "Application.Read.All", false),
        ("Application.ReadWrite.All", "Application.ReadWrite.OwnedBy", true),
        ("Group.ReadWrite.All", "GroupMember.ReadWrite.All", true),
        ("Directory.ReadWrite.All", "User.ReadWrite.All", false),
        ("Directory.ReadWrite.All", "Group.Read.All", true),
        ("", "", false),
        ("AppRoleAssignment.ReadWrite.All", "Application.ReadWrite.All", false),
    ] {
        assert_eq!(includes(held, asked), expected, "{held} {asked}");
    }
}
