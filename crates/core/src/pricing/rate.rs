//! Exact amounts: prices per token and values of tokens.

use crate::model::{TokenKind, Tokens, Value};

/// One dollar per million tokens, in femto-dollars per token.
const FEMTOS_PER_USD_PER_MTOK: f64 = 1e9;
/// Femto-dollars per nano-dollar.
const FEMTOS_PER_NANO: u128 = 1_000_000;
/// Maximum price, in dollars per million tokens. A larger one is an input error, and the bound
/// keeps 10^12 tokens of each kind within the database's integers.
pub const MAX_USD_PER_MTOK: f64 = 1000.0;

/// A price in femto-dollars (1e-15) per token: finer than any list price.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rate(u64);

impl Rate {
    /// `None` unless the price is from 0 to [`MAX_USD_PER_MTOK`].
    ///
    /// Decimals with up to nine fractional digits are exact: the error of the nearest double is far
    /// below the half unit that rounding removes.
    pub fn from_usd_per_mtok(usd: f64) -> Option<Self> {
        if !(0.0..=MAX_USD_PER_MTOK).contains(&usd) {
            return None;
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "between 0 and 1e12, and whole"
        )]
        let femtos = (usd * FEMTOS_PER_USD_PER_MTOK).round() as u64;
        Some(Self(femtos))
    }

    pub const fn femtos(self) -> u64 {
        self.0
    }

    #[expect(clippy::cast_precision_loss, reason = "below 2^53")]
    pub fn usd_per_mtok(self) -> f64 {
        self.0 as f64 / FEMTOS_PER_USD_PER_MTOK
    }

    /// This rate times `tier / base`, rounded to the nearest unit.
    pub(super) fn scaled(self, tier: Self, base: Self) -> Self {
        let (rate, tier, base) = (u128::from(self.0), u128::from(tier.0), u128::from(base.0));
        let scaled = (rate * tier + base / 2).checked_div(base);
        Self(scaled.map_or(self.0, |femtos| u64::try_from(femtos).unwrap_or(u64::MAX)))
    }
}

/// The prices of all kinds of tokens, without defaults.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rates {
    pub input: Rate,
    pub cache_read: Rate,
    /// The default kind of cache write; for Claude, the five-minute one.
    pub cache_write: Rate,
    pub cache_write_1h: Rate,
    pub output: Rate,
    pub reasoning: Rate,
}

/// Price of cache writes, since CPA does not report their lifetime.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CacheWrites {
    /// The price of the default write, a lower bound.
    #[default]
    Short,
    /// The one-hour price where there is one, an upper bound.
    Long,
}

impl Rates {
    /// In the order of [`TokenKind::ALL`]; `None` for unclassified tokens.
    pub const fn by_kind(&self, writes: CacheWrites) -> [Option<Rate>; TokenKind::ALL.len()] {
        let cache_write = match writes {
            CacheWrites::Short => self.cache_write,
            CacheWrites::Long => self.cache_write_1h,
        };
        [
            Some(self.input),
            Some(self.cache_read),
            Some(cache_write),
            Some(self.output),
            Some(self.reasoning),
            None,
        ]
    }

    pub(super) fn scaled(&self, tier: Rate, base: Rate) -> Self {
        let scaled = |rate: Rate| rate.scaled(tier, base);
        Self {
            input: scaled(self.input),
            cache_read: scaled(self.cache_read),
            cache_write: scaled(self.cache_write),
            cache_write_1h: scaled(self.cache_write_1h),
            output: scaled(self.output),
            reasoning: scaled(self.reasoning),
        }
    }

    /// The value of the tokens: summed exactly, then rounded once, half up, to the nano-dollar.
    ///
    /// The value of a kind is the increase of the rounded sum when that kind is added, so the kinds
    /// add up to the total and none is off by a whole nano-dollar.
    pub fn value(&self, tokens: &Tokens, writes: CacheWrites) -> Value {
        let mut shares = [0; TokenKind::ALL.len()];
        let (mut exact, mut rounded) = (0_u128, 0_u64);
        let rates = self.by_kind(writes);
        // Writes with a known lifetime have the price of that lifetime, whatever `writes` is.
        let known = tokens.cache_write_1h.map(|hour| {
            let short = tokens.cache_write.saturating_sub(hour);
            product(short, self.cache_write) + product(hour, self.cache_write_1h)
        });
        let amounts = tokens.by_kind().into_iter().zip(rates).zip(TokenKind::ALL);
        for (share, ((count, rate), kind)) in shares.iter_mut().zip(amounts) {
            exact += match (kind, known) {
                (TokenKind::CacheWrite, Some(known)) => known,
                _ => product(count, rate.unwrap_or_default()),
            };
            let sum = to_nanos(exact);
            *share = sum - rounded;
            rounded = sum;
        }
        Value::new(shares)
    }
}

fn product(count: u64, rate: Rate) -> u128 {
    u128::from(count) * u128::from(rate.0)
}

/// Rounds half up and saturates (at nine billion dollars per record).
fn to_nanos(femtos: u128) -> u64 {
    const LIMIT: u64 = i64::MAX.unsigned_abs();
    let nanos = (femtos + FEMTOS_PER_NANO / 2) / FEMTOS_PER_NANO;
    u64::try_from(nanos).unwrap_or(LIMIT).min(LIMIT)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rate(usd: f64) -> Rate {
        Rate::from_usd_per_mtok(usd).unwrap()
    }

    #[test]
    fn decimals_convert_to_whole_units() {
        for (usd, femtos) in [
            (0.003_625, 3_625_000),
            (0.1, 100_000_000),
            (0.3, 300_000_000),
            (1.1, 1_100_000_000),
            (999.999_999_999, 999_999_999_999),
        ] {
            assert_eq!(rate(usd).femtos(), femtos, "{usd}");
        }
        assert_eq!(rate(0.000_000_001).femtos(), 1);
        for wrong in [-0.1, 1000.1, f64::NAN, f64::INFINITY] {
            assert_eq!(Rate::from_usd_per_mtok(wrong), None);
        }
    }

    #[test]
    fn scaled_rate_is_exact_where_possible() {
        assert_eq!(rate(10.0).scaled(rate(12.5), rate(5.0)), rate(25.0));
        assert_eq!(rate(0.4).scaled(rate(0.45), rate(0.25)), rate(0.72));
        // A base of 0 defines no ratio.
        assert_eq!(rate(2.0).scaled(rate(1.0), rate(0.0)), rate(2.0));
    }

    fn any_rates() -> impl Strategy<Value = Rates> {
        prop::array::uniform6(0_u64..=1_000_000_000_000).prop_map(
            |[
                input,
                cache_read,
                cache_write,
                cache_write_1h,
                output,
                reasoning,
            ]| Rates {
                input: Rate(input),
                cache_read: Rate(cache_read),
                cache_write: Rate(cache_write),
                cache_write_1h: Rate(cache_write_1h),
                output: Rate(output),
                reasoning: Rate(reasoning),
            },
        )
    }

    fn any_tokens(most: u64) -> impl Strategy<Value = Tokens> {
        prop::array::uniform6(0..=most).prop_map(
            |[
                input,
                cache_read,
                cache_write,
                output,
                reasoning,
                unclassified,
            ]| Tokens {
                input,
                cache_read,
                cache_write,
                cache_write_1h: None,
                output,
                reasoning,
                unclassified,
            },
        )
    }

    proptest! {
        #[test]
        fn kinds_add_up_without_overflow(
            rates in any_rates(),
            tokens in any_tokens(1_000_000_000_000),
            long in any::<bool>(),
        ) {
            let writes = if long { CacheWrites::Long } else { CacheWrites::Short };
            let value = rates.value(&tokens, writes);
            let write = if long { rates.cache_write_1h } else { rates.cache_write };
            let products = [
                (tokens.input, rates.input),
                (tokens.cache_read, rates.cache_read),
                (tokens.cache_write, write),
                (tokens.output, rates.output),
                (tokens.reasoning, rates.reasoning),
            ]
            .map(|(count, rate)| u128::from(count) * u128::from(rate.0));
            let exact: u128 = products.iter().sum();
            // The total differs from the exact sum by at most half a unit.
            let total = u128::from(value.total()) * FEMTOS_PER_NANO;
            prop_assert!(total.abs_diff(exact) * 2 <= FEMTOS_PER_NANO);
            prop_assert!(i64::try_from(value.total()).is_ok());
            prop_assert_eq!(value.by_kind().iter().sum::<u64>(), value.total());
            for (share, product) in value.by_kind().into_iter().zip(products) {
                let share = u128::from(share) * FEMTOS_PER_NANO;
                prop_assert!(share.abs_diff(product) < FEMTOS_PER_NANO + 1);
            }
            prop_assert_eq!(value.by_kind()[5], 0);
        }

        #[test]
        fn values_accepted_by_the_decoder_do_not_overflow(
            rates in any_rates(),
            tokens in any_tokens(1_000_000_000_000_000),
        ) {
            let value = rates.value(&tokens, CacheWrites::Short);
            prop_assert!(i64::try_from(value.total()).is_ok());
        }
    }

    #[test]
    fn half_a_nano_dollar_rounds_up() {
        let half = Rates {
            input: Rate(500_000),
            ..Rates::default()
        };
        let tokens = |input| Tokens {
            input,
            ..Tokens::default()
        };
        let value = |n| half.value(&tokens(n), CacheWrites::Short).total();
        assert_eq!([value(0), value(1), value(2), value(3)], [0, 1, 1, 2]);
    }
}
