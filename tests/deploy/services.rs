//! systemd's unit and launchd's property list.

use std::collections::BTreeMap;

use crate::{ask, read, succeeded};

const UNIT: &str = "deploy/systemd/cpa-exporter.service";

#[test]
fn systemd_has_nothing_to_say_about_the_unit() {
    let dir = tempfile::tempdir().unwrap();
    let unit = dir.path().join("cpa-exporter.service");
    // Neither program nor manual page are installed where the test runs.
    let text: Vec<_> = read(UNIT)
        .lines()
        .filter(|line| !line.starts_with("Documentation="))
        .map(|line| line.replace("/usr/local/bin/cpa-exporter", "/bin/true"))
        .collect();
    std::fs::write(&unit, text.join("\n")).unwrap();
    let unit = unit.to_str().unwrap();
    let Some(output) = ask("systemd-analyze", &["verify", unit]) else {
        return;
    };
    assert_eq!(succeeded(&output), "");
    let socket = dir.path().join("cpa-exporter.socket");
    std::fs::write(&socket, read("deploy/systemd/cpa-exporter.socket")).unwrap();
    let output = ask("systemd-analyze", &["verify", socket.to_str().unwrap()]).unwrap();
    assert_eq!(succeeded(&output), "");
    let output = ask("systemd-analyze", &["security", "--offline=yes", unit]).unwrap();
    let said = succeeded(&output);
    let level = said
        .lines()
        .find(|line| line.contains("exposure level"))
        .unwrap();
    let level: f64 = level
        .split(": ")
        .nth(1)
        .unwrap()
        .split(' ')
        .next()
        .unwrap()
        .parse()
        .unwrap();
    assert!(level < 1.5, "{level} of 10, the less the better");
}

#[test]
fn the_unit_keeps_the_key_to_itself_and_the_data_in_its_place() {
    let text = read(UNIT);
    for line in [
        "Type=notify",
        "DynamicUser=yes",
        "StateDirectory=cpa-exporter",
        "LoadCredential=management.key:/etc/cpa-exporter/management.key",
        "Environment=CPA_MANAGEMENT_KEY_FILE=%d/management.key",
        "ProtectSystem=strict",
        "RestartPreventExitStatus=2",
    ] {
        assert!(text.lines().any(|one| one == line), "{line}");
    }
}

/// `<key>` and the text of the element behind it; a strict reader of the XML that plists use.
fn plist(text: &str) -> BTreeMap<String, String> {
    let mut rest = text;
    let (mut open, mut keys, mut key) = (Vec::new(), BTreeMap::new(), None);
    while let Some(at) = rest.find('<') {
        let before = rest[..at].trim();
        if let Some(end) = rest[at..]
            .strip_prefix("<!--")
            .and_then(|comment| comment.find("-->"))
        {
            rest = &rest[at + 4 + end + 3..];
            continue;
        }
        let end = at + rest[at..].find('>').unwrap();
        let tag = &rest[at + 1..end];
        rest = &rest[end + 1..];
        if tag.starts_with(['?', '!']) {
            continue;
        }
        if let Some(name) = tag.strip_suffix('/') {
            keys.insert(key.take().unwrap(), name.to_owned());
        } else if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name), "</{name}> closes another one");
            match name {
                "key" => key = Some(before.to_owned()),
                "string" | "integer" => {
                    keys.insert(key.clone().unwrap(), before.to_owned());
                }
                _ => {}
            }
        } else {
            assert!(before.is_empty(), "text before <{tag}>: {before}");
            open.push(tag.split(' ').next().unwrap());
        }
    }
    assert!(open.is_empty(), "{open:?} stay open");
    keys
}

#[test]
fn the_property_list_is_one() {
    let keys = plist(&read("deploy/launchd/cpa-exporter.plist"));
    assert_eq!(keys["Label"], "cpa-exporter");
    assert_eq!(keys["ProgramArguments"], "/usr/local/bin/cpa-exporter");
    assert_eq!(keys["RunAtLoad"], "true");
    assert_eq!(keys["SuccessfulExit"], "false");
    assert_eq!(keys["Umask"], "63", "0077: files for their owner only");
    assert!(keys["CPA_MANAGEMENT_KEY_FILE"].starts_with("HOME_OF_YOU/"));
}
