//! Splits token counts into disjoint kinds: from CPA's breakdown if it is reliable, else from the
//! flat counts, whose semantics depend on the provider.

use super::record::{Breakdown, FlatTokens, Quality, Record};
use crate::model::{TokenQuality, Tokens};

pub(super) struct Split {
    pub(super) counts: Tokens,
    pub(super) quality: TokenQuality,
}

pub(super) fn split(record: &Record<'_>) -> Split {
    let mut split = by_kind(record);
    let flat = &record.tokens;
    let lifetimes = flat.cache_creation_5m_tokens + flat.cache_creation_1h_tokens;
    split.counts.cache_write_1h =
        (lifetimes > 0).then(|| flat.cache_creation_1h_tokens.min(split.counts.cache_write));
    split
}

fn by_kind(record: &Record<'_>) -> Split {
    let flat = || {
        let semantics = Semantics::of(record);
        from_flat(
            &record.tokens,
            semantics,
            total_has_cache(record, semantics),
        )
    };
    let Some(breakdown) = record.token_breakdown else {
        return Split {
            counts: flat(),
            quality: TokenQuality::Absent,
        };
    };
    match breakdown.quality {
        None => Split {
            counts: flat(),
            quality: TokenQuality::Absent,
        },
        Some(Quality::Complete) if breakdown.adds_up() && breakdown.unclassified_tokens == 0 => {
            Split {
                counts: breakdown.counts(),
                quality: TokenQuality::Complete,
            }
        }
        Some(Quality::Unclassified) if breakdown.adds_up() => Split {
            counts: breakdown.counts(),
            quality: TokenQuality::Unclassified,
        },
        // CPA marks it as unreliable, or its parts contradict their sum.
        Some(_) => Split {
            counts: flat(),
            quality: TokenQuality::Inconsistent,
        },
    }
}

/// Before v7.1.26, CPA's total excluded Claude's cache, so the total decides nothing about it.
/// Those versions sent neither tier (v7.1.27) nor executor (v7.1.38).
fn total_has_cache(record: &Record<'_>, semantics: Semantics) -> bool {
    let is_old = record.service_tier.is_empty() && record.executor_type.is_empty();
    !(is_old && semantics == Semantics::Independent)
}

impl Breakdown {
    fn counts(&self) -> Tokens {
        Tokens {
            input: self.input.uncached_tokens,
            cache_read: self.input.cache_read_tokens,
            cache_write: self.input.cache_write_tokens,
            cache_write_1h: None,
            output: self.output.non_reasoning_tokens,
            reasoning: self.output.reasoning_tokens,
            unclassified: self.unclassified_tokens,
        }
    }

    fn adds_up(&self) -> bool {
        let counts = self.counts();
        let input = counts.input + counts.cache_read + counts.cache_write;
        counts.total() == self.total_tokens
            && self.input.total_tokens.is_none_or(|total| total == input)
            && self
                .output
                .total_tokens
                .is_none_or(|total| total == counts.generated())
    }
}

/// Semantics of a provider's flat counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Semantics {
    /// Input includes cached tokens, output includes reasoning (`OpenAI` and compatible providers).
    Subset,
    /// Input excludes cache tokens, output includes reasoning (Claude).
    Independent,
    /// Input includes cached tokens, output excludes reasoning (Gemini and its family).
    Separate,
    /// Only the total is reliable.
    Unknown,
}

impl Semantics {
    /// Matches the same words in provider and executor as CPA, in the same order.
    fn of(record: &Record<'_>) -> Self {
        const SUBSET: [&str; 8] = [
            "openai",
            "codex",
            "xai",
            "grok",
            "kimi",
            "qwen",
            "deepseek",
            "openrouter",
        ];
        const INDEPENDENT: [&str; 2] = ["claude", "anthropic"];
        const SEPARATE: [&str; 5] = ["gemini", "aistudio", "antigravity", "vertex", "interaction"];
        let text = format!("{} {}", record.provider, record.executor_type).to_ascii_lowercase();
        let names = |words: &[&str]| words.iter().any(|word| text.contains(word));
        if names(&SUBSET) {
            Self::Subset
        } else if names(&INDEPENDENT) {
            Self::Independent
        } else if names(&SEPARATE) {
            Self::Separate
        } else if record.executor_type.is_empty() && record.provider != "unknown" {
            // Before v7.1.38, records named no executor, and named an OpenAI-compatible provider by
            // its bare name in CPA's configuration. Plugins came later.
            Self::Subset
        } else {
            Self::Unknown
        }
    }
}

impl FlatTokens {
    /// The whole is at least the sum of its parts.
    fn cache_write(&self) -> u64 {
        let parts = self.cache_creation_5m_tokens + self.cache_creation_1h_tokens;
        self.cache_creation_tokens.max(parts)
    }
}

/// For each count that may be part of another one: `true` = separate from it, `false` = included in
/// it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Arrangement {
    read_beside: bool,
    write_beside: bool,
    reasoning_beside: bool,
}

impl Arrangement {
    fn all() -> impl Iterator<Item = Self> {
        (0..8_u8).map(|bits| Self {
            read_beside: bits & 1 != 0,
            write_beside: bits & 2 != 0,
            reasoning_beside: bits & 4 != 0,
        })
    }

    /// The provider's arrangement, as far as possible: a part that exceeds its whole is separate.
    /// If a provider's cache exceeds the input, both reads and writes are separate.
    fn usual(semantics: Semantics, flat: &FlatTokens, cache_read: u64) -> Self {
        let cache_beside = semantics == Semantics::Independent
            || cache_read + flat.cache_write() > flat.input_tokens;
        Self {
            read_beside: cache_beside,
            write_beside: cache_beside,
            reasoning_beside: semantics == Semantics::Separate
                || flat.reasoning_tokens > flat.output_tokens,
        }
    }

    /// Counts of the most similar arrangement whose kinds add up to the total.
    fn nearest_fit(self, flat: &FlatTokens, cache_read: u64) -> Option<Tokens> {
        let difference = |other: Self| {
            u8::from(self.read_beside != other.read_beside)
                + u8::from(self.write_beside != other.write_beside)
                + u8::from(self.reasoning_beside != other.reasoning_beside)
        };
        Self::all()
            .filter_map(|other| Some((difference(other), other.counts(flat, cache_read)?)))
            .filter(|(_, counts)| counts.total() == flat.total_tokens)
            .min_by_key(|(difference, _)| *difference)
            .map(|(_, counts)| counts)
    }

    /// `None` if a part exceeds its whole.
    fn counts(self, flat: &FlatTokens, cache_read: u64) -> Option<Tokens> {
        let inside = |beside: bool, count: u64| if beside { 0 } else { count };
        let cache_write = flat.cache_write();
        let cached = inside(self.read_beside, cache_read) + inside(self.write_beside, cache_write);
        let thought = inside(self.reasoning_beside, flat.reasoning_tokens);
        Some(Tokens {
            input: flat.input_tokens.checked_sub(cached)?,
            cache_read,
            cache_write,
            cache_write_1h: None,
            output: flat.output_tokens.checked_sub(thought)?,
            reasoning: flat.reasoning_tokens,
            unclassified: 0,
        })
    }
}

/// The arrangement that the total proves: the only one whose kinds add up to it.
fn proven(flat: &FlatTokens, cache_read: u64) -> Option<Tokens> {
    let mut fitting = Arrangement::all()
        .filter_map(|arrangement| arrangement.counts(flat, cache_read))
        .filter(|counts| counts.total() == flat.total_tokens);
    let first = fitting.next()?;
    fitting.all(|other| other == first).then_some(first)
}

/// Uses arithmetic first, because compatible upstreams and relays differ in their semantics; if the
/// total is ambiguous, the provider's usual semantics decide.
fn from_flat(flat: &FlatTokens, semantics: Semantics, total_has_cache: bool) -> Tokens {
    // Before v7.0.3 only `cached_tokens` existed; until v7.2.67 the newer key was 0 for all
    // providers except Claude, for which `cached_tokens` can mean writes.
    let cache_read = match flat.cache_read_tokens {
        None => flat.cached_tokens,
        Some(0) if !flat.cache_read_tokens_present && semantics != Semantics::Independent => {
            flat.cached_tokens
        }
        Some(read) => read,
    };
    if total_has_cache && let Some(counts) = proven(flat, cache_read) {
        return counts;
    }
    let usual = Arrangement::usual(semantics, flat, cache_read);
    let mut counts = usual.counts(flat, cache_read).unwrap_or_default();
    // The total refutes the usual arrangement, and several others fit.
    if total_has_cache
        && counts.total() > flat.total_tokens
        && let Some(nearest) = usual.nearest_fit(flat, cache_read)
    {
        counts = nearest;
    }
    if semantics == Semantics::Unknown {
        return Tokens {
            unclassified: counts.total().max(flat.total_tokens),
            ..Tokens::default()
        };
    }
    counts.unclassified = flat.total_tokens.saturating_sub(counts.total());
    counts
}

#[cfg(test)]
mod tests;
