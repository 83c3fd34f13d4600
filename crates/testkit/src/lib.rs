//! The whole house inside a test: own data directory, own database, a clock that stands still, seeded chance.
//!
//! Everything here may panic: a test that cannot set up its house has failed.
#![expect(clippy::expect_used, clippy::panic, reason = "a test cannot go on without what it stands on")]

mod app;
mod binary;
mod callers;

pub use app::{Answer, App, app_at, apps};
pub use binary::{Binary, Output, Server};
pub use callers::{Authentication, ServiceClient};
