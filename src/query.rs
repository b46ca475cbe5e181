//! Questions about stored events, answered from the database.
//!
//! The command line and the API ask the same questions and get the types of `api`.

mod breakdown;
mod error;
mod events;
mod figures;
mod filter;
mod group;
mod names;
mod period;

pub use breakdown::{Question, breakdown};
pub use error::QueryError;
pub use events::{Cursor, EventQuestion, InvalidCursor, events};
pub use filter::Filter;
pub use group::{Group, UnknownGroup};
pub use names::Names;
pub use period::{Period, Span, UnknownPeriod};
