//! Changing prices, and a reprice beside a running exporter.

use std::path::Path;
use std::process::Output;

use tempfile::tempdir;

use crate::harness::{Exporter, Samples, command, count, database, eventually, simulator, sum};

const MODEL: &str = "tiny-local";

fn run(directory: &Path, arguments: &[&str]) -> Output {
    let mut command = command(directory);
    command.args(arguments).stdout(std::process::Stdio::piped());
    command.output().unwrap()
}

/// Output of a command that must succeed.
#[track_caller]
fn said(directory: &Path, arguments: &[&str]) -> String {
    let output = run(directory, arguments);
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{arguments:?}: {errors}");
    String::from_utf8(output.stdout).unwrap() + &errors
}

fn set(directory: &Path, input: &str, output: &str) -> String {
    let arguments = ["prices", "set", MODEL, "--input", input, "--output", output];
    said(directory, &arguments)
}

const EVER: [&str; 5] = ["reprice", "--from", "2020-01-01", "--to", "2100-01-01"];

/// Value and cost of all stored events, in nano-dollars.
fn amounts(directory: &Path) -> (i64, i64) {
    let sql = "SELECT coalesce(sum(value_nano), 0), coalesce(sum(cost_nano), 0) FROM event";
    database(directory)
        .query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap()
}

/// The page once counters plus corrections equal the database.
async fn corrected(exporter: &Exporter, (value, cost): (i64, i64)) -> Samples {
    let fits = |s: &Samples| {
        let with = |total, correction| sum(s, total) + sum(s, correction);
        same(
            with("cpa_list_value_usd_total", "cpa_list_value_correction_usd"),
            value,
        ) && same(with("cpa_cost_usd_total", "cpa_cost_correction_usd"), cost)
    };
    exporter.when("corrected", fits).await
}

/// Costs of the database and of the page are equal to the nano-dollar.
fn same(usd: f64, nanos: i64) -> bool {
    (usd - nanos as f64 / 1e9).abs() < 5e-10
}

#[tokio::test(flavor = "multi_thread")]
async fn repricing_during_ingest_changes_corrections_and_no_counter() {
    let simulator = simulator(|config| config.traffic.backlog = 3000).await;
    let dir = tempdir().unwrap();
    let dir = dir.path();
    let exporter = Exporter::start(&simulator, dir, &[]).await;
    exporter
        .when("stored", |s| s.get("cpa_store_events") == Some(&3000.0))
        .await;
    let unpriced = format!(
        "SELECT count(*) FROM event JOIN dimension ON dimension = 2 AND id = model \
                            WHERE value = '{MODEL}' AND value_nano IS NULL AND input > 0"
    );
    let missing = count(dir, &unpriced);
    assert!(missing > 0, "the simulator sends {MODEL}");
    assert!(said(dir, &["prices", "missing"]).contains(MODEL));
    let before = amounts(dir);

    set(dir, "1", "2");
    assert_eq!(amounts(dir), before, "a price alone changes no history");
    assert!(said(dir, &["prices", "missing"]).contains("`reprice` these days"));
    let dry = said(dir, &[&EVER[..], &["--dry-run"]].concat());
    assert!(dry.contains("dry run: nothing was written"), "{dry}");
    assert_eq!(amounts(dir), before, "a dry run changes nothing");

    // More records arrive during the reprice of the old ones.
    let page = exporter.samples().await;
    let counted = sum(&page, "cpa_list_value_usd_total");
    simulator.generate(5000);
    let wet = said(dir, &EVER);
    assert!(wet.contains(&format!("  {MODEL}: ")), "{wet}");
    exporter.signal("HUP");
    exporter.logged("configuration reloaded").await;
    eventually("all stored", async || {
        (count(dir, "SELECT count(*) FROM event") == 8000).then_some(())
    })
    .await;
    said(dir, &EVER);
    assert_eq!(count(dir, &unpriced), 0);
    assert!(amounts(dir).0 > before.0);
    let page = corrected(&exporter, amounts(dir)).await;
    assert!(sum(&page, "cpa_list_value_usd_total") >= counted);
    assert!(sum(&page, "cpa_list_value_correction_usd") > 0.0);

    // A lower price: the counter stays, the correction decreases.
    let counted = sum(&page, "cpa_list_value_usd_total");
    set(dir, "0.5", "1");
    let again = said(dir, &[&EVER[..], &["--model", MODEL]].concat());
    assert!(again.contains(" -> "), "{again}");
    let page = corrected(&exporter, amounts(dir)).await;
    assert!(sum(&page, "cpa_list_value_usd_total") == counted);
    let nothing = said(dir, &EVER);
    assert!(nothing.contains("0 with another value"), "{nothing}");
    exporter.terminate().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn kills_neither_lose_nor_double_cost() {
    let simulator = simulator(|config| config.traffic.backlog = 2000).await;
    let dir = tempdir().unwrap();
    let dir = dir.path();
    for round in 1..=4 {
        let exporter = Exporter::start(&simulator, dir, &[]).await;
        simulator.generate(500);
        let enough = f64::from(round) * 400.0;
        let stored = |s: &Samples| s.get("cpa_store_events").is_some_and(|n| *n > enough);
        exporter.when("some stored", stored).await;
        exporter.kill();
    }
    let exporter = Exporter::start(&simulator, dir, &[]).await;
    exporter
        .when("all stored", |s| {
            s.get("cpa_store_events").is_some() && s.get("cpa_spool_pending_bytes") == Some(&0.0)
        })
        .await;
    eventually("all taken", async || {
        (simulator.totals().queued == 0).then_some(())
    })
    .await;
    let fits = |s: &Samples| {
        let (value, cost) = amounts(dir);
        same(sum(s, "cpa_list_value_usd_total"), value)
            && same(sum(s, "cpa_cost_usd_total"), cost)
            && same(sum(s, "cpa_list_value_by_kind_usd_total"), value)
            && same(sum(s, "cpa_client_list_value_usd_total"), value)
            && same(sum(s, "cpa_client_cost_usd_total"), cost)
    };
    let page = exporter.when("the sums", fits).await;
    assert!(sum(&page, "cpa_cost_usd_total") > 0.0);
    assert!(sum(&page, "cpa_list_value_usd_total") > sum(&page, "cpa_cost_usd_total"));
    exporter.terminate().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn prices_are_set_shown_imported_exported_and_removed() {
    let dir = tempdir().unwrap();
    let dir = dir.path();
    let show = |model: &str| said(dir, &["prices", "show", model]);
    assert!(show("openai/gpt-5.5").contains("as another name of gpt-5.5, list: built-in"));
    assert!(!run(dir, &["prices", "show", MODEL]).status.success());

    set(dir, "1.25", "10");
    assert!(show(MODEL).contains("standard: input 1.25 cache_read 1.25"));
    let from = [
        "prices",
        "set",
        "gpt-5.5",
        "--input",
        "7",
        "--output",
        "8",
        "--from",
        "2026-12-01",
    ];
    said(dir, &from);
    let on = |day: &str| said(dir, &["prices", "show", "gpt-5.5", "--at", day]);
    assert!(
        on("2026-11-30").contains("standard: input 5 "),
        "{}",
        on("2026-11-30")
    );
    assert!(on("2026-11-30").contains("priority: input 12.5 "));
    assert!(on("2026-12-01").contains("standard: input 7 "));

    let exported = said(dir, &["prices", "export"]);
    let file = dir.join("exported.json");
    std::fs::write(&file, &exported).unwrap();
    let list = said(dir, &["prices", "list", "gpt-5.5"]);
    assert!(list.contains("set") && list.contains("built-in"), "{list}");

    assert!(said(dir, &["prices", "remove", MODEL]).contains("removed"));
    let refused = run(dir, &["prices", "remove", "gpt-5.4"]);
    let text = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(text.contains("was not set by a command"), "{text}");
    let file = file.to_str().unwrap();
    let imported = said(dir, &["prices", "import", file]);
    assert!(
        imported.starts_with("price list: 1 prices imported"),
        "{imported}"
    );
    assert!(show(MODEL).contains("input 1.25"));

    let bad = run(
        dir,
        &["prices", "set", "x", "--input", "5000", "--output", "1"],
    );
    let text = String::from_utf8_lossy(&bad.stderr).into_owned();
    assert!(
        text.contains("5000 is not a price from 0 to 1000"),
        "{text}"
    );
    assert!(
        show(MODEL).contains("input 1.25"),
        "a wrong price leaves the list as it was"
    );
}

#[test]
fn prices_set_keeps_tiers_and_long_prompts() {
    let dir = tempdir().unwrap();
    let dir = dir.path();
    let all_but_standard = || {
        let shown = said(dir, &["prices", "show", "gpt-5.5"]);
        let tiers = shown
            .lines()
            .filter(|line| line.starts_with("  priority: "));
        tiers.map(str::to_owned).collect::<Vec<_>>()
    };
    let before = all_but_standard();
    assert_eq!(before.len(), 1);
    let set = |more: &[&str]| {
        let prices = ["prices", "set", "gpt-5.5", "--input", "4", "--output", "24"];
        said(dir, &[&prices, more].concat())
    };
    let printed = set(&["--cache-read", "0.4"]);
    for line in [
        "\n  standard: input 5 -> 4, cache_read 0.5 -> 0.4, cache_write 5 -> 4, output 30 -> 24,",
        "\n  standard, prompt above 272000 tokens: input 10, cache_read 1, ",
        "\n  priority: input 12.5, cache_read 1.25, ",
        // Scaled from the old standard step: 10 * 12.5 / 5.
        "\n  priority, prompt above 272000 tokens: input 25, cache_read 2.5, ",
        "prices of tiers, long prompts and peak hours are unchanged",
    ] {
        assert!(printed.contains(line), "{line} is not in {printed}");
    }
    assert!(!printed.contains("warning"), "{printed}");
    assert_eq!(all_but_standard(), before);
    let again = set(&["--cache-read", "0.4"]);
    assert!(!again.contains(" -> 0.4"), "{again}");
    assert!(
        again.contains("standard: input 4, cache_read 0.4, ")
            && again.contains("priority, prompt above 272000 tokens: input 25, "),
        "{again}"
    );
}

#[test]
fn prices_set_reports_replaced_and_overriding_prices() {
    let dir = tempdir().unwrap();
    let dir = dir.path();
    let prices = ["--input", "1", "--output", "2"];
    let set = |model: &str, more: &[&str]| {
        said(
            dir,
            &[&["prices", "set", model], &prices[..], more].concat(),
        )
    };
    let peak = set("deepseek-v4-pro", &[]);
    assert!(peak.contains("peak hours 01:00-04:00, 06:00-10:00 UTC: as before"));
    assert!(
        peak.contains(
            "warning: the new price covers all days and replaces the prices of 2026-08-16"
        ),
        "{peak}"
    );
    let dated = set("gpt-5.5", &["--from", "2026-12-01"]);
    assert!(!dated.contains("warning"), "{dated}");
    let new = set(MODEL, &[]);
    assert!(new.contains("standard: input none -> 1, "), "{new}");
    let file = dir.join("mine.toml");
    let text =
        format!("[[prices]]\nmodel = \"{MODEL}\"\nusd_per_mtok = {{input = 3, output = 4}}\n");
    std::fs::write(&file, text).unwrap();
    let covered = set(MODEL, &["--cost.price-file", file.to_str().unwrap()]);
    assert!(
        covered.contains("also has a price of tiny-local, which overrides this one"),
        "{covered}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_price_file_fails_the_start_and_the_reload() {
    let simulator = simulator(|_| {}).await;
    let dir = tempdir().unwrap();
    let dir = dir.path();
    let file = dir.join("mine.toml");
    std::fs::write(
        &file,
        "[[prices]]\nmodel = \"x\"\nusd_per_mtok = { input = 1, output = 2 }\n",
    )
    .unwrap();
    let flags = ["--cost.price-file", file.to_str().unwrap()];
    let exporter = Exporter::start(&simulator, dir, &flags).await;
    exporter.ready().await;
    let info = |s: &Samples| {
        s.keys()
            .find(|name| name.starts_with("cpa_price_table_info{"))
            .cloned()
    };
    let first = info(&exporter.when("priced", |s| info(s).is_some()).await).unwrap();
    assert!(first.contains("source=\"built-in+file\""), "{first}");
    std::fs::write(&file, "[[prices]]\nmodel = 5\n").unwrap();
    exporter.signal("HUP");
    exporter.logged("configuration not reloaded").await;
    assert_eq!(info(&exporter.samples().await).unwrap(), first);
    std::fs::write(&file, "").unwrap();
    exporter.signal("HUP");
    exporter.logged("configuration reloaded").await;
    exporter
        .when("another list", |s| {
            info(s).is_some_and(|name| name != first)
        })
        .await;
    exporter.terminate().await;

    std::fs::write(&file, "nonsense").unwrap();
    let refused = run(dir, &flags);
    assert_eq!(refused.status.code(), Some(2));
    let checked = run(dir, &["check-config", flags[0], flags[1]]);
    assert_eq!(checked.status.code(), Some(2), "check-config looks into it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_refuses_a_list_without_the_price_of_a_reference() {
    let simulator = simulator(|_| {}).await;
    let dir = tempdir().unwrap();
    let dir = dir.path();
    let (config, prices) = (dir.join("config.toml"), dir.join("mine.toml"));
    std::fs::write(&config, "[cost.references]\nours = \"x\"\n").unwrap();
    std::fs::write(
        &prices,
        "[[prices]]\nmodel = \"x\"\nusd_per_mtok = { input = 1, output = 2 }\n",
    )
    .unwrap();
    let flags = [
        "--config.file",
        config.to_str().unwrap(),
        "--cost.price-file",
        prices.to_str().unwrap(),
    ];
    let exporter = Exporter::start(&simulator, dir, &flags).await;
    exporter.ready().await;
    std::fs::write(&prices, "").unwrap();
    exporter.signal("HUP");
    let line = exporter.logged("configuration not reloaded").await;
    assert!(line.contains("ours is x, which has no price"), "{line}");
    exporter.terminate().await;
}
