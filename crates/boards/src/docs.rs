//! `docs/dashboards.md`: each board, its question, its queries.

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
    let mut out = vec![HEAD.to_owned()];
    for board in boards {
        let name = board.plan.name;
        out.push(format!(
            "\n## {}\n\n*{}*\n\n`grafana/dashboards/en/{name}.json`, uid `cpa-{name}`\n\n",
            board.title, board.question
        ));
        out.extend(panels(&board.json).into_iter().map(panel_of));
    }
    out.concat()
}

fn panel_of(panel: &Value) -> String {
    let text = |key: &str| panel[key].as_str().unwrap_or_default();
    let title = text("title");
    if text("type") == "row" {
        return format!("### {title} (closed row)\n\n");
    }
    let targets = panel["targets"].as_array().into_iter().flatten();
    let queries: String = targets
        .filter_map(|target| Some(short(target["expr"].as_str()?) + "\n"))
        .collect();
    let about = text("description");
    format!("**{title}**: {about}\n\n```promql\n{queries}```\n\n")
}

/// The filters are the same everywhere and would hide the query.
fn short(expr: &str) -> String {
    let mut out = expr.replace("job=~\"$job\",instance=~\"$instance\"", "S");
    for filter in ["provider", "account", "model", "client", "budget"] {
        out = out.replace(&format!(",{filter}=~\"${filter}\""), "");
    }
    out
}
