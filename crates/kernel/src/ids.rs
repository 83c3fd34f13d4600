//! Typed identifiers: one macro for GUIDs, one for the database's integer keys.
//!
//! A bare `Uuid`, `String` or `i64` that means an identifier is a defect (STYLE 14).

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

macro_rules! guid {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// Wraps a GUID that is already known to be of this kind.
            pub const fn new(id: Uuid) -> Self {
                Self(id)
            }

            /// The GUID itself.
            pub const fn uuid(self) -> Uuid {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.as_hyphenated().fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            /// Accepts the hyphenated form in either case, as Entra does.
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Uuid::try_parse(text).map(Self)
            }
        }
    )*};
}

guid! {
    /// A directory (Entra: *tenant*).
    TenantId;
    /// An application's client ID (`appId`).
    AppId;
    /// The ID of any directory object: application object, service principal, user, group.
    ObjectId;
    /// A user's object ID where only a user can stand.
    UserId;
    /// A group's object ID where only a group can stand.
    GroupId;
    /// A client secret's or certificate's `keyId`.
    CredentialId;
    /// A delegated permission (`oauth2PermissionScopes[].id`).
    ScopeId;
    /// An application role (`appRoles[].id`).
    AppRoleId;
    /// A policy (`tokenLifetimePolicy`).
    PolicyId;
    /// A background job.
    JobId;
    /// Ties together the log lines, audit events and answers of one request.
    CorrelationId;
}

macro_rules! key {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(i64);

        impl $name {
            /// Wraps a key read from the database.
            pub const fn new(key: i64) -> Self {
                Self(key)
            }

            /// The integer as the database holds it.
            pub const fn get(self) -> i64 {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    )*};
}

key! {
    /// A data partition; 1 is `Microsoft.Default`.
    PartitionKey;
    /// A study's row. Keys grow in the order of creation.
    StudyKey;
    /// A series' row. Keys grow in the order of creation.
    SeriesKey;
    /// An instance's row. Keys grow in the order of creation.
    InstanceKey;
    /// A version of an instance: grows with every stored or updated version, over all partitions.
    Watermark;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guids_are_read_in_either_case_and_written_in_lower_case() {
        let id: AppId = "75E725BF-66CE-4CEA-9B9A-5C4CAAE57F33".parse().unwrap();
        assert_eq!(id.to_string(), "75e725bf-66ce-4cea-9b9a-5c4caae57f33");
        assert!("not-a-guid".parse::<AppId>().is_err());
    }
}
