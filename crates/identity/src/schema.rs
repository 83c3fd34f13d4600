//! The crate's schema: each noun writes its own tables in its `sql.rs`, this is their order.

use hilum_storage::db::{Migration, Migrations};

use crate::{
    applications, authentication_methods, browser_sessions, conditional_access, credentials, declarative,
    deleted, federated_credentials, grants, groups, oauth, owners, role_assignments, seed,
    service_principals, sessions, signing_keys, tenants, upstream, users,
};

/// This crate's tables.
pub const MIGRATIONS: Migrations = Migrations {
    owner: "identity",
    steps: &[
        Migration { number: 1, name: "tenant", sql: tenants::SCHEMA },
        Migration { number: 2, name: "application", sql: applications::SCHEMA },
        Migration { number: 3, name: "service_principal", sql: service_principals::SCHEMA },
        Migration { number: 4, name: "credentials", sql: credentials::SCHEMA },
        Migration { number: 5, name: "directory_user", sql: users::SCHEMA },
        Migration { number: 6, name: "directory_group", sql: groups::SCHEMA },
        Migration { number: 7, name: "grants", sql: grants::SCHEMA },
        Migration { number: 8, name: "role_assignment", sql: role_assignments::SCHEMA },
        Migration { number: 9, name: "signing_key", sql: signing_keys::SCHEMA },
        Migration { number: 10, name: "application_whole", sql: applications::SCHEMA_WHOLE },
        Migration { number: 11, name: "deleted_object", sql: deleted::SCHEMA },
        Migration { number: 12, name: "user_details", sql: users::SCHEMA_DETAILS },
        Migration { number: 13, name: "group_details", sql: groups::SCHEMA_DETAILS },
        Migration { number: 14, name: "seeded_item", sql: seed::SCHEMA },
        Migration { number: 15, name: "role_definition", sql: role_assignments::SCHEMA_CUSTOM },
        Migration { number: 16, name: "refresh_session", sql: sessions::SCHEMA },
        Migration { number: 17, name: "device_code", sql: oauth::DEVICE_SCHEMA },
        Migration { number: 18, name: "declared_label", sql: declarative::SCHEMA },
        Migration { number: 20, name: "directory_owner", sql: owners::SCHEMA },
        Migration { number: 21, name: "credentials_whole", sql: credentials::SCHEMA_WHOLE },
        Migration { number: 22, name: "grant_lists", sql: grants::SCHEMA_LISTS },
        Migration { number: 23, name: "federated_credential", sql: federated_credentials::SCHEMA },
        Migration { number: 24, name: "credential_notice", sql: credentials::EXPIRY_SCHEMA },
        Migration { number: 25, name: "service_principal_whole", sql: service_principals::SCHEMA_WHOLE },
        Migration { number: 26, name: "device_code_client", sql: oauth::DEVICE_SCHEMA_CLIENTS },
        Migration { number: 27, name: "device_code_network", sql: oauth::DEVICE_SCHEMA_NETWORKS },
        Migration { number: 28, name: "user_signed_in", sql: users::SCHEMA_SIGNED_IN },
        Migration { number: 30, name: "browser_session", sql: browser_sessions::SCHEMA },
        Migration { number: 31, name: "redeemed_code", sql: oauth::CODE_SCHEMA },
        Migration { number: 32, name: "refresh_session_platform", sql: sessions::SCHEMA_PLATFORM },
        Migration { number: 37, name: "user_searchable", sql: users::SCHEMA_SEARCHABLE },
        Migration { number: 45, name: "authentication_method", sql: authentication_methods::SCHEMA },
        Migration { number: 46, name: "second_factor_requirement", sql: conditional_access::SCHEMA },
        Migration { number: 47, name: "browser_session_amr", sql: browser_sessions::SCHEMA_AMR },
        Migration { number: 48, name: "refresh_session_amr", sql: sessions::SCHEMA_AMR },
        Migration { number: 49, name: "device_code_amr", sql: oauth::DEVICE_SCHEMA_AMR },
        Migration { number: 50, name: "spent_challenge", sql: authentication_methods::SCHEMA_CHALLENGES },
        Migration { number: 65, name: "user_identity", sql: upstream::SCHEMA },
        Migration { number: 66, name: "upstream_sign_in", sql: upstream::SCHEMA_PENDING },
        Migration { number: 67, name: "browser_session_idp", sql: browser_sessions::SCHEMA_IDP },
        Migration { number: 68, name: "refresh_session_idp", sql: sessions::SCHEMA_IDP },
    ],
};
