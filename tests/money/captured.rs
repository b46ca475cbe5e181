//! Cost per account and model over all captured records, to the nano-dollar.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use cpa_exporter::pricing::Billing;
use rusqlite::Connection;
use serde_json::Value;

use crate::bill::List;
use crate::pipeline::{Money, run};

/// Value, cost, requests without a price.
type Sums = (u128, u128, u64);

fn records() -> Vec<String> {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/records");
    let mut files: Vec<_> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        // Written by hand, not captured.
        .filter(|path| path.extension().is_some_and(|x| x == "jsonl"))
        .filter(|path| !path.ends_with("v8-handmade.jsonl"))
        .collect();
    files.sort();
    assert!(files.len() > 10, "{files:?}");
    let texts = files
        .iter()
        .map(|path| std::fs::read_to_string(path).unwrap());
    texts
        .flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>())
        .collect()
}

fn text(record: &Value, key: &str) -> String {
    record[key].as_str().unwrap_or_default().to_owned()
}

/// By provider, model and account.
fn expected(records: &[String], per_use: impl Fn(&Value) -> bool) -> BTreeMap<[String; 3], Sums> {
    let list = List::read();
    let mut sums: BTreeMap<[String; 3], Sums> = BTreeMap::new();
    for record in records {
        let record: Value = serde_json::from_str(record).unwrap();
        if record["provider"].is_null() {
            continue;
        }
        let key = ["provider", "model", "auth_index"].map(|name| text(&record, name));
        let (value, cost, unpriced) = sums.entry(key).or_default();
        match list.bill(&record) {
            Some(nanos) => {
                *value += nanos;
                *cost += if per_use(&record) { nanos } else { 0 };
            }
            None => *unpriced += 1,
        }
    }
    sums
}

fn stored(directory: &std::path::Path) -> BTreeMap<[String; 3], Sums> {
    let database = Connection::open(directory.join("cpa-exporter.db")).unwrap();
    let text = |dimension: u8, column: &str| {
        format!(
            "coalesce((SELECT value FROM dimension WHERE dimension = {dimension} AND id = {column}), '')"
        )
    };
    let sql = format!(
        "SELECT {}, {}, {}, coalesce(sum(value_nano), 0), coalesce(sum(cost_nano), 0), \
         count(*) FILTER (WHERE value_nano IS NULL) FROM event GROUP BY provider, model, account",
        text(0, "provider"),
        text(2, "model"),
        text(5, "account"),
    );
    let mut statement = database.prepare(&sql).unwrap();
    let rows = statement.query_map([], |row| {
        let key = [row.get(0)?, row.get(1)?, row.get(2)?];
        let (value, cost): (i64, i64) = (row.get(3)?, row.get(4)?);
        Ok((
            key,
            (
                value.unsigned_abs().into(),
                cost.unsigned_abs().into(),
                row.get(5)?,
            ),
        ))
    });
    rows.unwrap().map(Result::unwrap).collect()
}

/// Actual and expected values in the database.
fn differences(
    stored: &BTreeMap<[String; 3], Sums>,
    want: &BTreeMap<[String; 3], Sums>,
) -> Vec<String> {
    let keys: BTreeSet<&[String; 3]> = stored.keys().chain(want.keys()).collect();
    let pairs = keys
        .into_iter()
        .map(|key| (key, stored.get(key), want.get(key)));
    let different = pairs.filter(|(_, stored, want)| stored != want);
    different
        .map(|(key, stored, want)| format!("{key:?}: {stored:?}, not {want:?}"))
        .collect()
}

/// Nano-dollars of a sample's exact decimal.
fn nanos(value: &str) -> u128 {
    let (whole, fraction) = value.split_once('.').unwrap_or((value, ""));
    format!("{whole}{fraction:0<9}").parse().unwrap()
}

fn total(page: &BTreeMap<String, String>, family: &str) -> u128 {
    let of = |name: &str| {
        name.strip_prefix(family)
            .is_some_and(|rest| rest.starts_with('{'))
    };
    let samples = page.iter().filter(|(name, _)| of(name));
    samples.map(|(_, value)| nanos(value)).sum()
}

#[test]
fn cost_per_account_and_model_equals_the_independent_bill() {
    let directory = tempfile::tempdir().unwrap();
    let records = records();
    let want = expected(&records, |record| record["auth_type"] == "apikey");
    let money = Money {
        billing: Billing::default(),
        references: Vec::new(),
    };
    let page = run(directory.path(), &records, money);
    assert_eq!(differences(&stored(directory.path()), &want), [""; 0]);

    let sum = |of: fn(&Sums) -> u128| want.values().map(of).sum::<u128>();
    let (value, cost) = (sum(|s| s.0), sum(|s| s.1));
    assert!(value > cost && cost > 0, "{value} {cost}");
    assert_eq!(total(&page, "cpa_list_value_usd_total"), value);
    assert_eq!(total(&page, "cpa_list_value_by_kind_usd_total"), value);
    assert_eq!(total(&page, "cpa_client_list_value_usd_total"), value);
    assert_eq!(total(&page, "cpa_cost_usd_total"), cost);
    assert_eq!(total(&page, "cpa_client_cost_usd_total"), cost);
    for ([provider, model, account], (value, cost, _)) in &want {
        let start = format!("{{provider=\"{provider}\",model=\"{model}\",account=\"");
        let end = format!("-{}\"}}", account.get(..6).unwrap_or_default());
        for (family, nano) in [
            ("cpa_list_value_usd_total", value),
            ("cpa_cost_usd_total", cost),
        ] {
            let name = format!("{family}{start}");
            let shown = page
                .iter()
                .filter(|(n, _)| n.starts_with(&name) && n.ends_with(&end));
            let shown: u128 = shown.map(|(_, value)| nanos(value)).sum();
            assert_eq!(shown, *nano, "{name}…{end}");
        }
    }
    assert!(
        page.keys()
            .any(|name| name.starts_with("cpa_unpriced_requests_total{"))
    );
    assert!(
        page.keys()
            .any(|name| name.starts_with("cpa_price_usd_per_token{model=\"gpt-5.5\""))
    );
}

#[test]
fn billing_and_references_are_configurable() {
    let directory = tempfile::tempdir().unwrap();
    let records = records();
    let vertex = |record: &Value| record["provider"] == "vertex" && record["auth_type"] == "oauth";
    let parsed = records
        .iter()
        .map(|r| serde_json::from_str::<Value>(r).unwrap());
    let account = parsed
        .filter(vertex)
        .map(|r| text(&r, "auth_index"))
        .next()
        .unwrap();
    let want = expected(&records, |record| {
        record["auth_type"] == "apikey" || text(record, "auth_index") == account
    });
    let money = Money {
        billing: Billing {
            accounts: HashMap::from([(account.clone(), true)]),
        },
        references: vec![("same".to_owned(), "gpt-5.4".to_owned())],
    };
    let page = run(directory.path(), &records, money);
    assert_eq!(differences(&stored(directory.path()), &want), [""; 0]);
    let paid: u128 = want
        .iter()
        .filter(|(key, _)| key[2] == account)
        .map(|(_, sums)| sums.1)
        .sum();
    assert!(paid > 0);

    let list = List::read();
    let as_reference = |record: &String| {
        let mut record: Value = serde_json::from_str(record).unwrap();
        record["model"] = "gpt-5.4".into();
        record["service_tier"] = "".into();
        record["response_service_tier"] = "".into();
        let is_codex = record["provider"] == "codex";
        is_codex.then(|| list.bill(&record).unwrap())
    };
    let compared: u128 = records.iter().filter_map(as_reference).sum();
    let name = r#"cpa_reference_value_usd_total{reference="same",provider="codex"}"#;
    assert_eq!(nanos(&page[name]), compared);
}
