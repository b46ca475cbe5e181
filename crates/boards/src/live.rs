//! Every query of every board against a real Prometheus with the household's history.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::tempdir;

use crate::board::{Board, build};
use crate::boards;
use crate::lint::selector_of_label_values;
use crate::seed::{self, Span};
use crate::shape::{place, real_panels};
use crate::table;
use crate::text::{Lang, Texts};

/// Long ago, so that nothing depends on when the test runs.
const END: i64 = 1_767_279_600;
const SPAN: Span = Span {
    start: END - 4 * 3600,
    end: END,
    step: 60,
    outage: 3600,
};

/// The program is there, or a loud word; in CI a missing one is a failure.
pub(crate) fn present(program: &str) -> bool {
    let mut asked = Command::new(program);
    asked
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    if asked.status().is_ok() {
        return true;
    }
    let ci = std::env::var_os("CI").is_some_and(|ci| ci == "true");
    assert!(!ci, "{program} is not installed");
    let said = format!("SKIPPED: {program} is not installed; scripts/test installs it\n");
    std::io::stderr().write_all(said.as_bytes()).unwrap();
    false
}

/// Ended with the test, however that ends.
struct Prometheus {
    child: Child,
    address: String,
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

impl Prometheus {
    fn start(dir: &Path) -> Self {
        let file = dir.join("history.txt");
        std::fs::write(&file, seed::openmetrics(SPAN)).unwrap();
        let blocks = dir.join("tsdb");
        let made = Command::new("promtool")
            .args(["tsdb", "create-blocks-from", "openmetrics"])
            .args([&file, &blocks])
            .output()
            .unwrap();
        assert!(
            made.status.success(),
            "{}",
            String::from_utf8_lossy(&made.stderr)
        );
        let config = dir.join("prometheus.yml");
        std::fs::write(&config, "global: {}\n").unwrap();
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let address = format!("127.0.0.1:{port}");
        let child = Command::new("prometheus")
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.tsdb.path={}", blocks.display()))
            .arg(format!("--web.listen-address={address}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let this = Self { child, address };
        let deadline = Instant::now() + Duration::from_mins(1);
        while this.ask("query", &[("query", "count(cpa_up)")]).is_none() {
            assert!(Instant::now() < deadline, "Prometheus does not answer");
            std::thread::yield_now();
        }
        this
    }

    /// Nothing as long as it does not answer.
    fn ask(&self, path: &str, form: &[(&str, &str)]) -> Option<Value> {
        let body = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(form)
            .finish();
        let mut stream = TcpStream::connect(&self.address).ok()?;
        let request = format!(
            "POST /api/v1/{path} HTTP/1.0\r\nHost: {}\r\nContent-Length: {}\r\n\
             Content-Type: application/x-www-form-urlencoded\r\n\r\n{body}",
            self.address,
            body.len()
        );
        stream.write_all(request.as_bytes()).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        serde_json::from_str(answer.split_once("\r\n\r\n")?.1).ok()
    }

    /// Series of an answer that must not be an error.
    fn series(&self, at: &str, expr: &str, instant: bool) -> Vec<Value> {
        self.series_at(END, at, expr, instant)
    }

    fn series_at(&self, end: i64, at: &str, expr: &str, instant: bool) -> Vec<Value> {
        let start = (end - 3 * 3600).to_string();
        let end = end.to_string();
        let answer = if instant {
            self.ask("query", &[("query", expr), ("time", &end)])
        } else {
            let form = [
                ("query", expr),
                ("start", &start),
                ("end", &end),
                ("step", "300"),
            ];
            self.ask("query_range", &form)
        };
        let answer = answer.unwrap_or_else(|| panic!("{at}: no answer to {expr}"));
        assert_eq!(answer["status"], "success", "{at}: {answer} to {expr}");
        answer["data"]["result"].as_array().unwrap().clone()
    }
}

/// As Grafana would put them in, with all values chosen or only one.
fn filled(expr: &str, one: &[(&str, &str)]) -> String {
    let mut out = expr
        .replace("$__rate_interval", "240s")
        .replace("$__interval", "300s")
        .replace("$__range_s", "10800")
        .replace("$__range", "10800s");
    for (name, value) in one {
        out = out.replace(&format!("${name}"), value);
    }
    for name in [
        "job", "instance", "provider", "account", "model", "client", "budget",
    ] {
        out = out.replace(&format!("${name}"), ".+");
    }
    // `$1` is label_replace's, not Grafana's.
    assert!(!out.replace("$1\"", "\"").contains('$'), "{out}");
    out
}

const ONE: &[(&str, &str)] = &[
    ("provider", "codex"),
    ("account", "codex-(plus|pro)"),
    ("model", "gpt-5.2"),
];

#[test]
fn prometheus_answers_every_query() {
    if !present("prometheus") || !present("promtool") {
        return;
    }
    let dir = tempdir().unwrap();
    let prometheus = Prometheus::start(dir.path());
    let mut empty = Vec::new();
    for plan in boards::ALL {
        let board = build(plan, Lang::En);
        empty.extend(empty_panels(&prometheus, &board));
        around(&prometheus, &board);
        during_an_outage(&prometheus, &board);
    }
    alerts_say_what(&prometheus);
    assert_eq!(
        empty,
        Vec::<String>::new(),
        "say why in may_be_empty, or mend the query"
    );
}

fn empty_panels(prometheus: &Prometheus, board: &Board) -> Vec<String> {
    let mut empty = Vec::new();
    for (panel, key) in real_panels(board).zip(&board.keys) {
        for target in panel["targets"].as_array().unwrap() {
            let letter = target["refId"].as_str().unwrap();
            let at = format!("{} {letter} ({key})", place(board, panel));
            let expr = target["expr"].as_str().unwrap();
            let instant = target["instant"] == true;
            prometheus.series(&at, &filled(expr, ONE), instant);
            let series = prometheus.series(&at, &filled(expr, &[]), instant);
            let names = [key.clone(), format!("{key} {letter}")];
            let excused = board
                .plan
                .may_be_empty
                .iter()
                .any(|(k, _)| names.contains(&(*k).to_owned()));
            // A table has rows, or one that says there are none.
            if expr.contains(table::NONE) {
                let said = series.iter().map(|one| one["metric"].to_string());
                let said = said.filter(|metric| metric.contains(table::NONE)).count();
                assert_eq!(
                    (series.len(), said),
                    (excused.into(), excused.into()),
                    "{at}"
                );
                continue;
            }
            // The stranger belongs on no board.
            for one in &series {
                assert!(
                    !one["metric"].to_string().contains(seed::STRANGER),
                    "{at}: {one}"
                );
            }
            if key == "trust" {
                assert_eq!(
                    series[0]["value"][1], "0",
                    "{at}: the stranger is down, we are not"
                );
            }
            let series = series.len();
            // Nobody is left over where the names are few.
            if target["legendFormat"] == Texts::new(Lang::En, board.plan.texts).word("others") {
                continue;
            }
            if (series == 0) != excused {
                empty.push(format!("{at}: {series} series"));
            }
        }
    }
    empty
}

/// Half an hour after the exporter's last word no tile says that all is well, no table says that
/// there is nothing, and the hole is marked.
fn during_an_outage(prometheus: &Prometheus, board: &Board) {
    let now = END + 1800;
    for (panel, key) in real_panels(board).zip(&board.keys) {
        for target in panel["targets"].as_array().unwrap() {
            let expr = filled(target["expr"].as_str().unwrap(), &[]);
            let at = format!("{} ({key})", place(board, panel));
            if panel["type"] == "stat" {
                let series = prometheus.series_at(now, &at, &expr, true);
                let green = &panel["fieldConfig"]["defaults"]["thresholds"]["steps"][0]["color"];
                let worth_a_look = |one: &Value| one["value"][1] != "-1" && *green != "green";
                let well = series.iter().filter(|one| !worth_a_look(one)).count();
                let unknown = expr.contains("\"?\"");
                assert!(well == 0 || unknown, "{at}: {series:?} to {expr}");
            }
            if expr.contains(table::NONE) {
                let series = prometheus.series_at(now, &at, &expr, true);
                // Figures over the range go on: they are true.
                let first = filled(panel["targets"][0]["expr"].as_str().unwrap(), &[]);
                let rows = prometheus.series_at(now, &at, &first, true);
                assert_eq!(series.is_empty(), !rows.is_empty(), "{at}: {expr}");
                let said = |row: &Value| row["metric"].to_string().contains("\"?\"");
                assert!(series.iter().all(said), "{at}: {series:?}");
            }
        }
    }
    let all = board.json["annotations"]["list"].as_array().unwrap();
    let region = filled(all[1]["expr"].as_str().unwrap(), &[]);
    let marked = prometheus.series_at(now, &board.title, &region, true);
    assert_eq!(marked.len(), 1, "{}: {marked:?}", board.title);
    assert_eq!(marked[0]["value"][1], "1", "{}", board.title);
}

/// One row says what a single alert is about; more than five of a name are one row.
fn alerts_say_what(prometheus: &Prometheus) {
    let board = build(boards::ALL[0], Lang::En);
    let (panel, _) = real_panels(&board)
        .zip(&board.keys)
        .find(|(_, key)| *key == "alerts")
        .unwrap();
    let column = |number: usize| -> Vec<[String; 3]> {
        let expr = panel["targets"][number]["expr"].as_str().unwrap();
        let rows = prometheus.series("alerts", &filled(expr, &[]), true);
        let mut rows: Vec<_> = rows
            .iter()
            .map(|row| {
                let label = |name: &str| row["metric"][name].as_str().unwrap_or("").to_owned();
                let value = row["value"][1].as_str().unwrap().to_owned();
                // A browser draws several blanks as one.
                let what = label("what")
                    .split_whitespace()
                    .collect::<Vec<_>>()
                    .join(" ");
                [label("alert"), what, value]
            })
            .collect();
        rows.sort();
        rows
    };
    let row = |alert: &str, what: &str, value: &str| [alert, what, value].map(str::to_owned);
    assert_eq!(
        column(0),
        [
            row("AccountDown", "codex-team codex", "2"),
            row("BudgetSpent", "ci-weekly", "2"),
            row("QuotaUsageHigh", "claude-max 5h claude", "3"),
            row("UnpricedModel", "", "1"),
        ]
    );
    let since = (1000 * (END - 4000)).to_string();
    assert!(
        column(1).iter().all(|row| row[2] == since),
        "{:?}",
        column(1)
    );
    assert_eq!(column(2)[3], row("UnpricedModel", "", "6"));
}

/// Variables offer something; annotations are events and may be none.
fn around(prometheus: &Prometheus, board: &Board) {
    for variable in &board.json["templating"]["list"].as_array().unwrap()[1..] {
        let name = variable["name"].as_str().unwrap();
        let query = variable["query"]["query"].as_str().unwrap();
        let selector = filled(selector_of_label_values(query).unwrap(), &[]);
        let values = prometheus.series(name, &format!("count by ({name}) ({selector})"), true);
        assert!(
            !values.is_empty(),
            "{} offers nothing for {name}",
            board.title
        );
    }
    for annotation in &board.json["annotations"]["list"].as_array().unwrap()[1..] {
        let expr = filled(annotation["expr"].as_str().unwrap(), &[]);
        prometheus.series(&board.title, &expr, false);
    }
}

/// For looking at the boards: writes a history that ends now, with `SEED_TO=file` and
/// `SEED_HOURS=24 SEED_STEP=60 SEED_END=…`.
#[test]
#[ignore = "writes a file for looking at the boards; proves nothing"]
fn history_for_pictures() {
    let number = |name: &str| -> i64 {
        let text = std::env::var_os(name).expect("SEED_END, SEED_HOURS and SEED_STEP");
        text.to_str().unwrap().parse().unwrap()
    };
    let end = number("SEED_END");
    let span = Span {
        start: end - number("SEED_HOURS") * 3600,
        end,
        step: number("SEED_STEP"),
        outage: 0,
    };
    std::fs::write(
        std::env::var_os("SEED_TO").unwrap(),
        seed::openmetrics(span),
    )
    .unwrap();
}
