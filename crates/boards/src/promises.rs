//! What the boards promise beyond the linter's rules: no stranger on them, no green while nothing
//! is known, no graph with five hundred lines, no empty graph in the first half hour.

use promql_parser::parser::Expr;
use serde_json::{Value, json};

use crate::files::{all_boards, panels};
use crate::promql;
use crate::seed::of_every_program;

type Rule = (&'static str, fn(&Value) -> Vec<String>);

const RULES: [Rule; 5] = [
    ("of exporters only", of_exporters_only),
    ("a fallback needs an exporter", guarded_fallback),
    ("no green while nothing is known", no_green_unknown),
    ("lines and rows are limited", limited),
    ("the running slice is drawn", running_slice),
];

#[test]
fn every_promise_holds_on_every_board() {
    for board in all_boards() {
        for (name, rule) in RULES {
            let problems = rule(&board.json);
            assert!(
                problems.is_empty(),
                "{name}, {}: {problems:#?}",
                board.title
            );
        }
    }
}

#[test]
fn every_promise_finds_its_breach() {
    let bad = json!({
        "annotations": {"list": [{"expr": "changes(process_start_time_seconds[2m])"}]},
        "panels": [
            {"id": 1, "type": "stat", "targets": [
                {"legendFormat": "", "expr": "min(up) or vector(0)"},
                {"legendFormat": "", "expr": "sum(increase(x_total[$__range]))"},
            ], "fieldConfig": {"defaults": {"thresholds": {"steps": [{"color": "green"}]}}}},
            {"id": 2, "type": "timeseries", "targets": [
                {"legendFormat": "{{account}}", "expr": "max by (account) (increase(x[$__interval]))"},
            ]},
        ],
    });
    for (name, rule) in RULES {
        assert!(!rule(&bad).is_empty(), "{name} finds nothing");
    }
    assert_eq!(of_exporters_only(&bad).len(), 2);
}

/// Each panel with each of its targets.
fn targets(board: &Value) -> Vec<(&Value, &Value)> {
    let mut all = Vec::new();
    for panel in panels(board) {
        let targets = panel["targets"].as_array().into_iter().flatten();
        all.extend(targets.map(|target| (panel, target)));
    }
    all
}

fn expr(target: &Value) -> &str {
    target["expr"].as_str().unwrap_or_default()
}

/// Also of the annotations.
fn exprs(board: &Value) -> Vec<String> {
    let annotations = board["annotations"]["list"]
        .as_array()
        .into_iter()
        .flatten();
    let queries = targets(board).into_iter().map(|(_, target)| target);
    let all = queries.chain(annotations).map(|one| expr(one).to_owned());
    all.filter(|expr| !expr.is_empty()).collect()
}

fn breaches(board: &Value, part: impl Fn(&Expr) -> bool, guard: &str) -> Vec<String> {
    exprs(board)
        .into_iter()
        .filter(|expr| {
            let tree = promql::parse(expr).unwrap();
            let guard = |selector: &promql_parser::parser::VectorSelector| {
                selector.name.as_deref() == Some(guard)
            };
            promql::unguarded(&tree, &part, &guard) > 0
        })
        .collect()
}

fn of_exporters_only(board: &Value) -> Vec<String> {
    let part = |expr: &Expr| {
        let selector = promql::selector(expr);
        selector.is_some_and(|s| s.name.as_deref().is_some_and(of_every_program))
    };
    breaches(board, part, "cpa_exporter_build_info")
}

/// `vector(0)` and `vector(-1)` say that all is well; from 99 on it is a finding.
fn guarded_fallback(board: &Value) -> Vec<String> {
    let part = |expr: &Expr| {
        let Expr::Call(call) = expr else { return false };
        let number = call.args.args.first().map(|arg| (**arg).clone());
        let finding = matches!(number, Some(Expr::NumberLiteral(number)) if number.val >= 99.0);
        call.func.name == "vector" && !finding
    };
    let live = ["cpa_up", "cpa_quota_used_ratio", "cpa_quota_exhausted"];
    let mut all = breaches(board, part, live[0]);
    for guard in &live[1..] {
        let other = breaches(board, part, guard);
        all.retain(|expr| other.contains(expr));
    }
    all
}

/// A figure over the range outlives the exporter; in a tile that is green at nothing it must not.
fn no_green_unknown(board: &Value) -> Vec<String> {
    let green = |panel: &Value| {
        let defaults = &panel["fieldConfig"]["defaults"];
        panel["type"] == "stat" && defaults["thresholds"]["steps"][0]["color"] == "green"
    };
    let tiles = targets(board).into_iter();
    tiles
        .filter(|(panel, target)| green(panel) && expr(target).contains("[$__range]"))
        .filter(|(_, target)| !expr(target).contains("and on () cpa_up{"))
        .map(|(panel, target)| format!("{}: {}", panel["id"], expr(target)))
        .collect()
}

/// Nobody reads five hundred lines, and their names leave no room for them.
fn limited(board: &Value) -> Vec<String> {
    let names = ["{{account}}", "{{model}}", "{{client}}"];
    targets(board)
        .into_iter()
        .filter(|(panel, _)| panel["type"] == "timeseries" || panel["type"] == "state-timeline")
        .filter(|(_, target)| {
            let legend = target["legendFormat"].as_str().unwrap_or_default();
            names.iter().any(|name| legend.contains(name)) && !expr(target).contains("topk(")
        })
        .map(|(panel, target)| format!("{}: {}", panel["id"], expr(target)))
        .collect()
}

/// With a range of days the first full slice comes hours after the installation.
fn running_slice(board: &Value) -> Vec<String> {
    let whole = "[$__interval] offset -$__interval";
    targets(board)
        .into_iter()
        .filter(|(_, target)| expr(target).replace(whole, "").contains("[$__interval]"))
        .map(|(panel, target)| format!("{}: {}", panel["id"], expr(target)))
        .collect()
}
