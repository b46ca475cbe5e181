//! Token usage of a request: drawn at random, in a provider's flat counts, and by kind.

use super::kinds::{Counting, Kind, Login};
use super::prng::Prng;
use crate::version::CpaVersion;
use cpa_exporter_core::model::{TokenQuality, Tokens};

/// The flat `tokens` object of a record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Flat {
    pub(crate) input: u64,
    pub(crate) output: u64,
    pub(crate) reasoning: u64,
    pub(crate) cached: u64,
    pub(crate) cache_read: u64,
    pub(crate) cache_creation: u64,
    pub(crate) total: u64,
}

/// Token counts of one request: those in the record and the true ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Usage {
    pub(crate) flat: Flat,
    /// The disjoint kinds that a correct decoder derives from the record.
    pub(crate) tokens: Tokens,
    pub(crate) quality: TokenQuality,
}

impl Usage {
    pub(crate) const NONE: Self = Self {
        flat: Flat {
            input: 0,
            output: 0,
            reasoning: 0,
            cached: 0,
            cache_read: 0,
            cache_creation: 0,
            total: 0,
        },
        tokens: Tokens {
            input: 0,
            cache_read: 0,
            cache_write: 0,
            cache_write_1h: None,
            output: 0,
            reasoning: 0,
            unclassified: 0,
        },
        quality: TokenQuality::Complete,
    };

    pub(crate) fn draw(kind: &Kind, version: CpaVersion, prng: &mut Prng) -> Self {
        // OpenAI-compatible upstreams are the ones that report odd counts.
        if version.has(7, 2, 97) && kind.headers == super::kinds::HeaderSet::RateLimit {
            match prng.below(200) {
                0 => return Self::only_total(prng),
                1 => return Self::reasoning_on_top(prng),
                _ => {}
            }
        }
        let mut tokens = Tokens {
            input: prng.log_between(16, 16_383),
            output: prng.log_between(16, 2_047),
            ..Tokens::default()
        };
        if prng.chance(600) {
            tokens.cache_read = prng.log_between(1_024, 131_071);
        }
        let thinks = kind.counting != Counting::Independent || version.has(7, 2, 117);
        if thinks && prng.chance(350) {
            tokens.reasoning = prng.log_between(32, 4_095);
        }
        if kind.counting == Counting::Independent && prng.chance(250) {
            tokens.cache_write = prng.log_between(256, 16_383);
        }
        Self {
            flat: flat(kind, &tokens),
            tokens,
            quality: TokenQuality::Complete,
        }
    }

    fn only_total(prng: &mut Prng) -> Self {
        let total = prng.log_between(128, 8_191);
        Self {
            flat: Flat {
                total,
                ..Flat::default()
            },
            tokens: Tokens {
                unclassified: total,
                ..Tokens::default()
            },
            quality: TokenQuality::Unclassified,
        }
    }

    /// An upstream whose completion count excludes reasoning. CPA reports it as inconsistent; the
    /// total proves it.
    fn reasoning_on_top(prng: &mut Prng) -> Self {
        let input = prng.log_between(64, 4_095);
        let output = prng.log_between(256, 2_047);
        let reasoning = prng.log_between(32, 255);
        Self {
            flat: Flat {
                input,
                output,
                reasoning,
                total: input + output + reasoning,
                ..Flat::default()
            },
            tokens: Tokens {
                input,
                output,
                reasoning,
                ..Tokens::default()
            },
            quality: TokenQuality::Inconsistent,
        }
    }
}

fn flat(kind: &Kind, tokens: &Tokens) -> Flat {
    let (read, write) = (tokens.cache_read, tokens.cache_write);
    let mut flat = Flat {
        reasoning: tokens.reasoning,
        cached: read,
        cache_read: read,
        cache_creation: write,
        ..Flat::default()
    };
    match kind.counting {
        Counting::Subset => {
            flat.input = tokens.input + read;
            flat.output = tokens.output + tokens.reasoning;
            flat.total = flat.input + flat.output;
        }
        Counting::Independent => {
            flat.input = tokens.input;
            flat.output = tokens.output + tokens.reasoning;
            flat.cached = if read == 0 { write } else { read };
            flat.total = flat.input + flat.output + read + write;
        }
        Counting::Separate => {
            flat.input = tokens.input + read;
            flat.output = tokens.output;
            flat.total = flat.input + flat.output + flat.reasoning;
        }
    }
    flat
}

/// Whether CPA's success and failure counters include this kind of credential.
pub(crate) fn is_counted(kind: &Kind) -> bool {
    kind.login != Login::Keyless
}
