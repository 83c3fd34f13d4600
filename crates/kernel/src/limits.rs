//! Limits that more than one crate must agree on. Others stand beside the code they bound.

/// The largest JWT that is looked at: Entra's tokens stay below 4 KiB, 16 KiB leaves room for groups.
/// Beyond: 401 or `invalid_client`.
pub const JWT_BYTES_MAX: usize = 16 * 1024;

/// The largest form a token endpoint reads (assertion + secret + telemetry fields). Beyond: 413.
pub const FORM_BYTES_MAX: usize = 64 * 1024;

/// The largest body of one store request, as in Azure's DICOM service (4 GB). Beyond: 413.
pub const STORE_BODY_BYTES_MAX: u64 = 4 * 1024 * 1024 * 1024;
