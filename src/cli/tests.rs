use std::{collections::BTreeSet, fs, path::PathBuf};

use clap::{CommandFactory as _, error::ErrorKind};

use super::*;
use crate::config::{
    self,
    keys::{self, ALL},
};

fn help(path: &[&str]) -> String {
    let mut command = Cli::command();
    command.build();
    let mut found = &mut command;
    for name in path {
        found = found.find_subcommand_mut(name).unwrap();
    }
    // A fixed width, independent of the terminal of the test run.
    found.clone().term_width(100).render_long_help().to_string()
}

fn flags(line: &str) -> config::Flags {
    let cli = Cli::try_parse_from(line.split(' ')).unwrap();
    cli.flags.into_flags()
}

#[test]
fn the_command_line_definition_is_valid() {
    Cli::command().debug_assert();
}

#[test]
fn help_lists_commands_and_exit_codes() {
    insta::assert_snapshot!("help", help(&[]));
    insta::assert_snapshot!("help_alerts_test", help(&["alerts", "test"]));
    insta::assert_snapshot!("help_rejects", help(&["rejects"]));
    insta::assert_snapshot!("help_rejects_list", help(&["rejects", "list"]));
    insta::assert_snapshot!("help_rejects_replay", help(&["rejects", "replay"]));
    let quota = help(&["quota"]);
    assert!(quota.contains("\nExit codes:\n  0  success"), "{quota}");
    insta::assert_snapshot!("help_quota", quota);
    insta::assert_snapshot!("help_prices", help(&["prices"]));
    insta::assert_snapshot!("help_prices_set", help(&["prices", "set"]));
    insta::assert_snapshot!("help_prices_import", help(&["prices", "import"]));
    insta::assert_snapshot!("help_reprice", help(&["reprice"]));
    insta::assert_snapshot!("help_import", help(&["import"]));
    insta::assert_snapshot!("help_backfill", help(&["backfill"]));
    insta::assert_snapshot!("help_healthcheck", help(&["healthcheck"]));
}

/// A flag that a command does not read is accepted and not listed.
#[test]
fn help_lists_only_the_keys_that_the_command_reads() {
    let listed = |path: &[&str]| -> Vec<&str> {
        let text = help(path);
        let words = text.split([' ', '\n', '[']);
        let flags: BTreeSet<&str> = words.filter_map(|word| word.strip_prefix("--")).collect();
        let has = |key: &&keys::Key| key.flag().is_some_and(|flag| flags.contains(&*flag));
        ALL.iter().filter(has).map(|key| key.path).collect()
    };
    let address = "storage.path web.listen_address web.systemd_socket web.config.file";
    let address: Vec<&str> = address.split(' ').collect();
    assert_eq!(listed(&["healthcheck"]), address);
    assert_eq!(listed(&["storage", "set-aside"]), ["storage.path"]);
    assert_eq!(listed(&["rejects", "list"]), ["storage.path"]);
    let prices = ["storage.path", "cost.price_file", "cost.cache_writes"];
    assert_eq!(listed(&["prices", "set"]), prices);
    assert!(!listed(&["quota"]).contains(&"cost.price_file"));
    for command in ["alerts", "completions", "demo", "man", "simulate"] {
        assert_eq!(listed(&[command]), [""; 0], "{command}");
    }
    let all = ALL.iter().filter(|key| key.flag().is_some());
    assert_eq!(listed(&["check-config"]).len(), all.count());
    let accepted = ["cpa-exporter", "healthcheck", "--cpa.url", "http://a:1"];
    Cli::try_parse_from(accepted).unwrap();
}

#[test]
fn help_is_a_subcommand() {
    for (line, usage) in [
        ("cpa-exporter help", "Usage: cpa-exporter [OPTIONS]\n"),
        ("cpa-exporter help quota", "Usage: cpa-exporter quota "),
        (
            "cpa-exporter help prices set",
            "Usage: cpa-exporter prices set ",
        ),
        (
            "cpa-exporter rejects help list",
            "Usage: cpa-exporter rejects list ",
        ),
    ] {
        let error = Cli::try_parse_from(line.split(' ')).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::DisplayHelp, "{line}");
        assert!(error.to_string().contains(usage), "{line}: {error}");
    }
}

#[test]
fn every_key_but_the_secret_has_a_flag() {
    let command = Cli::command();
    for key in ALL.iter() {
        let argument = command.get_arguments().find(|arg| arg.get_id() == key.path);
        assert_eq!(
            argument.is_some(),
            !key.path.ends_with("management_key"),
            "{}",
            key.path
        );
    }
}

#[test]
fn flags_reach_the_configuration() {
    let given = flags(
        "cpa-exporter --config.file=a.toml --cpa.poll-interval 1s --web.enable-lifecycle \
         --metrics.exemplars=false --aliases.accounts a=one --aliases.accounts b=two",
    );
    let mut expected = config::Flags::default();
    expected.config_file = Some(PathBuf::from("a.toml"));
    expected.set("cpa.poll_interval", "1s");
    expected.set("web.enable_lifecycle", "true");
    expected.set("metrics.exemplars", "false");
    expected.set("aliases.accounts", "a=one,b=two");
    assert_eq!(given, expected);
}

#[test]
fn flags_before_a_subcommand_are_refused() {
    let line = ["cpa-exporter", "--log.level", "debug", "check-config"];
    let error = Cli::try_parse_from(line).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ArgumentConflict);
}

#[test]
fn version_states_the_build() {
    let error = Cli::try_parse_from(["cpa-exporter", "--version"]).unwrap_err();
    let text = error.to_string();
    assert_eq!(text, format!("cpa-exporter {}\n", version::LONG));
    assert!(
        text.contains("(revision ") && text.contains("rustc 1."),
        "{text}"
    );
}

#[test]
fn manual_pages_are_written() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().to_str().unwrap();
    let cli = Cli::try_parse_from(["cpa-exporter", "man", "--dir", path]).unwrap();
    assert_eq!(cli.execute(&Env::default()), Exit::Success);
    let page = fs::read_to_string(dir.path().join("cpa-exporter.1")).unwrap();
    assert!(page.contains("cpa.management"), "{page}");
}

#[test]
fn a_wrong_configuration_exits_with_2_and_a_failure_with_1() {
    let run = |line: &str| {
        let cli = Cli::try_parse_from(line.split(' ')).unwrap();
        cli.execute(&Env::default()).code()
    };
    assert_eq!(run("cpa-exporter check-config"), 2);
    assert_eq!(run("cpa-exporter --cpa.mode pull"), 2);
    assert_eq!(
        run("cpa-exporter healthcheck --web.listen-address 127.0.0.1:1"),
        1
    );
}
