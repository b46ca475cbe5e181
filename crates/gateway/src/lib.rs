//! Reads the database of a New API or One API gateway: its log of requests, its channels and tokens.
//!
//! The gateway owns the database, so the crate only reads, in short statements, and finds out from
//! the database which columns exist. [`Tail`] decides which rows of the log are new; it is pure, so
//! that a test can play every order of commits.

mod database;
mod dsn;
mod entry;
mod error;
mod log;
mod objects;
#[cfg(feature = "sql")]
mod server;
mod sqlite;
mod table;
mod tail;

pub use database::{Database, Engine, Snapshot};
pub use dsn::{Dsn, DsnError};
pub use entry::{Class, Entry, StreamEnd, TokenCounts};
pub use error::GatewayError;
pub use log::{LogRow, LogTable};
pub use objects::{Ability, Channel, Objects, Token, TokenState};
pub use tail::{Gap, Reset, Tail, TailChange, TailState};
