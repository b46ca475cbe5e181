//! Every metric and label of every query exists.

use std::collections::BTreeSet;

use crate::catalogue::{self, family_of};
use crate::files::all_boards;
use crate::lint::selector_of_label_values;
use crate::promql;
use crate::shape::{place, real_panels};

/// Put on every series by Prometheus.
const EVERYWHERE: [&str; 2] = ["job", "instance"];

#[test]
fn metrics_and_labels_are_those_of_the_catalogue() {
    for board in all_boards() {
        for panel in real_panels(&board) {
            for target in panel["targets"].as_array().unwrap() {
                let legend = target["legendFormat"].as_str().unwrap();
                check(
                    &place(&board, panel),
                    target["expr"].as_str().unwrap(),
                    legend,
                );
            }
        }
        for annotation in &board.json["annotations"]["list"].as_array().unwrap()[1..] {
            let text = annotation["textFormat"].as_str().unwrap();
            check(&board.title, annotation["expr"].as_str().unwrap(), text);
        }
        for variable in &board.json["templating"]["list"].as_array().unwrap()[1..] {
            let query = variable["query"]["query"].as_str().unwrap();
            let label = query.trim_end_matches(')').rsplit(", ").next().unwrap();
            let selector = selector_of_label_values(query).unwrap();
            check(&board.title, selector, &format!("{{{{{label}}}}}"));
        }
    }
}

/// `legend` is what stands in `{{…}}`.
fn check(at: &str, expr: &str, legend: &str) {
    let tree = promql::parse(expr).unwrap();
    let mut known: BTreeSet<&str> = EVERYWHERE.into();
    let selected = promql::selected(&tree);
    for one in &selected {
        let family = family_of(&one.name);
        let family = family.unwrap_or_else(|| panic!("{at}: there is no {}", one.name));
        known.extend(family.labels);
        for (label, ..) in &one.matchers {
            let has = EVERYWHERE.contains(&label.as_str()) || family.labels.contains(&&**label);
            assert!(has, "{at}: {} has no label {label}", one.name);
        }
    }
    let made = promql::made_labels(&tree);
    known.extend(made.iter().map(String::as_str));
    let histogram = selected.iter().any(|one| one.name.ends_with("_bucket"));
    known.extend(histogram.then_some("le"));
    let shown = legend
        .split("{{")
        .skip(1)
        .map(|rest| rest.split("}}").next().unwrap().to_owned());
    for label in promql::named_labels(&tree).into_iter().chain(shown) {
        assert!(known.contains(&*label), "{at}: nothing has {label}: {expr}");
    }
}

/// A family that no board shows is either forgotten or has a reason.
const NOT_SHOWN: &[(&str, &str)] = &[
    (
        "cpa_account_status",
        "the boards use the same fact as one number, cpa_account_state",
    ),
    (
        "cpa_quota_oldest_expiry_timestamp_seconds",
        "of rolling windows of one's own rules only; the quota board shows when they are free again",
    ),
];

#[test]
fn every_family_is_on_a_board() {
    let mut shown = BTreeSet::new();
    for board in all_boards() {
        for panel in real_panels(&board) {
            for target in panel["targets"].as_array().unwrap() {
                let tree = promql::parse(target["expr"].as_str().unwrap()).unwrap();
                let names = promql::selected(&tree).into_iter();
                shown.extend(names.filter_map(|one| Some(family_of(&one.name)?.name)));
            }
        }
    }
    // A gateway has no board yet.
    let excused =
        |name: &str| name.starts_with("newapi_") || NOT_SHOWN.iter().any(|(not, _)| *not == name);
    let all = catalogue::all().map(|family| family.name);
    let (on_a_board, elsewhere): (Vec<&str>, Vec<&str>) =
        all.partition(|name| shown.contains(name));
    let forgotten: Vec<&str> = elsewhere
        .into_iter()
        .filter(|name| !excused(name))
        .collect();
    assert!(
        forgotten.is_empty(),
        "no board shows {forgotten:?}: add a panel in crates/boards/src/boards/, or the reason to NOT_SHOWN in \
         crates/boards/src/names.rs"
    );
    let shown_after_all: Vec<&str> = on_a_board
        .into_iter()
        .filter(|name| excused(name))
        .collect();
    assert!(
        shown_after_all.is_empty(),
        "boards show {shown_after_all:?}: take them out of NOT_SHOWN in crates/boards/src/names.rs"
    );
}
