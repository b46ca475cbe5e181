//! A simulated CPA, second by second, with and without another client.

use std::fs;
use std::path::Path;

use super::*;

const INTERVAL: Duration = Duration::from_mins(1);

/// What happens in one second: requests that CPA counts, and records that it makes.
type Traffic<'a> = dyn Fn(u64) -> (f64, f64) + 'a;

/// A source that follows the comparison.
struct Run<'a> {
    traffic: &'a Traffic<'a>,
    /// Share of the records that another client takes from the queue, by second.
    thief: &'a dyn Fn(u64) -> f64,
    /// Whether the source can subscribe.
    can_probe: bool,
    /// Whether it stays subscribed after a theft.
    auto: bool,
    /// Pause between two pops.
    lag: u64,
    /// Reads of CPA's counts beyond the regular ones.
    early_reads: u32,
    /// Seconds in which the source subscribed.
    subscribed: u64,
}

impl<'a> Run<'a> {
    fn new(traffic: &'a Traffic<'a>, thief: &'a dyn Fn(u64) -> f64) -> Self {
        Self {
            traffic,
            thief,
            can_probe: true,
            auto: true,
            lag: 1,
            early_reads: 0,
            subscribed: 0,
        }
    }

    /// The findings and their seconds.
    fn for_seconds(&mut self, seconds: u64) -> Vec<(u64, Finding)> {
        let start = Instant::now();
        let mut comparison = Comparison::new(INTERVAL);
        let (mut counted, mut received, mut queued) = (0.0, 0.0, 0.0);
        let mut stays = false;
        let mut findings = Vec::new();
        for second in 0..seconds {
            let now = start + Duration::from_secs(second);
            let subscribed = stays || (self.can_probe && comparison.wants_subscription());
            let taking = if subscribed {
                Taking::Subscribed
            } else {
                Taking::Popping
            };
            comparison.set_taking(taking, Duration::from_secs(self.lag));
            let (requests, records) = (self.traffic)(second);
            counted += requests;
            if subscribed {
                self.subscribed += 1;
                received += records + std::mem::take(&mut queued);
            } else {
                queued += records * (1.0 - (self.thief)(second));
                if second.is_multiple_of(self.lag) {
                    received += std::mem::take(&mut queued);
                }
            }
            let early = comparison.wants_counts(now, received as u64);
            self.early_reads += u32::from(early);
            findings.extend(comparison.tick(now).map(|finding| (second, finding)));
            if early || second.is_multiple_of(INTERVAL.as_secs()) {
                let sample = Sample {
                    at: now,
                    counted: counted as u64,
                    received: received as u64,
                };
                if let Some(finding) = comparison.sample(sample, self.can_probe) {
                    stays |= self.auto && matches!(finding, Finding::Theft { .. });
                    findings.push((second, finding));
                }
            }
        }
        findings
    }
}

fn thefts(findings: &[(u64, Finding)]) -> Vec<u64> {
    let of = findings
        .iter()
        .filter(|(_, finding)| matches!(finding, Finding::Theft { .. }));
    of.map(|(second, _)| *second).collect()
}

const HONEST: fn(u64) -> f64 = |_| 0.0;

fn from(begin: u64, share: f64) -> impl Fn(u64) -> f64 {
    move |second| if second >= begin { share } else { 0.0 }
}

/// Pseudo-random and reproducible.
fn noise(second: u64) -> f64 {
    let mixed = second
        .wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1_442_695_040_888_963_407);
    (mixed >> 40) as f64 / f64::from(1 << 24)
}

#[test]
fn a_few_requests_without_records_are_no_hint() {
    // One `count_tokens` in an otherwise silent interval, and 19 in another.
    let traffic = |second| match second {
        130 | 400..419 => (1.0, 0.0),
        _ => (0.0, 0.0),
    };
    assert_eq!(Run::new(&traffic, &HONEST).for_seconds(3600), []);
}

#[test]
fn quiet_and_bursty_traffic_is_never_a_theft() {
    let table: [&Traffic<'_>; 4] = [
        &|_| (5.0, 5.0),
        // Traffic that stops and starts.
        &|second| {
            if (second / 90).is_multiple_of(2) {
                (5.0, 5.0)
            } else {
                (0.0, 0.0)
            }
        },
        // 2 % without a record, 3 % of records without a count.
        &|second| {
            if noise(second) < 0.5 {
                (10.0, 9.8)
            } else {
                (9.0, 9.3)
            }
        },
        // 499s: more records than counted requests.
        &|_| (4.0, 5.0),
    ];
    for (at, traffic) in table.into_iter().enumerate() {
        let mut run = Run::new(traffic, &HONEST);
        assert_eq!(run.for_seconds(1800), [], "{at}");
        assert_eq!(run.subscribed, 0, "{at}");
        assert!(run.early_reads <= 30, "{at}: {}", run.early_reads);
    }
}

#[test]
fn thefts_of_all_half_and_a_fifth_are_told() {
    for (share, limit) in [(1.0, 75), (0.99, 75), (0.5, 180), (0.25, 240)] {
        for begin in [600, 610, 630, 655] {
            let thief = from(begin, share);
            let mut run = Run::new(&|_| (5.0, 5.0), &thief);
            let findings = run.for_seconds(1800);
            let thefts = thefts(&findings);
            assert_eq!(thefts.len(), 1, "{share}: {findings:?}");
            assert!(
                thefts[0] - begin <= limit,
                "{share}: told after {} s",
                thefts[0] - begin
            );
            // Nobody can take a subscriber's records.
            assert!(
                matches!(findings.last(), Some((_, Finding::Over))),
                "{findings:?}"
            );
        }
    }
    // Noisy traffic and exactly a fifth: by chance later than the others.
    let traffic = |second| {
        if noise(second) < 0.5 {
            (9.0, 9.0)
        } else {
            (5.0, 5.0)
        }
    };
    let thief = |second| {
        if second < 600 {
            0.0
        } else {
            0.1 + noise(second + 7) / 5.0
        }
    };
    let findings = Run::new(&traffic, &thief).for_seconds(7200);
    assert_eq!(thefts(&findings).len(), 1, "{findings:?}");
}

#[test]
fn records_that_slip_through_do_not_reset_the_comparison() {
    let thief = |second: u64| {
        if second < 600 || second.is_multiple_of(17) {
            0.0
        } else {
            1.0
        }
    };
    let findings = Run::new(&|_| (5.0, 5.0), &thief).for_seconds(1800);
    assert!(thefts(&findings)[0] <= 600 + 75, "{findings:?}");
}

#[test]
fn a_theft_from_the_start_is_told() {
    let thief = from(0, 1.0);
    let findings = Run::new(&|_| (5.0, 5.0), &thief).for_seconds(300);
    assert!(thefts(&findings)[0] <= 120, "{findings:?}");
}

#[test]
fn requests_of_which_cpa_makes_no_record_are_no_theft_and_the_probe_is_not_repeated_soon() {
    for recorded in [0.0, 0.4, 0.75] {
        let traffic = move |_| (5.0, 5.0 * recorded);
        let mut run = Run::new(&traffic, &HONEST);
        let findings = run.for_seconds(3 * 3600);
        assert!(
            matches!(
                findings.as_slice(),
                [(_, Finding::Hint(_)), (_, Finding::NoTheft { .. })]
            ),
            "{recorded}: {findings:?}"
        );
        assert!(run.subscribed < 150, "{recorded}: {}", run.subscribed);
        // Later probes are rare, too.
        let findings = Run::new(&traffic, &HONEST).for_seconds(48 * 3600);
        assert!(thefts(&findings).is_empty(), "{recorded}: {findings:?}");
        assert!(findings.len() <= 10, "{recorded}: {findings:?}");
    }
}

/// A burst of token counting ends before the subscription.
#[test]
fn a_burst_without_records_is_no_theft() {
    for length in [5, 20, 60, 100] {
        let traffic = move |second| {
            if (1000..1000 + length).contains(&second) {
                (20.0, 2.0)
            } else {
                (2.0, 2.0)
            }
        };
        let findings = Run::new(&traffic, &HONEST).for_seconds(3600);
        assert!(thefts(&findings).is_empty(), "{length}: {findings:?}");
    }
}

#[test]
fn a_theft_after_a_probe_without_one_is_told() {
    let thief = from(1200, 1.0);
    let findings = Run::new(&|_| (5.0, 3.0), &thief).for_seconds(1800);
    let thefts = thefts(&findings);
    assert_eq!(thefts.len(), 1, "{findings:?}");
    assert!(thefts[0] <= 1200 + 130, "{findings:?}");
}

/// CPA's own missing records have ended in between.
#[test]
fn a_theft_long_after_a_probe_without_one_is_told_as_the_first() {
    let traffic = |second| {
        if second < 1200 {
            (5.0, 3.0)
        } else {
            (5.0, 5.0)
        }
    };
    let thief = from(4000, 0.5);
    let findings = Run::new(&traffic, &thief).for_seconds(5000);
    let thefts = thefts(&findings);
    assert_eq!(thefts.len(), 1, "{findings:?}");
    assert!(thefts[0] <= 4000 + 180, "{findings:?}");
}

#[test]
fn without_a_probe_only_a_drastic_theft_is_told_until_it_is_over() {
    let run = |thief: &dyn Fn(u64) -> f64, lag: u64| {
        let mut run = Run::new(&|_| (5.0, 5.0), thief);
        (run.can_probe, run.auto, run.lag) = (false, false, lag);
        run.for_seconds(3600)
    };
    for lag in [1, 15] {
        let thief = |second| {
            if (600..1500).contains(&second) {
                1.0
            } else {
                0.0
            }
        };
        let findings = run(&thief, lag);
        assert!(thefts(&findings)[0] <= 600 + 135, "{lag}: {findings:?}");
        assert!(
            findings
                .iter()
                .any(|(_, f)| matches!(f, Finding::StillTheft(_))),
            "{findings:?}"
        );
        assert!(
            matches!(findings.last(), Some((1500..1700, Finding::Over))),
            "{lag}: {findings:?}"
        );
        assert!(thefts(&run(&from(600, 0.3), lag)).is_empty());
        assert_eq!(run(&HONEST, lag), [], "{lag}");
    }
}

#[test]
fn a_probe_without_traffic_is_given_up() {
    let traffic = |second| if second < 625 { (5.0, 5.0) } else { (0.0, 0.0) };
    let mut run = Run::new(&traffic, &|second| if second < 600 { 0.0 } else { 1.0 });
    let findings = run.for_seconds(3600);
    assert!(thefts(&findings).is_empty(), "{findings:?}");
    assert!(run.subscribed <= 310, "{}", run.subscribed);
}

/// Every scenario of a real CPA, one a second, in which its counts and its records were compared.
#[test]
fn captured_scenarios_are_no_theft() {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/counters/by_scenario.jsonl");
    let text = fs::read_to_string(path).unwrap();
    let scenarios: Vec<(f64, f64)> = text
        .lines()
        .map(|line| {
            let scenario: serde_json::Value = serde_json::from_str(line).unwrap();
            let of = |name: &str| scenario[name].as_u64().unwrap() as f64;
            (of("counted"), of("records"))
        })
        .collect();
    assert_eq!(scenarios.len(), 508);
    let each = |second: u64| scenarios[usize::try_from(second).unwrap() % scenarios.len()];
    let findings = Run::new(&each, &HONEST).for_seconds(3 * 508);
    assert!(thefts(&findings).is_empty(), "{findings:?}");
    let thief = from(508, 0.5);
    let findings = Run::new(&each, &thief).for_seconds(4 * 508);
    assert!(!thefts(&findings).is_empty(), "{findings:?}");
    // Only those without a record, all day.
    let without: Vec<_> = scenarios
        .iter()
        .filter(|(counted, records)| counted > records)
        .collect();
    assert!(without.len() > 20);
    let each = |second: u64| *without[usize::try_from(second).unwrap() % without.len()];
    let findings = Run::new(&each, &HONEST).for_seconds(3600);
    assert!(thefts(&findings).is_empty(), "{findings:?}");
}

/// 5,000 mixed requests as a real CPA counted them: 4,875 results, 4,898 records.
#[test]
fn the_mixed_run_of_a_real_cpa_is_no_hint() {
    let traffic = |second: u64| {
        let draw = noise(second);
        match draw {
            // 2.2 % without a record, 2.9 % of records without a count (499).
            _ if draw < 0.022 => (1.0, 0.0),
            _ if draw < 0.051 => (0.0, 1.0),
            _ => (1.0, 1.0),
        }
    };
    assert_eq!(Run::new(&traffic, &HONEST).for_seconds(5000), []);
}

#[test]
fn a_restart_of_cpa_and_a_reload_begin_anew() {
    let start = Instant::now();
    let sample = |seconds: u64, counted, received| Sample {
        at: start + Duration::from_secs(seconds),
        counted,
        received,
    };
    let mut comparison = Comparison::new(INTERVAL);
    comparison.set_taking(Taking::Popping, Duration::from_secs(1));
    for (at, counted, received) in [(0, 100, 0), (60, 200, 100), (120, 5, 130)] {
        assert_eq!(comparison.sample(sample(at, counted, received), true), None);
    }
    assert_eq!(comparison.sample(sample(180, 65, 131), true), None);
    let hint = comparison.sample(sample(240, 125, 132), true);
    assert!(matches!(hint, Some(Finding::Hint(_))), "{hint:?}");
    assert!(comparison.wants_subscription());
    comparison.forget();
    assert!(!comparison.wants_subscription());
}
