//! The files that are checked in.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::alerts;
use crate::board::{Board, build};
use crate::boards;
use crate::text::Lang;

/// Every board in every language.
pub(crate) fn all_boards() -> Vec<Board> {
    let plans = boards::ALL.iter();
    plans
        .flat_map(|plan| Lang::ALL.map(|lang| build(plan, lang)))
        .collect()
}

/// Of the repository.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn pretty(json: &Value) -> String {
    serde_json::to_string_pretty(json).expect("plain data") + "\n"
}

/// The variant for import by hand: Grafana asks for the data source and puts it in for the input.
fn importable(board: &Board) -> Value {
    let mut json = board.json.clone();
    json["__inputs"] = json!([{
        "name": "DS_PROMETHEUS", "label": "Prometheus", "description": "",
        "type": "datasource", "pluginId": "prometheus", "pluginName": "Prometheus",
    }]);
    let mut kinds: Vec<&str> = panels(&json)
        .iter()
        .filter_map(|panel| panel["type"].as_str())
        .filter(|kind| *kind != "row")
        .collect();
    kinds.sort_unstable();
    kinds.dedup();
    let mut requires = vec![
        json!({"type": "grafana", "id": "grafana", "name": "Grafana", "version": "11.0.0"}),
        json!({"type": "datasource", "id": "prometheus", "name": "Prometheus",
               "version": "1.0.0"}),
    ];
    for kind in kinds {
        requires.push(json!({"type": "panel", "id": kind, "name": kind, "version": ""}));
    }
    json["__requires"] = json!(requires);
    json["templating"]["list"][0]["current"] =
        json!({"selected": true, "text": "${DS_PROMETHEUS}", "value": "${DS_PROMETHEUS}"});
    json
}

/// All panels of a board, those in closed rows and the rows themselves included.
pub(crate) fn panels(board: &Value) -> Vec<&Value> {
    let top = board["panels"].as_array().expect("panels").iter();
    top.flat_map(|panel| {
        let inside = panel["panels"].as_array();
        std::iter::once(panel).chain(inside.into_iter().flatten())
    })
    .collect()
}

/// Every generated file with its text.
pub fn files() -> Vec<(PathBuf, String)> {
    let boards = all_boards();
    let mut files = Vec::new();
    for board in &boards {
        let place = format!("{}/{}.json", board.lang.code(), board.plan.name);
        let path = root().join("grafana/dashboards").join(&place);
        files.push((path, pretty(&board.json)));
        let path = root().join("grafana/import").join(&place);
        files.push((path, pretty(&importable(board))));
    }
    let english = boards.iter().filter(|board| board.lang == Lang::En);
    files.push((
        root().join("docs/dashboards.md"),
        crate::docs::page(&english.collect::<Vec<_>>()),
    ));
    for (path, text) in [alerts::grafana(), alerts::kubernetes()] {
        files.push((root().join(path), text));
    }
    files
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn files_are_what_the_generator_makes() {
        let wanted = files();
        for (path, text) in &wanted {
            let is = fs::read_to_string(path).unwrap_or_default();
            assert!(
                is == *text,
                "{} differs; run cargo run -p cpa-exporter-boards",
                path.display()
            );
        }
        // A board that was renamed must not leave its old file behind.
        for folder in ["grafana/dashboards", "grafana/import"] {
            for lang in Lang::ALL {
                for entry in fs::read_dir(root().join(folder).join(lang.code())).unwrap() {
                    let path = entry.unwrap().path();
                    assert!(wanted.iter().any(|(p, _)| *p == path), "{}", path.display());
                }
            }
        }
    }
}
