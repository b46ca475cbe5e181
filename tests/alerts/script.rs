//! `scripts/alertmanager-config` writes a valid configuration and reports missing settings.

use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use tempfile::tempdir;

use crate::support::{have, script};

/// Its stdout or its stderr.
pub(crate) fn run(arguments: &[&str]) -> Result<String, String> {
    script("alertmanager-config", arguments)
}

#[test]
fn the_result_is_installed_with_private_mode() {
    if !have(&["amtool"]) {
        return;
    }
    let dir = tempdir().unwrap();
    let secrets = dir.path().to_str().unwrap();
    let output = dir.path().join("alertmanager.yml");
    std::fs::write(dir.path().join("telegram-token"), "12:AbC_d-e\n").unwrap();
    run(&[
        "--receiver",
        "telegram",
        "--chat-id",
        "-10012",
        "--language",
        "zh",
        "--time-zone",
        "Asia/Shanghai",
        "--secrets",
        secrets,
        "--output",
        output.to_str().unwrap(),
    ])
    .unwrap();
    let mode = std::fs::metadata(&output).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let config = std::fs::read_to_string(&output).unwrap();
    for line in [
        "  receiver: telegram ",
        "      receiver: telegram-once ",
        "        bot_token: 12:AbC_d-e\n",
        "        chat_id: -10012\n",
        "/zh.tmpl",
        "location: Asia/Shanghai",
    ] {
        assert!(config.contains(line), "{line} is not in\n{config}");
    }
    let checked = Command::new("amtool")
        .args(["check-config", output.to_str().unwrap()])
        .output()
        .unwrap();
    assert!(checked.status.success());
}

#[test]
fn missing_or_wrong_settings_are_reported() {
    let dir = tempdir().unwrap();
    let secrets = dir.path().to_str().unwrap();
    std::fs::write(dir.path().join("discord-url"), "two\nlines of 'text'").unwrap();
    for (arguments, complaint) in [
        (vec![], "--receiver is missing"),
        (vec!["--receiver", "pager"], "there is no receiver pager"),
        (vec!["--receiver", "telegram"], "needs --chat-id"),
        (
            vec!["--receiver", "telegram", "--chat-id", "@me"],
            "--chat-id is a number",
        ),
        (
            vec!["--receiver", "telegram", "--chat-id", "1"],
            "telegram-token",
        ),
        (vec!["--receiver", "discord"], "more than a token or URL"),
        (vec!["--receiver", "email"], "needs --email-to"),
        (
            vec!["--receiver", "nobody", "--language", "de"],
            "not in de",
        ),
        (
            vec!["--receiver", "nobody", "--email-to", "a'b"],
            "no quotes",
        ),
        (vec!["--frobnicate"], "unknown option --frobnicate"),
    ] {
        let mut all = vec!["--secrets", secrets];
        all.extend(arguments);
        let said = run(&all).unwrap_err();
        assert!(said.contains(complaint), "{all:?}: {said}");
    }
}
