//! Which credentials CPA has and how they are: the account directory.
//!
//! [`Watcher`] reads the lists that [`cpa::Observer`](crate::cpa::Observer) publishes;
//! [`ErrorsChannel`] receives failures as they happen. Both update one [`Directory`], for the
//! poller, and the account gauges.

mod account_set;
mod directory;
mod error_event;
mod errors_channel;
mod gauges;
mod once;
mod watcher;

#[cfg(test)]
mod tests;

pub use crate::cpa::lists::account::{Account, Cooldown, QuotaSignals, Scope, Status};
pub use crate::cpa::lists::cooldown_reason::CooldownReason;
pub use directory::Directory;
pub use errors_channel::{ErrorsChannel, ErrorsParts, Events};
pub(crate) use once::accounts_once;
pub use watcher::{Settings, Watcher, WatcherParts};
