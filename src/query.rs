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
mod parameters;
mod period;
mod series;
mod summary;

pub use breakdown::{Question, breakdown};
pub use error::{ParameterError, QueryError};
pub use events::{Cursor, EventQuestion, InvalidCursor, event_of, events};
pub use filter::{Filter, Filters};
pub use group::{Group, UnknownGroup};
pub use names::Names;
pub use parameters::Parameters;
pub use period::{Moment, Period, Span, UnknownPeriod, between};
pub use series::{Measure, SeriesQuestion, Step, series};
pub use summary::{SummaryQuestion, summary};
