//! What tokens cost: price lists, and exact bills by them.
//!
//! Nothing here does I/O, reads a clock or knows the database. Amounts are integers: prices in
//! femto-dollars per token, sums exact, one rounding to the nano-dollar per record.

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
pub use plan::{Prices, STANDARD, tier_named};
pub use pricer::{Pricer, Subject, is_chatgpt_login};
pub use rate::{CacheWrites, MAX_USD_PER_MTOK, Rate, Rates};
pub use schedule::{Span, end_of, start_of};
pub use table::{Entry, Layer, Match, PriceProblem, PriceTable, PriceVersion, built_in};
