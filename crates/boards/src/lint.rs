//! The 17 rules of grafana's dashboard-linter, for every type of panel and without exclusions.

use serde_json::{Value, json};

use crate::files::{all_boards, panels};
use crate::promql::{self, RATE_INTERVAL, Selected};

/// Units of Grafana's own list that the boards use; a custom `suffix:` fails on purpose.
const UNITS: [&str; 15] = [
    "none",
    "short",
    "locale",
    "percentunit",
    "s",
    "ms",
    "bytes",
    "Bps",
    "reqps",
    "currencyUSD",
    "dtdhms",
    "dateTimeAsIso",
    "dateTimeFromNow",
    "bool_yes_no",
    "bool",
];

type Rule = (&'static str, fn(&Value) -> Vec<String>);

const RULES: [Rule; 17] = [
    ("template-datasource-rule", template_datasource),
    ("template-job-rule", |board| {
        template_own(board, "job", "Job")
    }),
    ("template-instance-rule", |board| {
        template_own(board, "instance", "Instance")
    }),
    ("template-label-promql-rule", template_label_promql),
    ("template-on-time-change-reload-rule", template_reload),
    ("panel-datasource-rule", panel_datasource),
    ("panel-title-description-rule", panel_title_description),
    ("panel-units-rule", panel_units),
    ("panel-no-targets-rule", panel_no_targets),
    ("target-logql-rule", target_logql),
    ("target-logql-auto-rule", target_logql_auto),
    ("target-promql-rule", target_promql),
    ("target-rate-interval-rule", target_rate_interval),
    ("target-job-rule", |board| target_matches(board, "job")),
    ("target-instance-rule", |board| {
        target_matches(board, "instance")
    }),
    ("target-counter-agg-rule", target_counter_agg),
    ("uneditable-dashboard-rule", uneditable),
];

#[test]
fn every_rule_holds_on_every_board() {
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

/// A rule that finds nothing in a bad board would pass for ever.
#[test]
fn every_rule_finds_its_mistake() {
    let bad = json!({
        "editable": true,
        "templating": {"list": [
            {"name": "DS", "type": "datasource", "label": "Source", "query": "prometheus"},
            {"name": "job", "type": "query", "label": "job", "refresh": 1,
             "query": {"query": "label_values(x{, job)"}, "datasource": {"uid": "abc"}},
        ]},
        "panels": [
            {"id": 1, "type": "gauge", "title": "", "datasource": {"uid": "abc"}, "targets": [
                {"expr": "rate(x_total[5m])", "datasource": {"uid": "abc"}},
                {"expr": "sum(x_total)"},
                {"expr": "sum("},
            ], "fieldConfig": {"defaults": {"unit": "suffix:x"}}},
            {"id": 2, "type": "table", "targets": []},
            {"id": 3, "type": "logs", "datasource": {"type": "loki"}, "targets": [
                {"expr": "{job=\"x\"} |= `y`", "datasource": {"type": "loki"}},
            ]},
        ],
    });
    for (name, rule) in RULES {
        assert!(!rule(&bad).is_empty(), "{name} finds nothing");
    }
}

fn variables(board: &Value) -> impl Iterator<Item = &Value> {
    board["templating"]["list"].as_array().unwrap().iter()
}

fn real_panels(board: &Value) -> Vec<&Value> {
    let all = panels(board).into_iter();
    all.filter(|panel| panel["type"] != "row").collect()
}

/// Each query with the number of its panel.
fn targets(board: &Value) -> Vec<(u64, &Value)> {
    let mut all = Vec::new();
    for panel in real_panels(board) {
        let id = panel["id"].as_u64().unwrap();
        all.extend(panel["targets"].as_array().unwrap().iter().map(|t| (id, t)));
    }
    all
}

/// Each selector of each query that can be read.
fn selectors(board: &Value) -> Vec<(u64, Selected)> {
    let mut all = Vec::new();
    for (id, target) in targets(board) {
        if let Ok(expr) = promql::parse(target["expr"].as_str().unwrap()) {
            all.extend(promql::selected(&expr).into_iter().map(|s| (id, s)));
        }
    }
    all
}

fn complain(found: bool, what: impl Into<String>) -> Option<String> {
    found.then(|| what.into())
}

fn template_datasource(board: &Value) -> Vec<String> {
    let sources: Vec<&Value> = variables(board)
        .filter(|v| v["type"] == "datasource")
        .collect();
    let [source] = sources[..] else {
        return vec![format!("{} data source variables", sources.len())];
    };
    let name = source["name"].as_str().unwrap_or_default();
    let mut problems = Vec::new();
    let names = ["datasource", "prometheus_datasource"];
    problems.extend(complain(!names.contains(&name), format!("named {name}")));
    let label = &source["label"];
    problems.extend(complain(label != "Data source", format!("label {label}")));
    problems.extend(complain(source["query"] != "prometheus", "not Prometheus"));
    problems
}

fn template_own(board: &Value, name: &str, label: &str) -> Vec<String> {
    let Some(variable) = variables(board).find(|v| v["name"] == name) else {
        return vec![format!("no variable {name}")];
    };
    let wanted = [
        ("type", json!("query")),
        ("label", json!(label)),
        ("multi", json!(true)),
        ("allValue", json!(".+")),
    ];
    let mut problems: Vec<String> = wanted
        .iter()
        .filter(|(field, value)| variable[*field] != *value)
        .map(|(field, value)| format!("{name}: {field} is not {value}"))
        .collect();
    let source = &variable["datasource"]["uid"];
    problems.extend(complain(
        source != "${datasource}",
        format!("{name}: {source}"),
    ));
    problems
}

fn template_label_promql(board: &Value) -> Vec<String> {
    let queries = variables(board).filter(|v| v["type"] == "query");
    let wrong = queries.filter_map(|variable| {
        let query = variable["query"]["query"].as_str().unwrap_or_default();
        selector_of_label_values(query)
            .map_or_else(|| Some(query.to_owned()), |s| promql::parse(s).err())
    });
    wrong.collect()
}

/// The selector in `label_values(selector, label)`.
pub(crate) fn selector_of_label_values(query: &str) -> Option<&str> {
    let inside = query.strip_prefix("label_values(")?.strip_suffix(')')?;
    Some(inside.rsplit_once(',')?.0)
}

fn template_reload(board: &Value) -> Vec<String> {
    let queries = variables(board).filter(|v| v["type"] == "query");
    queries
        .filter(|v| v["refresh"] != 2)
        .map(|v| format!("{} is not read again when the time changes", v["name"]))
        .collect()
}

fn panel_datasource(board: &Value) -> Vec<String> {
    let panels = real_panels(board).into_iter();
    let own = panels.map(|panel| (panel["id"].as_u64().unwrap(), panel));
    own.chain(targets(board))
        .filter(|(_, has)| has["datasource"]["uid"] != "${datasource}")
        .map(|(id, has)| format!("{id}: {}", has["datasource"]))
        .collect()
}

fn panel_title_description(board: &Value) -> Vec<String> {
    let filled = |value: &Value| value.as_str().is_some_and(|text| !text.is_empty());
    real_panels(board)
        .into_iter()
        .filter(|panel| !filled(&panel["title"]) || !filled(&panel["description"]))
        .map(|panel| panel["id"].to_string())
        .collect()
}

fn panel_units(board: &Value) -> Vec<String> {
    let mut problems = Vec::new();
    for panel in real_panels(board) {
        let own = &panel["fieldConfig"]["defaults"]["unit"];
        let overrides = panel["fieldConfig"]["overrides"].as_array();
        let of_columns = overrides
            .into_iter()
            .flatten()
            .flat_map(|o| o["properties"].as_array().into_iter().flatten())
            .filter(|property| property["id"] == "unit")
            .map(|property| &property["value"]);
        for unit in std::iter::once(own).chain(of_columns) {
            let unit = unit.as_str().unwrap_or_default();
            // `time:` takes a format; Grafana lists it as a kind of unit.
            let known = UNITS.contains(&unit) || unit.starts_with("time:");
            problems.extend(complain(!known, format!("{}: unit {unit:?}", panel["id"])));
        }
    }
    problems
}

fn panel_no_targets(board: &Value) -> Vec<String> {
    real_panels(board)
        .into_iter()
        .filter(|panel| panel["targets"].as_array().is_none_or(Vec::is_empty))
        .map(|panel| panel["id"].to_string())
        .collect()
}

fn loki(board: &Value) -> Vec<String> {
    targets(board)
        .into_iter()
        .filter(|(_, target)| target["datasource"]["type"] == "loki")
        .map(|(id, target)| format!("{id}: {}", target["expr"]))
        .collect()
}

/// The boards have no log queries, so that any is one too many for both rules about them.
fn target_logql(board: &Value) -> Vec<String> {
    loki(board)
}

fn target_logql_auto(board: &Value) -> Vec<String> {
    loki(board)
}

fn target_promql(board: &Value) -> Vec<String> {
    targets(board)
        .into_iter()
        .filter_map(|(id, target)| {
            let expr = target["expr"].as_str().unwrap();
            promql::parse(expr).err().map(|e| format!("{id}: {e}"))
        })
        .collect()
}

fn target_rate_interval(board: &Value) -> Vec<String> {
    let magic: u64 = RATE_INTERVAL.trim_end_matches('s').parse().unwrap();
    selectors(board)
        .into_iter()
        .filter(|(_, s)| ["rate", "irate"].contains(&s.nearest()) && s.range != Some(magic))
        .map(|(id, s)| format!("{id}: {} over something else", s.name))
        .collect()
}

fn target_matches(board: &Value, label: &str) -> Vec<String> {
    let wanted = (label.to_owned(), "=~".to_owned(), format!("${label}"));
    selectors(board)
        .into_iter()
        .filter(|(_, s)| !s.matchers.contains(&wanted))
        .map(|(id, s)| format!("{id}: {} lacks {label}=~\"${label}\"", s.name))
        .collect()
}

fn target_counter_agg(board: &Value) -> Vec<String> {
    selectors(board)
        .into_iter()
        .filter(|(_, s)| s.name.ends_with("_total"))
        .filter(|(_, s)| !["rate", "irate", "increase"].contains(&s.nearest()))
        .map(|(id, s)| format!("{id}: {} as it is", s.name))
        .collect()
}

fn uneditable(board: &Value) -> Vec<String> {
    complain(board["editable"] != false, "editable")
        .into_iter()
        .collect()
}
