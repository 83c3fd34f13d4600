//! Query options.
