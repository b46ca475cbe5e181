use std::collections::BTreeMap;

use super::*;
use crate::api::TokenCounts;

const WIDE: Style = Style {
    width: 200,
    colour: false,
};

fn usage(requests: u64, failures: u64, input: u64, value_usd: f64) -> Usage {
    Usage {
        requests,
        failures,
        success_ratio: Some(0.75),
        tokens: TokenCounts {
            input,
            total: input,
            ..TokenCounts::default()
        },
        value_usd,
        mean_latency: (requests > failures).then_some(1.25),
        ..Usage::default()
    }
}

fn breakdown() -> Breakdown {
    let row = |model: &str, account: &str, usage| BreakdownRow {
        group: BTreeMap::from([
            ("model".to_owned(), model.to_owned()),
            ("account".to_owned(), account.to_owned()),
        ]),
        usage,
    };
    let mut total = usage(5, 2, 1_234_567, 12.5);
    total.unpriced_requests = 1;
    Breakdown {
        from: 1_796_083_200.0,
        to: 1_796_086_800.0,
        timezone: "UTC".to_owned(),
        by: vec!["account".to_owned(), "model".to_owned()],
        rows: vec![
            row("gpt-5", "codex-37e10d", usage(4, 1, 1_234_000, 12.5)),
            row("=cmd()", "none", usage(1, 1, 567, 0.0)),
        ],
        total,
    }
}

fn lines(columns: Columns, style: &Style) -> Vec<String> {
    let text = table(&breakdown(), columns, &TimeZone::UTC, style);
    text.lines().map(str::to_owned).collect()
}

#[test]
fn a_table_has_groups_figures_and_a_total() {
    insta::assert_snapshot!(lines(Columns::default(), &WIDE).join("\n"));
}

#[test]
fn compact_tables_leave_out_details_and_money_when_told() {
    let columns = Columns {
        compact: true,
        no_cost: true,
    };
    let lines = lines(columns, &WIDE);
    let words: Vec<&str> = lines[1].split_whitespace().collect();
    assert_eq!(words, ["ACCOUNT", "MODEL", "REQUESTS", "FAILED", "TOKENS"]);
    assert_eq!(lines.len(), 5);
}

#[test]
fn narrow_tables_fit_and_keep_the_main_figures() {
    let style = Style {
        width: 80,
        colour: false,
    };
    let lines = lines(Columns::default(), &style);
    for line in lines.iter().take(5) {
        assert!(line.chars().count() <= 80, "{line}");
    }
    for head in ["REQUESTS", "FAILED", "TOKENS", "COST", "VALUE"] {
        assert!(lines[1].contains(head), "{head}");
    }
}

#[test]
fn csv_is_exact_and_has_no_formulas() {
    let text = csv(&breakdown());
    let lines: Vec<&str> = text.split_terminator("\r\n").collect();
    assert_eq!(lines.len(), 3);
    assert!(lines[0].starts_with("account,model,requests,failures,success_ratio,input_tokens,"));
    assert!(lines[1].starts_with("codex-37e10d,gpt-5,4,1,0.75,1234000,"));
    assert!(lines[2].starts_with("none,'=cmd(),1,1,0.75,567,"));
    assert!(lines[2].ends_with(",567,,0,0"));
}

#[test]
fn json_is_read_back() {
    let text = json(&breakdown()).unwrap();
    assert_eq!(
        serde_json::from_str::<Breakdown>(&text).unwrap(),
        breakdown()
    );
}
