//! Which credentials CPA has and how they are: the account directory.
//!
//! [`Watcher`] asks CPA for its credentials and configured keys once a minute, and at once when
//! CPA says that they have changed; [`ErrorsChannel`] hears of failures as they happen. What they
//! find is published as a whole in [`Directory`], for whoever calls providers, and on the page.
//!
//! Raw keys end in the decoders here, as those of records end in [`decode`](crate::decode).

mod account;
mod account_set;
mod accounts_client;
mod cooldown_reason;
mod decode_v0;
mod decode_v8;
mod directory;
mod error_event;
mod errors_channel;
mod gauges;
mod key_lists;
mod last_failure;
mod lenient;
mod once;
mod quota_signals;
mod watcher;

#[cfg(test)]
mod tests;

pub use account::{Account, Cooldown, QuotaSignals, Scope, Status};
pub(crate) use accounts_client::SnapshotFailure;
pub use cooldown_reason::CooldownReason;
pub use directory::Directory;
pub use errors_channel::{ErrorsChannel, ErrorsParts, Events};
pub(crate) use once::{SnapshotParts, snapshot_once};
pub use watcher::{Settings, Watcher, WatcherParts};

use crate::decode::Secrets;

/// What decoding needs besides the bytes.
#[derive(Clone, Debug)]
pub(crate) struct Decoding {
    pub(crate) secrets: Secrets,
    /// Whether addresses are kept; they are for the page only.
    pub(crate) keep_email: bool,
}

/// An answer that is no list at all, like a proxy's error page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotAList;
