//! Whether the received records are complete. Pure: CPA's counts and our contact in, verdicts out.
//!
//! [`contact`] finds times in which CPA may have dropped records, [`comparison`] another client that
//! takes them, [`off`] times in which CPA made none.

mod comparison;
mod contact;
mod finding;
mod growth;
mod off;
mod ratio;

pub(super) use comparison::Comparison;
pub(super) use contact::{Balance, Contact, EarlierRun, Judgement};
pub(super) use finding::{Finding, Taking};
pub(super) use growth::growth;
pub(super) use off::StatisticsOff;
pub(super) use ratio::{Ratio, Sample};
