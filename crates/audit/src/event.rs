//! The closed list of what is audited, and what an event says.

use std::net::IpAddr;

use hilum_kernel::{CorrelationId, Phi};

macro_rules! actions {
    ($($(#[$doc:meta])* $name:ident = $text:literal;)*) => {
        /// What was done or tried. The names are stable: reports and alarms are built on them.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Action {
            $($(#[$doc])* $name,)*
        }

        impl Action {
            /// The name in the trail.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }
        }
    };
}

actions! {
    /// An access token was issued.
    TokenIssued = "identity.token.issued";
    /// A token request was refused.
    TokenRefused = "identity.token.refused";
    /// A user signed in, or tried to.
    SignedIn = "identity.sign-in";
    /// A user showed a second factor, or tried to.
    SecondFactor = "identity.second-factor";
    /// An authentication method or recovery codes of a user were registered or removed.
    AuthenticationMethodChanged = "identity.authentication-method.changed";
    /// Who has to show a second factor was changed.
    PolicyChanged = "identity.policy.changed";
    /// A user signed out of a browser.
    SignedOut = "identity.sign-out";
    /// A user was sent back to a client that asked for a sign-in, with what it asked for or without.
    AuthorizationAnswered = "identity.authorization.answered";
    /// A client sent an authorization request ahead of its user.
    AuthorizationPushed = "identity.authorization.pushed";
    /// A device was let in by a user, or turned away.
    DeviceDecided = "identity.device.decided";
    /// A session ended because one of its refresh tokens came twice, or because its client ended it.
    SessionRevoked = "identity.session.revoked";
    /// A client asked whether a token holds.
    TokenIntrospected = "identity.token.introspected";
    /// The tenant and its first objects were created.
    TenantCreated = "identity.tenant.created";
    /// An application registration was created, changed or deleted.
    ApplicationChanged = "identity.application.changed";
    /// A client secret or certificate was added.
    CredentialAdded = "identity.credential.added";
    /// A client secret or certificate was removed.
    CredentialRemoved = "identity.credential.removed";
    /// A client secret or certificate ends within 30 days, 7 days or a day, or has ended.
    CredentialExpiring = "identity.credential.expiring";
    /// A service principal was created, changed or deleted.
    ServicePrincipalChanged = "identity.service-principal.changed";
    /// A user was created, changed or deleted.
    UserChanged = "identity.user.changed";
    /// A group or its members changed.
    GroupChanged = "identity.group.changed";
    /// A role was assigned.
    RoleAssigned = "identity.role.assigned";
    /// A role assignment was removed.
    RoleRemoved = "identity.role.removed";
    /// Consent was granted.
    ConsentGranted = "identity.consent.granted";
    /// Consent was revoked.
    ConsentRevoked = "identity.consent.revoked";
    /// A signing key was created, promoted or retired.
    SigningKeyRotated = "identity.signing-key.rotated";
    /// A data service refused a request for want of a token or a right.
    AccessRefused = "access.refused";
    /// Instances were stored.
    InstancesStored = "dicom.instances.stored";
    /// Instances were retrieved.
    InstancesRetrieved = "dicom.instances.retrieved";
    /// Metadata was retrieved.
    MetadataRetrieved = "dicom.metadata.retrieved";
    /// Frames were retrieved.
    FramesRetrieved = "dicom.frames.retrieved";
    /// A search was made.
    Searched = "dicom.searched";
    /// An extended query tag was added, changed or removed.
    ExtendedQueryTagsChanged = "dicom.extended-query-tags.changed";
    /// Extended query tags or their errors were read.
    ExtendedQueryTagsRead = "dicom.extended-query-tags.read";
    /// An operation was asked about.
    OperationRead = "dicom.operation.read";
    /// The change feed was read.
    ChangeFeedRead = "dicom.change-feed.read";
    /// Instances were deleted.
    InstancesDeleted = "dicom.instances.deleted";
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// All of it was done.
    Success,
    /// Some of it was done.
    Partial,
    /// It was not allowed, or the request was wrong.
    Refused,
    /// It was allowed and failed on our side.
    Failed,
}

impl Outcome {
    /// The name in the trail.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Partial => "partial",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }
}

/// Who did it, as far as is known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Actor {
    /// The object ID (`oid`) or subject of the token.
    pub subject: Option<String>,
    /// The application through which it was done (`appid`/`azp`).
    pub app_id: Option<String>,
    /// A name for people.
    pub display: Option<String>,
}

impl Actor {
    /// Someone at the server's own command line, acting on the data directory.
    pub fn operator() -> Self {
        Self { subject: None, app_id: None, display: Some("operator".to_owned()) }
    }
}

/// One line of the trail.
#[derive(Debug, Clone)]
pub struct Event {
    /// What.
    pub action: Action,
    /// With what outcome.
    pub outcome: Outcome,
    /// Who.
    pub actor: Actor,
    /// On what: an object ID, or `study[/series[/instance]]` UIDs. Shortened to 1,000 characters.
    pub target: Option<String>,
    /// The patient's ID, where the request was about one patient.
    pub patient: Option<Phi<String>>,
    /// The client's address.
    pub source: Option<String>,
    /// Ties the event to the request's log lines and to the client's own.
    pub correlation: Option<CorrelationId>,
    /// Error code, counts: never a secret, never a token. Shortened to 1,000 characters.
    pub detail: Option<String>,
}

impl Event {
    /// An event about nothing in particular; fill the public fields.
    pub const fn new(action: Action, outcome: Outcome, actor: Actor) -> Self {
        Self {
            action,
            outcome,
            actor,
            target: None,
            patient: None,
            source: None,
            correlation: None,
            detail: None,
        }
    }

    /// Where the request came from that it is about.
    #[must_use]
    pub fn of_request(self, address: Option<IpAddr>, correlation: CorrelationId) -> Self {
        let source = address.map(|address| address.to_string());
        Self { source, correlation: Some(correlation), ..self }
    }
}
