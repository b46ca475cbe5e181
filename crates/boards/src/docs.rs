//! `docs/dashboards.md`: each board, its question, its queries.

use std::fmt::Write as _;

use serde_json::Value;

use crate::board::Board;
use crate::files::panels;

const HEAD: &str = "\
# Dashboards

<!-- Made from crates/boards by cargo run -p cpa-exporter-boards; do not edit. -->

Six boards for Grafana 11 to 13 in English, Vietnamese and Chinese: the same panels, numbers and
queries, other words. They link to each other and keep time and variables.

- **Provisioned**: `grafana/provisioning` and `grafana/dashboards`; see `grafana/README.md`.
- **By hand**: import a file of `grafana/import/en` (`vi`, `zh`) under *Dashboards → New → Import*.

A panel's bars and lines cover the time after their stamp, so that the running one is drawn. The
first bar can begin before the chosen range; figures in tiles and tables cover exactly the range.
While no exporter answers, tiles say “unknown”, tables “exporter unreachable”, and every graph
shades the hole in red. Bars and lines by model, account or client show the seven with the most
growth in the range, bars also “others”: all the rest in one. Tables of quotas bridge a missed scrape by ten minutes; forecasts and states
do not, they vanish with their reason. In the queries below `S` stands for the selectors that
every query has (`job=~\"$job\",instance=~\"$instance\"`) and for the board's own variables.
";

pub(crate) fn page(boards: &[&Board]) -> String {
    let mut out = HEAD.to_owned();
    for board in boards {
        let name = board.plan.name;
        writeln!(out, "\n## {}\n\n*{}*\n", board.title, board.question).unwrap();
        writeln!(
            out,
            "`grafana/dashboards/en/{name}.json`, uid `cpa-{name}`\n"
        )
        .unwrap();
        for panel in panels(&board.json) {
            panel_of(&mut out, panel);
        }
    }
    out
}

fn panel_of(out: &mut String, panel: &Value) {
    let title = panel["title"].as_str().unwrap();
    if panel["type"] == "row" {
        writeln!(out, "### {title} (closed row)\n").unwrap();
        return;
    }
    let about = panel["description"].as_str().unwrap();
    writeln!(out, "**{title}**: {about}\n\n```promql").unwrap();
    for target in panel["targets"].as_array().unwrap() {
        writeln!(out, "{}", short(target["expr"].as_str().unwrap())).unwrap();
    }
    writeln!(out, "```\n").unwrap();
}

/// The filters are the same everywhere and would hide the query.
fn short(expr: &str) -> String {
    let mut out = expr.replace("job=~\"$job\",instance=~\"$instance\"", "S");
    for filter in ["provider", "account", "model", "client", "budget"] {
        out = out.replace(&format!(",{filter}=~\"${filter}\""), "");
    }
    out
}
