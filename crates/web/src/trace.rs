//! Names of spans and fields, so that one search over the logs finds all that belong together.
//!
//! Spans are named `area.verb`: `dicom.store`, `identity.token`. Never in traces: tokens, secrets, bodies, query
//! strings, anything about a patient; study UIDs only in the audit trail.

/// The span around each request.
pub const REQUEST: &str = "http.request";
/// The target of the one line that each request leaves at `info`.
pub const REQUEST_LINE: &str = "hilum::request";

/// The directory.
pub const TENANT_ID: &str = "tenant.id";
/// The client's application ID.
pub const APP_ID: &str = "app.id";
/// The data partition.
pub const PARTITION_KEY: &str = "partition.key";
/// A background job.
pub const JOB_ID: &str = "job.id";
/// How something ended: `success`, `partial`, `refused`, `failed`.
pub const OUTCOME: &str = "outcome";
/// Bytes read or written.
pub const SIZE_BYTES: &str = "size_bytes";
/// Time taken.
pub const DURATION_MS: &str = "duration_ms";
/// The correlation ID that the client also gets.
pub const CORRELATION_ID: &str = "correlation.id";

/// Counter: requests by `route` (template), `method` and `status` (class).
pub const HTTP_REQUESTS: &str = "hilum_http_requests_total";
/// Histogram: seconds from the request's head to the last byte of the answer, by `route` and `method`.
pub const HTTP_SECONDS: &str = "hilum_http_request_duration_seconds";
/// Counter: bytes of answers' bodies.
pub const HTTP_SENT_BYTES: &str = "hilum_http_response_body_bytes_total";
/// Gauge: requests whose answer is not yet sent.
pub const HTTP_IN_FLIGHT: &str = "hilum_http_requests_in_flight";
/// Counter: requests answered 503 because too many were under way.
pub const HTTP_SHED: &str = "hilum_http_requests_shed_total";
