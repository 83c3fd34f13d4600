#![expect(missing_docs)]
#[derive(Default)]
pub struct Throttle;
pub fn router(_: crate::Identity) -> axum::Router { axum::Router::new() }
