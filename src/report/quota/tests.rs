use std::fmt::Write as _;

use super::*;
use crate::api::{Credits, NoReading, Spend};
use crate::report::text::width;

/// 2026-11-24 12:00 UTC.
const NOW: f64 = 1_795_521_600.0;
const HOUR: f64 = 3600.0;

fn here() -> Here {
    Here {
        now: moment(NOW).unwrap(),
        zone: TimeZone::get("Asia/Tokyo").unwrap(),
    }
}

fn plain(width: usize) -> Style {
    Style {
        width,
        colour: false,
    }
}

fn limit(name: &str, window: &str, used_ratio: Option<f64>) -> QuotaWindow {
    QuotaWindow {
        limit: name.to_owned(),
        window: window.to_owned(),
        scope: "account".to_owned(),
        name: None,
        used_ratio,
        unit: None,
        used: None,
        amount: None,
        remaining: None,
        unlimited: false,
        exhausted: used_ratio.map(|ratio| ratio >= 1.0),
        reset: Some(NOW + 3.2 * HOUR),
        exhaustion: None,
        window_tokens: None,
        window_list_value_usd: None,
        source: "poll".to_owned(),
        observed: NOW - 130.0,
    }
}

fn account(provider: &str, name: &str, limits: Vec<QuotaWindow>) -> AccountQuota {
    AccountQuota {
        provider: provider.to_owned(),
        account: name.to_owned(),
        plan: Some("pro".to_owned()),
        state: "active".to_owned(),
        last_success: Some(NOW - 130.0),
        credits: Vec::new(),
        reset_credits: None,
        spend: Vec::new(),
        limits,
        no_reading: None,
    }
}

/// One of everything that can be said.
fn pool() -> Vec<AccountQuota> {
    let mut weekly = limit("main", "weekly", Some(0.7));
    weekly.reset = Some(NOW + 148.0 * HOUR);
    let mut amounts = limit("premium", "monthly", Some(0.95));
    amounts.unit = Some("requests".to_owned());
    (amounts.used, amounts.amount) = (Some(1425.0), Some(1500.0));
    amounts.reset = None;
    let mut short = limit("main", "5h", Some(0.18));
    (short.window_tokens, short.window_list_value_usd) = (Some(1_254_321), Some(4.206));
    let mut codex = account(
        "codex",
        "codex-37e10d",
        vec![amounts, short, weekly, limit("spark", "5h", Some(1.2))],
    );
    codex.credits.push(Credits {
        unit: "usd".to_owned(),
        balance: 12.5,
    });
    codex.reset_credits = Some(2.0);
    codex.spend.push(Spend {
        limit: "extra".to_owned(),
        used_usd: Some(3.2),
        limit_usd: Some(50.0),
    });
    let mut unlimited = limit("chat", "monthly", None);
    (unlimited.unlimited, unlimited.exhausted) = (true, Some(false));
    let mut refused = limit("gemini-3-pro", "unknown", None);
    refused.exhausted = Some(true);
    refused.source = "error".to_owned();
    let mut counted = limit("tokens", "daily", None);
    counted.unit = Some("tokens".to_owned());
    counted.used = Some(1_250_000.0);
    let mut over = limit("over", "5h", Some(0.5));
    over.reset = Some(NOW);
    let copilot = account("copilot", "日本語の名前", vec![unlimited, counted, over]);
    let google = account("antigravity", "antigravity-99aabb", vec![refused]);
    let mut silent = account("gemini", "gemini-0c0c0c", Vec::new());
    silent.plan = None;
    silent.state = "disabled".to_owned();
    vec![google, codex, copilot, silent]
}

#[test]
fn the_table_reads_well() {
    insta::assert_snapshot!("table_140", table(&pool(), &here(), &plain(140)));
    insta::assert_snapshot!("table_100", table(&pool(), &here(), &plain(100)));
    insta::assert_snapshot!("table_60", table(&pool(), &here(), &plain(60)));
}

#[test]
fn colours_follow_what_remains() {
    let style = Style {
        width: 140,
        colour: true,
    };
    let text = table(&pool(), &here(), &style);
    insta::assert_snapshot!("table_coloured", text.replace('\u{1b}', "ESC"));
    // Colours are all that differs.
    let codes = [
        "\u{1b}[0m",
        "\u{1b}[1m",
        "\u{1b}[31m",
        "\u{1b}[32m",
        "\u{1b}[33m",
    ];
    let bare = codes.iter().fold(text, |text, code| text.replace(code, ""));
    assert_eq!(bare, table(&pool(), &here(), &plain(140)));
}

#[test]
fn colours_change_at_30_and_10_percent() {
    let of = |used| paint(&limit("main", "5h", Some(used)));
    assert_eq!(of(0.0), Paint::Good);
    assert_eq!(of(0.699), Paint::Good);
    assert_eq!(of(0.7), Paint::Low);
    assert_eq!(of(0.899), Paint::Low);
    assert_eq!(of(0.9), Paint::Gone);
    assert_eq!(of(1.3), Paint::Gone);
    let mut refused = limit("main", "5h", Some(0.2));
    refused.exhausted = Some(true);
    assert_eq!(paint(&refused), Paint::Gone);
    assert_eq!(
        paint(&QuotaWindow {
            exhausted: None,
            ..limit("main", "5h", None)
        }),
        Paint::Plain
    );
}

#[test]
fn figures_agree_with_their_colours() {
    let shown = |ratio| {
        let limit = limit("main", "5h", Some(ratio));
        (left(&limit).unwrap(), used(&limit).unwrap())
    };
    let pair = |left: &str, used: &str| (left.to_owned(), used.to_owned());
    assert_eq!(shown(0.0), pair("100%", "0%"));
    assert_eq!(shown(0.699), pair("31%", "69%"));
    assert_eq!(shown(0.7), pair("30%", "70%"));
    assert_eq!(shown(0.999), pair("1%", "99%"));
    assert_eq!(shown(1.0), pair("0%", "100%"));
    assert_eq!(shown(1.5), pair("0%", "150%"));
}

#[test]
fn a_bar_shows_the_last_rest_and_the_first_use() {
    let filled = |percent| filled(percent, 10);
    assert_eq!(filled(0.0), 0);
    assert_eq!(filled(0.1), 1);
    assert_eq!(filled(10.0), 1);
    assert_eq!(filled(90.1), 10);
    assert_eq!(filled(100.0), 10);
}

#[test]
fn no_line_is_wider_than_the_terminal() {
    let mut pool = pool();
    pool[1].limits[0].limit = "a very long name of a limit ".repeat(20);
    pool[2].account = "名".repeat(300);
    for terminal in 0..200 {
        for line in table(&pool, &here(), &plain(terminal)).lines() {
            assert!(width(line) <= terminal, "{terminal}: {line}");
            assert!(!line.ends_with(' '), "{line:?}");
        }
    }
    // From here on rows can be told apart and say how much is left.
    let narrow = table(&pool, &here(), &plain(40));
    assert!(narrow.contains("LEFT") && narrow.contains("5%"), "{narrow}");
}

#[test]
fn a_name_cannot_speak_to_the_terminal() {
    let mut pool = pool();
    pool[0].account = "\u{1b}[2J".to_owned();
    pool[0].limits[0].limit = "a\nb\u{9b}c".to_owned();
    let text = table(&pool, &here(), &plain(100));
    assert!(
        text.chars().all(|c| c == '\n' || !c.is_control()),
        "{text:?}"
    );
}

#[test]
fn nothing_is_an_empty_text() {
    assert_eq!(table(&[], &here(), &plain(100)), "");
    assert_eq!(json(&[]).unwrap(), "[]\n");
    assert_eq!(csv(&[], &here()).lines().count(), 1);
}

#[test]
fn accounts_without_readings_are_one_line_each() {
    let silent = &pool()[3..];
    let text = table(silent, &here(), &plain(100));
    assert_eq!(
        text,
        "gemini gemini-0c0c0c  plan -  disabled  no readings\n"
    );
}

#[test]
fn programs_get_every_field() {
    let mut pool = pool();
    pool[1].account = "one, \"two\"".to_owned();
    insta::assert_snapshot!("csv", csv(&pool, &here()));
    insta::assert_snapshot!("json", json(&pool[1..2]).unwrap());
    let read: Vec<AccountQuota> = serde_json::from_str(&json(&pool).unwrap()).unwrap();
    assert_eq!(read, pool);
}

#[test]
fn hostile_figures_do_no_harm() {
    let figures = [f64::NAN, f64::INFINITY, -1.0, 1e300];
    let mut text = String::new();
    for figure in figures {
        let mut limit = limit("main", "5h", Some(figure));
        (limit.reset, limit.observed) = (Some(figure), figure);
        (limit.used, limit.amount) = (Some(figure), Some(figure));
        let accounts = [account("x", "y", vec![limit])];
        write!(text, "{}", table(&accounts, &here(), &plain(140))).unwrap();
        write!(text, "{}", csv(&accounts, &here())).unwrap();
    }
    assert!(text.lines().count() > 8);
}

#[test]
fn an_account_without_reading_says_why() {
    let mut bare = account("claude", "claude-1a2b3c", Vec::new());
    bare.no_reading = Some(NoReading {
        reason: "unauthorized".to_owned(),
        since: Some(NOW - HOUR),
        next_try: Some(NOW + 2.0 * HOUR),
    });
    let wide = plain(200);
    let shown = table(std::slice::from_ref(&bare), &here(), &wide);
    assert!(
        shown.contains("  no readings: unauthorized since "),
        "{shown}"
    );
    assert!(shown.ends_with(", next try in 2h\n"), "{shown}");
    let why = ",unauthorized,2026-11-24T20:00:00+09:00,2026-11-24T23:00:00+09:00,,\r\n";
    let text = csv(std::slice::from_ref(&bare), &here());
    assert!(text.ends_with(why), "{text}");
    bare.limits = vec![limit("main", "weekly", Some(0.7))];
    assert!(csv(std::slice::from_ref(&bare), &here()).ends_with(why));
    let shown = table(&[bare], &here(), &wide);
    assert!(
        shown.contains("  no newer reading: unauthorized since "),
        "{shown}"
    );
}
