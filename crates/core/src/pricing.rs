//! Cost of tokens: price lists and exact billing.
//!
//! Nothing here does I/O, reads a clock or accesses the database. Amounts are integers: prices are
//! in femto-dollars per token, sums are exact, and each record is rounded once, to the nano-dollar.

mod billing;
mod file;
mod import;
mod plan;
mod pricer;
mod rate;
mod schedule;
mod table;

#[cfg(test)]
mod tests;

pub use billing::Billing;
pub use file::{
    Dated, Listed, LongContext, PeakList, PriceFile, PriceSource, RateList, TierList, Unpriced,
};
pub use import::{Format, Imported, import};
pub use plan::{Prices, STANDARD, normalize_tier};
pub use pricer::{Pricer, Subject, is_chatgpt_login};
pub use rate::{CacheWrites, MAX_USD_PER_MTOK, Rate, Rates};
pub use schedule::{Span, end_of, start_of};
pub use table::{Entry, Layer, Match, PriceProblem, PriceTable, PriceVersion, built_in};
