//! What is asked of the JSON beside the linter's rules.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::board::{Board, build};
use crate::boards;
use crate::files::{all_boards, panels};
use crate::style::GREY;
use crate::text::{Lang, Texts};

/// With these names Grafana's colours follow the theme; the one grey is readable in both.
const HUES: [&str; 6] = ["red", "orange", "yellow", "green", "blue", "purple"];
const SHADES: [&str; 5] = ["", "dark-", "semi-dark-", "light-", "super-light-"];

#[test]
fn every_panel_is_whole() {
    for board in all_boards() {
        for panel in real_panels(&board) {
            let at = place(&board, panel);
            for field in ["title", "description"] {
                assert!(
                    panel[field].as_str().is_some_and(|s| !s.is_empty()),
                    "{at}: {field}"
                );
            }
            let defaults = &panel["fieldConfig"]["defaults"];
            for field in ["unit", "noValue"] {
                assert!(
                    defaults[field].as_str().is_some_and(|s| !s.is_empty()),
                    "{at}: {field}"
                );
            }
        }
    }
}

#[test]
fn few_panels_are_drawn_at_load_and_none_overlap() {
    for board in all_boards() {
        let open = board.json["panels"].as_array().unwrap();
        let drawn = open.iter().filter(|p| p["type"] != "row").count();
        assert!(drawn <= 20, "{}: {drawn} panels at load", board.title);
        no_overlap(&board, open);
        for row in open.iter().filter(|p| p["type"] == "row") {
            assert_eq!(row["collapsed"], true, "{}", place(&board, row));
            no_overlap(&board, row["panels"].as_array().unwrap());
        }
    }
}

fn no_overlap(board: &Board, panels: &[Value]) {
    let mut taken = BTreeSet::new();
    for panel in panels {
        let grid = |side: &str| panel["gridPos"][side].as_u64().unwrap();
        let at = place(board, panel);
        assert!(grid("x") + grid("w") <= 24, "{at} leaves the grid");
        for x in grid("x")..grid("x") + grid("w") {
            for y in grid("y")..grid("y") + grid("h") {
                assert!(taken.insert((x, y)), "{at} overlaps");
            }
        }
    }
}

#[test]
fn the_overview_answers_in_at_most_eight_tiles() {
    let board = build(boards::ALL[0], Lang::En);
    let tiles = real_panels(&board).filter(|p| p["type"] == "stat").count();
    assert!(tiles <= 8, "{tiles}");
}

#[test]
fn identifiers_are_unique() {
    let mut uids = BTreeSet::new();
    for board in all_boards() {
        let uid = board.json["uid"].as_str().unwrap().to_owned();
        assert!(uids.insert(uid.clone()), "{uid} twice");
        assert!(uid.ends_with(board.lang.uid_suffix()), "{uid}");
        let mut ids = BTreeSet::new();
        for panel in panels(&board.json) {
            assert!(
                ids.insert(panel["id"].as_u64().unwrap()),
                "{}",
                place(&board, panel)
            );
        }
    }
}

#[test]
fn languages_differ_in_words_only() {
    for plan in boards::ALL {
        let english = bones(&build(plan, Lang::En).json);
        for lang in [Lang::Vi, Lang::Zh] {
            assert_eq!(
                bones(&build(plan, lang).json),
                english,
                "{} {lang:?}",
                plan.name
            );
        }
    }
}

/// Panels, places and queries of a board, without its words.
fn bones(board: &Value) -> Vec<(String, String, Vec<String>)> {
    let bone = |panel: &Value| {
        let targets = panel["targets"].as_array().cloned().unwrap_or_default();
        let queries = targets.iter().map(|t| t["expr"].to_string()).collect();
        let what = format!("{} {}", panel["id"], panel["type"]);
        (what, panel["gridPos"].to_string(), queries)
    };
    panels(board).into_iter().map(bone).collect()
}

#[test]
fn every_text_is_there_in_three_languages_and_used() {
    let mut used = BTreeSet::new();
    for plan in boards::ALL {
        let board = build(plan, Lang::En);
        assert_eq!(board.unused_texts, Vec::<String>::new(), "{}", plan.name);
        used.extend(board.used_texts);
        for (key, [en, vi, zh]) in Texts::new(Lang::En, plan.texts).every() {
            for text in [en, vi, zh] {
                assert!(!text.trim().is_empty(), "{}: {key} is empty", plan.name);
            }
            if en.contains(' ') && !en.contains("{{") {
                assert!(
                    en != vi && en != zh,
                    "{}: {key} is not translated",
                    plan.name
                );
            }
        }
    }
    let common = Texts::new(Lang::En, include_str!("text/common.toml"));
    let idle: Vec<String> = common
        .unused()
        .into_iter()
        .filter(|key| !used.contains(key))
        .collect();
    assert_eq!(idle, Vec::<String>::new(), "in common.toml");
}

#[test]
fn colours_follow_the_theme() {
    let mut names: BTreeSet<String> = ["text", "transparent", GREY].map(str::to_owned).into();
    for hue in HUES {
        names.extend(SHADES.map(|shade| format!("{shade}{hue}")));
    }
    for board in all_boards() {
        for panel in real_panels(&board) {
            colours(panel, &mut |colour| {
                assert!(names.contains(colour), "{}: {colour}", place(&board, panel));
            });
        }
    }
}

fn colours(json: &Value, found: &mut impl FnMut(&str)) {
    match json {
        Value::Object(fields) => {
            for (name, value) in fields {
                match value.as_str() {
                    Some(colour) if name == "color" || name == "fixedColor" => found(colour),
                    _ => colours(value, found),
                }
            }
        }
        Value::Array(values) => values.iter().for_each(|value| colours(value, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// A link to a board that is not there is a dead end.
#[test]
fn links_lead_to_boards_of_the_same_language() {
    let mut uids: BTreeMap<Lang, BTreeSet<String>> = BTreeMap::new();
    let boards = all_boards();
    for board in &boards {
        let uid = board.json["uid"].as_str().unwrap().to_owned();
        uids.entry(board.lang).or_default().insert(uid);
    }
    for board in &boards {
        let text = board.json.to_string();
        let targets = text
            .split("\"/d/")
            .skip(1)
            .map(|rest| rest.split('/').next().unwrap());
        let targets: Vec<&str> = targets.collect();
        assert!(!targets.is_empty(), "{} links nowhere", board.title);
        for uid in targets {
            assert!(uids[&board.lang].contains(uid), "{}: {uid}", board.title);
        }
        assert_eq!(board.json["links"][0]["tags"], board.json["tags"]);
        assert_eq!(board.json["tags"][0], "cpa");
    }
}

pub(crate) fn real_panels(board: &Board) -> impl Iterator<Item = &Value> {
    panels(&board.json)
        .into_iter()
        .filter(|p| p["type"] != "row")
}

pub(crate) fn place(board: &Board, panel: &Value) -> String {
    format!(
        "{}/{} {} {}",
        board.plan.name,
        board.lang.code(),
        panel["id"],
        panel["title"]
    )
}
