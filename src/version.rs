//! What this program was built from.

/// The release, `0.1.0`.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The git revision, or `unknown`.
pub const REVISION: &str = env!("CPA_EXPORTER_REVISION");

/// The compiler's version.
pub const RUSTC: &str = env!("CPA_EXPORTER_RUSTC");

/// What `--version` prints after the name.
pub const LONG: &str = concat!(
    env!("CARGO_PKG_VERSION"),
    " (revision ",
    env!("CPA_EXPORTER_REVISION"),
    ", rustc ",
    env!("CPA_EXPORTER_RUSTC"),
    ")"
);

/// How the program names itself to servers.
pub const USER_AGENT: &str = concat!("cpa-exporter/", env!("CARGO_PKG_VERSION"));
