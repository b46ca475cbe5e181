//! Token counts by disjoint kinds, from CPA's split where it can be trusted, else from the flat
//! counts, whose meaning depends on the provider.

use super::record::{Breakdown, FlatTokens, Quality, Record};
use crate::model::{TokenQuality, Tokens};

pub(super) struct Split {
    pub(super) counts: Tokens,
    pub(super) quality: TokenQuality,
}

pub(super) fn split(record: &Record<'_>) -> Split {
    let flat = || from_flat(&record.tokens, Semantics::of(record));
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
        // CPA says so itself, or its parts contradict their sum.
        Some(_) => Split {
            counts: flat(),
            quality: TokenQuality::Inconsistent,
        },
    }
}

impl Breakdown {
    fn counts(&self) -> Tokens {
        Tokens {
            input: self.input.uncached_tokens,
            cache_read: self.input.cache_read_tokens,
            cache_write: self.input.cache_write_tokens,
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

/// What the flat counts of a provider mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Semantics {
    /// Input contains cached tokens, output contains reasoning (`OpenAI` and its many likes).
    Subset,
    /// Cache tokens stand beside input, reasoning is part of output (Claude).
    Independent,
    /// Input contains cached tokens, reasoning stands beside output (Gemini and its family).
    Separate,
    /// Nothing but the total can be relied on.
    Unknown,
}

impl Semantics {
    /// By the same words in provider and executor that CPA goes by, in the same order.
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
            // Before v7.1.38 records named no executor, and an OpenAI-compatible provider by its bare
            // name in CPA's configuration. Plugins came later.
            Self::Subset
        } else {
            Self::Unknown
        }
    }
}

/// Parts never exceed their whole: cache ≤ input where it is inside, reasoning ≤ output likewise.
fn from_flat(flat: &FlatTokens, semantics: Semantics) -> Tokens {
    // Before v7.0.3 there was only `cached_tokens`; until v7.2.67 the newer key was there but 0 for
    // everybody except Claude, for whom `cached_tokens` can mean writes.
    let cache_read = match flat.cache_read_tokens {
        None => flat.cached_tokens,
        Some(0) if !flat.cache_read_tokens_present && semantics != Semantics::Independent => {
            flat.cached_tokens
        }
        Some(read) => read,
    };
    let mut counts = match semantics {
        Semantics::Subset | Semantics::Separate => {
            let cache_read = cache_read.min(flat.input_tokens);
            let cache_write = flat
                .cache_creation_tokens
                .min(flat.input_tokens - cache_read);
            Tokens {
                input: flat.input_tokens - cache_read - cache_write,
                cache_read,
                cache_write,
                ..Tokens::default()
            }
        }
        Semantics::Independent => Tokens {
            input: flat.input_tokens,
            cache_read,
            cache_write: flat.cache_creation_tokens,
            ..Tokens::default()
        },
        Semantics::Unknown => {
            return Tokens {
                unclassified: match flat.total_tokens {
                    0 => flat.input_tokens + flat.output_tokens,
                    total => total,
                },
                ..Tokens::default()
            };
        }
    };
    counts.reasoning = flat.reasoning_tokens;
    counts.output = flat.output_tokens;
    if semantics != Semantics::Separate {
        counts.reasoning = flat.reasoning_tokens.min(flat.output_tokens);
        counts.output = flat.output_tokens - counts.reasoning;
    }
    counts.unclassified = flat.total_tokens.saturating_sub(counts.total());
    counts
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn record(provider: &'static str) -> Record<'static> {
        Record {
            provider: provider.into(),
            executor_type: "SomeExecutor".into(),
            ..Record::default()
        }
    }

    fn flat(numbers: [u64; 7]) -> FlatTokens {
        let [input, output, reasoning, cached, read, creation, total] = numbers;
        FlatTokens {
            input_tokens: input,
            output_tokens: output,
            reasoning_tokens: reasoning,
            cached_tokens: cached,
            cache_read_tokens: Some(read),
            cache_read_tokens_present: true,
            cache_creation_tokens: creation,
            total_tokens: total,
        }
    }

    fn kinds(provider: &'static str, numbers: [u64; 7]) -> [u64; 6] {
        from_flat(&flat(numbers), Semantics::of(&record(provider))).by_kind()
    }

    #[test]
    fn each_provider_has_its_own_meaning() {
        // OpenAI: 1000 of the 1200 came from a cache, 120 of the 300 were reasoning.
        assert_eq!(
            kinds("codex", [1200, 300, 120, 1000, 1000, 0, 1500]),
            [200, 1000, 0, 180, 120, 0]
        );
        // Claude: cache stands beside input; `cached_tokens` is not looked at.
        assert_eq!(
            kinds("claude", [100, 50, 20, 900, 900, 300, 1350]),
            [100, 900, 300, 30, 20, 0]
        );
        // Gemini: thoughts come on top of output.
        assert_eq!(
            kinds("gemini", [1000, 200, 300, 400, 400, 0, 1500]),
            [600, 400, 0, 200, 300, 0]
        );
        assert_eq!(
            kinds("plugin-x", [10, 5, 0, 0, 0, 0, 15]),
            [0, 0, 0, 0, 0, 15]
        );
        assert_eq!(
            kinds("plugin-x", [10, 5, 0, 0, 0, 0, 0]),
            [0, 0, 0, 0, 0, 15]
        );
    }

    #[test]
    fn parts_beyond_their_whole_are_clamped() {
        // Reasoning counted on top of completion: the rest of the total is unclassified.
        assert_eq!(
            kinds("openai-compatible-x", [100, 50, 80, 0, 0, 0, 230]),
            [100, 0, 0, 0, 50, 80]
        );
        assert_eq!(
            kinds("xai", [100, 0, 0, 150, 150, 9, 100]),
            [0, 100, 0, 0, 0, 0]
        );
    }

    #[test]
    fn before_cache_fields_existed_cached_tokens_were_reads() {
        let old = FlatTokens {
            cache_read_tokens: None,
            ..flat([1000, 10, 0, 800, 0, 0, 1010])
        };
        assert_eq!(
            from_flat(&old, Semantics::Subset).by_kind(),
            [200, 800, 0, 10, 0, 0]
        );
    }

    #[test]
    fn before_executors_were_named_compatible_providers_had_bare_names() {
        let numbers = flat([1200, 300, 120, 1000, 0, 0, 1500]);
        let kinds = |provider: &'static str| {
            let old = Record {
                executor_type: "".into(),
                ..record(provider)
            };
            from_flat(&numbers, Semantics::of(&old)).by_kind()
        };
        assert_eq!(kinds("fakeai"), [1200, 0, 0, 180, 120, 0]);
        assert_eq!(kinds("unknown"), [0, 0, 0, 0, 0, 1500]);
    }

    proptest! {
        #[test]
        fn kinds_add_up_and_cover_the_total(
            numbers in prop::array::uniform7(0_u64..1_000_000_000_000_000),
            provider in prop::sample::select(vec!["codex", "claude", "vertex", "mystery"]),
        ) {
            let [input, output, _, _, _, _, total] = numbers;
            let counts = from_flat(&flat(numbers), Semantics::of(&record(provider)));
            let sum: u64 = counts.by_kind().iter().sum();
            prop_assert_eq!(sum, counts.total());
            prop_assert!(sum >= total);
            if provider == "codex" {
                prop_assert_eq!(counts.input + counts.cache_read + counts.cache_write, input);
                prop_assert_eq!(counts.generated(), output);
            }
        }
    }
}
