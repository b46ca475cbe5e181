use std::fs;

use super::super::resolve::Section;
use super::super::{Env, Flags, Limits, resolve};
use super::*;
use crate::model::UnixNanos;

fn written(text: &str) -> Result<Rules, String> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("limits.toml");
    fs::write(&path, text).unwrap();
    let mut flags = Flags::default();
    flags.set("limits.file", path.display().to_string());
    let read = resolve(&flags, &Env::default(), <Limits as Section>::read);
    read.map(|loaded| loaded.value.rules)
        .map_err(|problems| problems.to_string())
}

#[test]
fn the_example_in_the_documentation_is_valid() {
    let docs = include_str!("../../../docs/limits.md");
    let example = docs.split("```toml\n").nth(1).unwrap();
    let rules = written(example.split("```").next().unwrap()).unwrap();
    assert_eq!(rules.quotas.len(), 8);
    assert_eq!(rules.budgets.len(), 3);
    assert_eq!(rules.combos.len(), 1);
    assert_eq!(rules.anomaly, Anomaly::default());
    let limits: Vec<Option<u64>> = rules.quotas.iter().map(|rule| rule.limit).collect();
    let hours = 5 * 3_600_000_000_000;
    let expected = [10_000_000, 5_000_000, 10_000_000, 1000, 180_000, hours];
    assert_eq!(limits[..6], expected.map(Some));
    assert_eq!(limits[6..], [None, Some(2_500_000_000)]);
    let scopes: Vec<&str> = rules.budgets.iter().map(|b| b.scope.as_str()).collect();
    assert_eq!(scopes[0], "everything");
}

const QUOTA: &str = "[[quota]]\nname = \"q\"\nmeasure = \"tokens\"\nwindow = \"daily\"\n";
const BUDGET: &str = "[[budget]]\nname = \"b\"\nusd = 5\nwindow = \"daily\"\n";

/// Asserts that the file is refused at this place for this reason, without a quote of its values.
#[track_caller]
fn refused(text: &str, place: &str, message: &str) {
    let error = written(text).unwrap_err();
    let told = error.contains(place) && error.contains(message);
    assert!(told && !error.contains("hunter2"), "{error}");
}

#[test]
fn syntax_errors_name_their_line() {
    let with = |line: &str| format!("{QUOTA}{line}\n");
    refused(
        &with("limt = 5"),
        ":5:1: quota \"q\": limt: ",
        "unknown key; did you mean limit?",
    );
    refused(
        &with("limit = \"hunter2\""),
        ":5:1: quota \"q\": limit: ",
        "expected a number from 0 on",
    );
    let measure = QUOTA.replace("tokens", "hunter2");
    refused(
        &measure,
        ":3:1: quota \"q\": measure: ",
        "expected one of tokens, ",
    );
    refused(
        &with("model = 7"),
        ":5:1: quota \"q\": model: ",
        "expected a text or a list",
    );
}

#[test]
fn errors_in_quotas_name_their_rule() {
    let daily = QUOTA.to_owned();
    let rolling = QUOTA.replace("daily", "rolling");
    for (base, line, message) in [
        (&daily, "limit = -1", "from 0 on"),
        (&daily, "limit = nan", "from 0 on"),
        (&daily, "limit = 1e300", "from 0 on"),
        (&daily, "at = \"1000\"", "10:00"),
        (&daily, "at = \"24:00\"", "10:00"),
        (&daily, "zone = \"hunter2\"", "Europe/Berlin"),
        (&daily, "zone = \"+99:00\"", "Europe/Berlin"),
        (&daily, "day = 3", "day to monthly"),
        (&daily, "length = \"5h\"", "only rolling"),
        (&daily, "model = []", "none of them empty"),
        (&daily, QUOTA, "another one"),
        (&rolling, "", "needs a length"),
        (&rolling, "length = \"10s\"", "one minute"),
        (&rolling, "length = \"5h\"\nat = \"10:00\"", "no start"),
    ] {
        refused(&format!("{base}{line}\n"), "quota \"q\"", message);
    }
}

#[test]
fn errors_in_other_tables_name_their_place() {
    let budget = "budget \"b\"";
    refused(&BUDGET.replace("daily", "rolling"), budget, "daily, weekly");
    refused(&format!("{BUDGET}thresholds = [80]"), budget, "0.8");
    refused(&format!("{BUDGET}{BUDGET}"), budget, "another one");
    // Ten billion dollars in nano-dollars exceed 64 bits.
    refused(
        &BUDGET.replace("usd = 5", "usd = 10000000000"),
        budget,
        "summed in 64 bits",
    );
    let combo = "[[combo]]\nname = \"c\"\n";
    refused(combo, "combo \"c\"", "models or aliases");
    refused(
        "[anomaly]\nminimum_days = 8\n",
        "anomaly.minimum_days",
        "between 1 and 7",
    );
    refused("zone = \"hunter2\"\n", "zone", "Europe/Berlin");
}

#[test]
fn zones_are_names_or_offsets() {
    for (zone, hour) in [("+08:00", 2), ("Asia/Shanghai", 2), ("UTC", 10)] {
        let text = format!("{QUOTA}at = \"10:00\"\nzone = \"{zone}\"\n");
        let rules = written(&text).unwrap();
        let Period::Calendar(calendar) = &rules.quotas[0].period else {
            panic!("{:?}", rules.quotas[0].period);
        };
        let noon = UnixNanos::from_millis(1_795_521_600_000);
        let start = calendar.window(noon).start.as_millis() / 3_600_000 % 24;
        assert_eq!(start, hour, "{zone}");
    }
}

#[test]
fn one_name_may_have_several_windows() {
    let day = "[[quota]]\nname = \"free\"\nmeasure = \"requests\"\nwindow = \"daily\"\n";
    let month = day.replace("daily", "monthly");
    assert_eq!(written(&format!("{day}{month}")).unwrap().quotas.len(), 2);
    // A rolling day and a calendar day are both called daily.
    let rolling = day.replace("\"daily\"", "\"rolling\"\nlength = \"24h\"");
    assert!(written(&format!("{day}{rolling}")).is_err());
}

#[test]
fn a_pattern_that_could_be_a_key_is_hidden() {
    let text = "[[budget]]\nname = \"b\"\nusd = 5\nwindow = \"daily\"\n\
                client = [\"sk-secret\", \"alice\"]\nprovider = \"glm*\"\n";
    let rules = written(text).unwrap();
    assert_eq!(
        rules.budgets[0].scope,
        "provider glm*, client (hidden) or alice"
    );
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]

    /// Any text, and the example with any piece replaced: rules or an error, never a panic.
    #[test]
    fn damaged_files_are_rules_or_errors(
        text in ".{0,200}", at in 0..4_000_usize, len in 0..40_usize, number: f64,
    ) {
        let docs = include_str!("../../../docs/limits.md");
        let example = docs.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
        let at = example.floor_char_boundary(at.min(example.len()));
        let end = example.floor_char_boundary((at + len).min(example.len()));
        for piece in [&text, &number.to_string(), ""] {
            let damaged = format!("{}{piece}{}", &example[..at], &example[end..]);
            if let Err(error) = written(&damaged) {
                proptest::prop_assert!(!error.is_empty());
            }
        }
        let _any = written(&text);
        let _number = written(&QUOTA.replace("\"daily\"", &number.to_string()));
        let _limit = written(&format!("{QUOTA}limit = {number}\n"));
    }
}

#[test]
fn every_problem_is_reported_with_its_place() {
    let text = format!(
        "zone = \"Nowhere\"\n[anomaly]\nminimum_days = 8\nfloor = 1\n{QUOTA}at = \"25:00\"\n\
         limit = -1\n[[quota]]\nname = \"r\"\nwindow = \"rolling\"\n[[quota]]\n\
         measure = \"requests\"\nwindow = \"daily\"\nname = \"s\"\nday = 3\n\
         {BUDGET}thresholds = [0.5, 80]\n[[combo]]\nname = \"c\"\n"
    );
    let error = written(&text).unwrap_err();
    let lines = error.lines().map(|line| {
        let (_directory, rest) = line.split_once("limits.toml:").unwrap();
        rest.to_owned() + "\n"
    });
    insta::assert_snapshot!("every_problem", lines.collect::<String>());
}
