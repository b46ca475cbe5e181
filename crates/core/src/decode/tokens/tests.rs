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
        ..FlatTokens::default()
    }
}

fn kinds(provider: &'static str, numbers: [u64; 7]) -> [u64; 6] {
    from_flat(&flat(numbers), Semantics::of(&record(provider)), true).by_kind()
}

#[test]
fn each_provider_has_its_own_semantics() {
    // OpenAI: 1000 of the 1200 came from a cache, 120 of the 300 were reasoning.
    assert_eq!(
        kinds("codex", [1200, 300, 120, 1000, 1000, 0, 1500]),
        [200, 1000, 0, 180, 120, 0]
    );
    // Claude: input excludes the cache; `cached_tokens` is ignored.
    assert_eq!(
        kinds("claude", [100, 50, 20, 900, 900, 300, 1350]),
        [100, 900, 300, 30, 20, 0]
    );
    // Gemini: thoughts are added to output.
    assert_eq!(
        kinds("gemini", [1000, 200, 300, 400, 400, 0, 1500]),
        [600, 400, 0, 200, 300, 0]
    );
}

#[test]
fn total_proves_the_arrangement_for_every_provider() {
    for provider in ["openai-compatible-x", "claude", "gemini", "plugin-x"] {
        for (numbers, right) in [
            ([10, 5, 0, 0, 0, 0, 15], [10, 0, 0, 5, 0, 0]),
            // Output excludes reasoning, input includes the cache.
            (
                [10_120, 1499, 2809, 128, 128, 0, 14_428],
                [9992, 128, 0, 1499, 2809, 0],
            ),
            // Input excludes the cache.
            ([100, 50, 0, 40, 40, 0, 190], [100, 40, 0, 50, 0, 0]),
            // Input includes reads and excludes writes.
            ([100, 50, 20, 40, 40, 30, 180], [60, 40, 30, 30, 20, 0]),
            // Everything is included.
            ([100, 50, 20, 40, 40, 30, 150], [30, 40, 30, 30, 20, 0]),
        ] {
            assert_eq!(kinds(provider, numbers), right, "{provider} {numbers:?}");
        }
    }
}

#[test]
fn provider_decides_if_the_total_is_ambiguous() {
    // Either the 100 cached tokens or the 100 reasoning tokens are separate.
    let numbers = [1000, 200, 100, 100, 100, 0, 1300];
    assert_eq!(kinds("gemini", numbers), [900, 100, 0, 200, 100, 0]);
    assert_eq!(kinds("claude", numbers), [1000, 100, 0, 100, 100, 0]);
    assert_eq!(kinds("plugin-x", numbers), [0, 0, 0, 0, 0, 1300]);
}

#[test]
fn part_that_exceeds_its_whole_is_separate() {
    assert_eq!(
        kinds("openai-compatible-x", [100, 50, 80, 0, 0, 0, 150]),
        [100, 0, 0, 50, 80, 0]
    );
    assert_eq!(
        kinds("openai-compatible-x", [100, 50, 0, 5000, 5000, 0, 150]),
        [100, 5000, 0, 50, 0, 0]
    );
    assert_eq!(
        kinds("xai", [100, 0, 0, 150, 150, 9, 100]),
        [100, 150, 9, 0, 0, 0]
    );
    assert_eq!(
        kinds("plugin-x", [100, 50, 0, 5000, 5000, 0, 150]),
        [0, 0, 0, 0, 0, 5150]
    );
}

#[test]
fn provider_decides_without_a_total() {
    assert_eq!(
        kinds("plugin-x", [10, 5, 0, 0, 0, 0, 0]),
        [0, 0, 0, 0, 0, 15]
    );
    assert_eq!(kinds("claude", [10, 5, 0, 3, 3, 0, 0]), [10, 3, 0, 5, 0, 0]);
}

#[test]
fn totals_of_old_claude_records_are_ignored_for_the_cache() {
    let old = Record {
        executor_type: "".into(),
        tokens: flat([1000, 50, 0, 900, 900, 0, 1050]),
        ..record("claude")
    };
    assert_eq!(split(&old).counts.by_kind(), [1000, 900, 0, 50, 0, 0]);
    let newer = Record {
        service_tier: "auto".into(),
        ..old
    };
    assert_eq!(split(&newer).counts.by_kind(), [100, 900, 0, 50, 0, 0]);
}

#[test]
fn cached_tokens_are_reads_before_cache_fields_existed() {
    let old = FlatTokens {
        cache_read_tokens: None,
        ..flat([1000, 10, 0, 800, 0, 0, 1010])
    };
    assert_eq!(
        from_flat(&old, Semantics::Subset, true).by_kind(),
        [200, 800, 0, 10, 0, 0]
    );
}

#[test]
fn compatible_providers_have_bare_names_before_executors_existed() {
    // The total exceeds the counts, so it proves nothing.
    let numbers = flat([1200, 300, 120, 1000, 0, 0, 1507]);
    let kinds = |provider: &'static str| {
        let old = Record {
            executor_type: "".into(),
            ..record(provider)
        };
        from_flat(&numbers, Semantics::of(&old), true).by_kind()
    };
    assert_eq!(kinds("fakeai"), [1200, 0, 0, 180, 120, 7]);
    assert_eq!(kinds("unknown"), [0, 0, 0, 0, 0, 1507]);
}

#[test]
fn write_lifetimes_are_kept_if_sent() {
    let claude = |minutes: u64, hour: u64, creation: u64| {
        let record = Record {
            tokens: FlatTokens {
                cache_creation_5m_tokens: minutes,
                cache_creation_1h_tokens: hour,
                ..flat([10, 5, 0, 0, 0, creation, 15 + creation])
            },
            ..record("claude")
        };
        let counts = split(&record).counts;
        (counts.cache_write, counts.cache_write_1h)
    };
    assert_eq!(claude(0, 0, 100), (100, None));
    assert_eq!(claude(100, 0, 100), (100, Some(0)));
    assert_eq!(claude(30, 70, 100), (100, Some(70)));
    assert_eq!(claude(0, 70, 0), (70, Some(70)));
}

const PROVIDERS: [&str; 4] = ["codex", "claude", "vertex", "mystery"];

#[test]
fn usual_arrangement_refuted_by_the_total_is_not_used() {
    // Cache reads beside the input fit the total, and so do writes and reasoning beside.
    let numbers = [159, 159, 158, 159, 159, 1, 477];
    assert_eq!(kinds("codex", numbers), [158, 159, 1, 1, 158, 0]);
    assert_eq!(kinds("mystery", numbers), [0, 0, 0, 0, 0, 477]);
}

proptest! {
    #[test]
    fn kinds_cover_the_total_without_loss(
        numbers in prop::array::uniform7(0_u64..1_000_000_000_000_000),
        provider in prop::sample::select(PROVIDERS.to_vec()),
    ) {
        let [input, output, reasoning, _, read, write, total] = numbers;
        let counts = from_flat(&flat(numbers), Semantics::of(&record(provider)), true);
        let sum = counts.total();
        // The sum includes each count, directly or as part of another one.
        prop_assert!(sum >= total);
        prop_assert!(sum >= input.max(read + write) + output.max(reasoning));
        if provider != "mystery" {
            prop_assert_eq!([counts.cache_read, counts.cache_write], [read, write]);
            prop_assert_eq!(counts.reasoning, reasoning);
            prop_assert!(counts.input <= input && counts.output <= output);
        }
    }

    /// Converts disjoint kinds to the flat counts of any arrangement and back.
    #[test]
    fn matching_total_is_the_sum_of_the_kinds(
        kinds in prop::array::uniform5(0_u64..10_000),
        beside in prop::array::uniform3(any::<bool>()),
        provider in prop::sample::select(PROVIDERS.to_vec()),
    ) {
        let [input, read, write, output, reasoning] = kinds;
        let [read_beside, write_beside, reasoning_beside] = beside;
        let within = |beside: bool, count: u64| if beside { 0 } else { count };
        let numbers = [
            input + within(read_beside, read) + within(write_beside, write),
            output + within(reasoning_beside, reasoning),
            reasoning,
            read,
            read,
            write,
            kinds.iter().sum(),
        ];
        let counts = from_flat(&flat(numbers), Semantics::of(&record(provider)), true);
        prop_assert_eq!(counts.total(), kinds.iter().sum::<u64>());
        // A sum of parts can equal another one; then the total proves nothing.
        let sums: Vec<u64> = (0..8_u8)
            .map(|bits| {
                let on = |bit: u8, count: u64| if bits & bit == 0 { 0 } else { count };
                on(1, read) + on(2, write) + on(4, reasoning)
            })
            .collect();
        let distinct = |index: usize| sums.iter().filter(|sum| **sum == sums[index]).count();
        if (0..8).all(|index| distinct(index) == 1) {
            let [a, b, c, d, e, unclassified] = counts.by_kind();
            prop_assert_eq!([a, b, c, d, e], kinds);
            prop_assert_eq!(unclassified, 0);
        }
    }
}
