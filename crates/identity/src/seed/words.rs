//! What permissions of seeded applications are called on consent pages: what somebody lets an application do, in words.

/// A permission's name, and what it lets an application do.
#[derive(Debug, Clone, Copy)]
pub(super) struct Words {
    pub(super) name: &'static str,
    /// For administrators, who consent for others.
    pub(super) for_others: &'static str,
    /// For users, who consent for themselves.
    pub(super) for_oneself: &'static str,
}

const fn words(name: &'static str, for_others: &'static str, for_oneself: &'static str) -> Words {
    Words { name, for_others, for_oneself }
}

/// By the permission's value.
const WORDS: &[(&str, Words)] = &[
    (
        "Dicom.Read",
        words(
            "Read images",
            "Find and open studies, series and images for the signed-in user, as far as the user may.",
            "Find and open studies, series and images for you, as far as you may yourself.",
        ),
    ),
    (
        "Dicom.ReadWrite",
        words(
            "Read, store and delete images",
            "Find, open, store and delete studies, series and images for the signed-in user, as far as the user may.",
            "Find, open, store and delete studies, series and images for you, as far as you may yourself.",
        ),
    ),
    (
        "user_impersonation",
        words(
            "Use the service as the user",
            "Do on this service whatever the signed-in user may do.",
            "Do on this service whatever you may do yourself.",
        ),
    ),
    (
        "openid",
        words("Sign users in", "Learn which account signs in.", "Learn which account you sign in with."),
    ),
    (
        "profile",
        words(
            "See the user's profile",
            "See the name and the user name of the signed-in user.",
            "See your name and your user name.",
        ),
    ),
    (
        "email",
        words(
            "See the user's e-mail address",
            "See the e-mail address of the signed-in user.",
            "See your e-mail address.",
        ),
    ),
    (
        "offline_access",
        words(
            "Keep access",
            "Keep what it was given when the user is not at the application, until it is taken back.",
            "Keep what you gave it when you are not at the application, until you take it back.",
        ),
    ),
    (
        "User.Read",
        words(
            "Read the user's profile",
            "Read the profile of the signed-in user.",
            "Read your profile: name, user name, job, contact details.",
        ),
    ),
    (
        "User.ReadWrite",
        words(
            "Change the user's profile",
            "Read and change the profile of the signed-in user.",
            "Read and change your profile.",
        ),
    ),
    (
        "User.ReadBasic.All",
        words(
            "Read names of all users",
            "Read the names and addresses of all users for the signed-in user.",
            "Read the names and addresses of all users for you.",
        ),
    ),
    (
        "User.Read.All",
        words(
            "Read all users",
            "Read the profiles of all users for the signed-in user.",
            "Read the profiles of all users for you.",
        ),
    ),
    (
        "User.ReadWrite.All",
        words(
            "Change all users",
            "Read and change the profiles of all users for the signed-in user.",
            "Read and change the profiles of all users for you.",
        ),
    ),
    (
        "Group.Read.All",
        words(
            "Read all groups",
            "Read all groups and their members for the signed-in user.",
            "Read all groups and their members for you.",
        ),
    ),
    (
        "Group.ReadWrite.All",
        words(
            "Change all groups",
            "Make, change and delete groups and their members for the signed-in user.",
            "Make, change and delete groups and their members for you.",
        ),
    ),
    (
        "GroupMember.Read.All",
        words(
            "Read memberships",
            "Read who is a member of which group for the signed-in user.",
            "Read who is a member of which group for you.",
        ),
    ),
    (
        "GroupMember.ReadWrite.All",
        words(
            "Change memberships",
            "Read and change who is a member of which group for the signed-in user.",
            "Read and change who is a member of which group for you.",
        ),
    ),
    (
        "Directory.Read.All",
        words(
            "Read the directory",
            "Read users, groups and applications for the signed-in user.",
            "Read users, groups and applications for you.",
        ),
    ),
    (
        "Directory.ReadWrite.All",
        words(
            "Change the directory",
            "Read and change users, groups and applications for the signed-in user.",
            "Read and change users, groups and applications for you.",
        ),
    ),
    (
        "Directory.AccessAsUser.All",
        words(
            "Use the directory as the user",
            "Do in the directory whatever the signed-in user may do.",
            "Do in the directory whatever you may do yourself.",
        ),
    ),
    (
        "Application.Read.All",
        words(
            "Read all applications",
            "Read all applications and service principals for the signed-in user.",
            "Read all applications and service principals for you.",
        ),
    ),
    (
        "Application.ReadWrite.All",
        words(
            "Change all applications",
            "Make, change and delete applications and service principals for the signed-in user.",
            "Make, change and delete applications and service principals for you.",
        ),
    ),
    (
        "AppRoleAssignment.ReadWrite.All",
        words(
            "Give application permissions",
            "Give and take permissions and roles of any application for the signed-in user.",
            "Give and take permissions and roles of any application for you.",
        ),
    ),
    (
        "DelegatedPermissionGrant.ReadWrite.All",
        words(
            "Give delegated permissions",
            "Give and take what applications may do for users, for the signed-in user.",
            "Give and take what applications may do for users, for you.",
        ),
    ),
    (
        "RoleManagement.Read.Directory",
        words(
            "Read administrators' roles",
            "Read who has which administrator's role for the signed-in user.",
            "Read who has which administrator's role for you.",
        ),
    ),
    (
        "RoleManagement.ReadWrite.Directory",
        words(
            "Change administrators' roles",
            "Read and change who has which administrator's role for the signed-in user.",
            "Read and change who has which administrator's role for you.",
        ),
    ),
    (
        "Policy.Read.All",
        words(
            "Read policies",
            "Read the organisation's policies for the signed-in user.",
            "Read your organisation's policies for you.",
        ),
    ),
    (
        "Policy.ReadWrite.ApplicationConfiguration",
        words(
            "Change how long tokens live",
            "Read and change the organisation's rules for tokens of applications for the signed-in user.",
            "Read and change your organisation's rules for tokens of applications for you.",
        ),
    ),
    (
        "Organization.Read.All",
        words(
            "Read the organisation",
            "Read what is kept of the organisation for the signed-in user.",
            "Read what is kept of your organisation for you.",
        ),
    ),
];

/// The words of a permission by its value; `None` where nobody wrote any.
pub(super) fn of(value: &str) -> Option<Words> {
    WORDS.iter().find(|(known, _)| *known == value).map(|(_, words)| *words)
}
