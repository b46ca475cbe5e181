use super::*;

fn written(text: &str) -> Result<Rules, String> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("limits.toml");
    fs::write(&path, text).unwrap();
    read(&path).map_err(|error| error.to_string())
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

#[test]
fn mistakes_name_their_place_and_quote_no_value() {
    let quota = "[[quota]]\nname = \"q\"\nmeasure = \"tokens\"\nwindow = \"daily\"\n";
    let rolling = quota.replace("daily", "rolling");
    let budget = "[[budget]]\nname = \"b\"\nusd = 5\nwindow = \"daily\"\n";
    let combo = "[[combo]]\nname = \"c\"\n";
    for (text, place, message) in [
        (
            format!("{quota}limt = 5\n"),
            "line 5",
            "unknown field `limt`",
        ),
        (
            format!("{quota}limit = \"hunter2\"\n"),
            "line 5",
            "expected f64",
        ),
        (
            quota.replace("tokens", "hunter2"),
            "line 3",
            "expected one of",
        ),
        (format!("{quota}limit = -1\n"), "quota \"q\"", "from 0 on"),
        (format!("{quota}limit = nan\n"), "quota \"q\"", "from 0 on"),
        (format!("{quota}at = \"1000\"\n"), "quota \"q\"", "10:00"),
        (format!("{quota}at = \"24:00\"\n"), "quota \"q\"", "10:00"),
        (
            format!("{quota}zone = \"hunter2\"\n"),
            "quota \"q\"",
            "Europe/Berlin",
        ),
        (format!("{quota}day = 3\n"), "quota \"q\"", "day to monthly"),
        (
            format!("{quota}length = \"5h\"\n"),
            "quota \"q\"",
            "only rolling",
        ),
        (
            format!("{quota}model = []\n"),
            "quota \"q\"",
            "pattern is empty",
        ),
        (rolling.clone(), "quota \"q\"", "wants a length"),
        (
            format!("{rolling}length = \"10s\"\n"),
            "quota \"q\"",
            "one minute",
        ),
        (
            format!("{rolling}length = \"5h\"\nat = \"10:00\"\n"),
            "quota \"q\"",
            "no start",
        ),
        (format!("{quota}{quota}"), "quota \"q\"", "another one"),
        (
            budget.replace("daily", "rolling"),
            "budget \"b\"",
            "daily, weekly",
        ),
        (
            format!("{budget}thresholds = [80]\n"),
            "budget \"b\"",
            "0.8",
        ),
        (format!("{budget}{budget}"), "budget \"b\"", "another one"),
        (combo.to_owned(), "combo \"c\"", "models or aliases"),
        (
            "[anomaly]\nminimum_days = 8\n".to_owned(),
            "anomaly",
            "1 to 7",
        ),
        ("zone = \"hunter2\"\n".to_owned(), "zone", "Europe/Berlin"),
    ] {
        let error = written(&text).unwrap_err();
        assert!(error.contains(place) && error.contains(message), "{error}");
        assert!(!error.contains("hunter2"), "{error}");
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
fn a_pattern_that_could_be_a_key_is_not_shown() {
    let text = "[[budget]]\nname = \"b\"\nusd = 5\nwindow = \"daily\"\n\
                client = [\"sk-secret\", \"alice\"]\nprovider = \"glm*\"\n";
    let rules = written(text).unwrap();
    assert_eq!(
        rules.budgets[0].scope,
        "provider glm*, client (hidden) or alice"
    );
}
