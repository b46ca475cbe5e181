//! Command lines in the pages: commands and options against what the programs say of themselves.

use std::collections::BTreeMap;
use std::process::Command;

use super::{Page, none, pages};
use crate::{read, root};

/// Options of Prometheus' programs that pages speak of.
const FOREIGN: [&str; 3] = [
    "--max-block-duration",
    "--overwrite",
    "--storage.tsdb.retention.time",
];

/// Pages that quote other programs' commands under names that ours has, too.
const OTHERS: [&str; 2] = ["docs/migrating.md", "docs/providers.md"];

/// Help of our program's commands, each asked once.
#[derive(Default)]
struct Ours {
    help: BTreeMap<Vec<String>, String>,
}

impl Ours {
    fn help(&mut self, command: &[String]) -> &str {
        self.help.entry(command.to_vec()).or_insert_with(|| {
            let binary = assert_cmd::cargo::cargo_bin!("cpa-exporter");
            let output = Command::new(binary).arg("help").args(command).output();
            let output = output.unwrap();
            assert!(output.status.success(), "{command:?}");
            String::from_utf8(output.stdout).unwrap()
        })
    }

    /// Names below `Commands:`.
    fn commands(&mut self, command: &[String]) -> Vec<String> {
        let lines = self.help(command).lines();
        let mut below = lines.skip_while(|line| !line.starts_with("Commands"));
        below.next();
        let names = below.take_while(|line| !line.trim().is_empty());
        let names = names.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
        names
            .map(|line| line.split_whitespace().next().unwrap().to_owned())
            .collect()
    }

    /// What is wrong with arguments of ours.
    fn wrong_with(&mut self, arguments: &[&str]) -> Option<String> {
        let mut command = Vec::new();
        for word in arguments {
            let commands = self.commands(&command);
            if commands.is_empty() || !is_name(word) {
                break;
            }
            if !commands.iter().any(|name| name == word) {
                return Some(format!("there is no command {word}"));
            }
            command.push((*word).to_owned());
        }
        let help = self.help(&command);
        let mut flags = arguments.iter().filter_map(|word| flag(word));
        let unknown = flags.find(|flag| !has(help, flag))?;
        Some(format!("has no option {unknown}"))
    }
}

fn is_name(word: &str) -> bool {
    !word.is_empty()
        && !word.starts_with('-')
        && word.chars().all(|c| c.is_ascii_lowercase() || c == '-')
}

fn flag(word: &str) -> Option<&str> {
    let flag = word.split(['=', '[']).next().unwrap();
    (flag.starts_with("--") && flag.len() > 2).then_some(flag)
}

fn has(help: &str, flag: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || "-.".contains(c);
    help.split(|c| !is_part(c)).any(|word| word == flag)
}

/// One program's call: what stands between `|`, `&&`, `;` and a comment.
fn calls(line: &str) -> Vec<Vec<&str>> {
    let line = line.split(" # ").next().unwrap();
    let line = line.split("   #").next().unwrap();
    let mut calls = vec![Vec::new()];
    for word in line.split_whitespace() {
        match word {
            "|" | "&&" | "||" | ";" => calls.push(Vec::new()),
            _ => calls.last_mut().unwrap().push(word),
        }
    }
    calls
}

/// What this can say of a call.
enum Verdict {
    NotOurs,
    Good,
    Wrong(String),
}

impl From<Option<String>> for Verdict {
    fn from(problem: Option<String>) -> Self {
        problem.map_or(Self::Good, Self::Wrong)
    }
}

fn judge(ours: &mut Ours, call: &[&str]) -> Verdict {
    let after = |at: usize| call.get(at + 1..).unwrap_or_default();
    let at = call
        .iter()
        .position(|word| *word != "sudo" && !word.contains('='));
    if let Some(at) = at
        && call
            .get(at)
            .is_some_and(|word| word.ends_with("cpa-exporter"))
    {
        return ours.wrong_with(after(at)).into();
    }
    let find = |wanted: &str| call.iter().position(|word| *word == wanted);
    if let (true, Some(at)) = (call.starts_with(&["cargo", "run"]), find("-p")) {
        let name = after(at).first().copied().unwrap_or_default();
        let problem = (!is_package(name)).then(|| format!("there is no package {name}"));
        return problem.into();
    }
    if call.starts_with(&["cargo", "run"]) {
        return find("--")
            .map_or_else(
                || Some("ends early".to_owned()),
                |at| ours.wrong_with(after(at)),
            )
            .into();
    }
    if let (Some(at), true) = (find("--test"), call.contains(&"cargo")) {
        let name = after(at).first().copied().unwrap_or_default();
        let there = ["", ".rs"].map(|end| root().join(format!("tests/{name}{end}")).exists());
        let problem = (!there.contains(&true)).then(|| format!("there is no test {name}"));
        return problem.into();
    }
    let script = call.iter().find_map(|word| word.strip_prefix("scripts/"));
    let Some(script) = script else {
        return Verdict::NotOurs;
    };
    let text = read(&format!("scripts/{script}"));
    let mut flags = call.iter().filter_map(|word| flag(word));
    let unknown = flags.find(|flag| !has(&text, flag));
    unknown.map(|flag| format!("has no option {flag}")).into()
}

/// A crate of the workspace.
fn is_package(name: &str) -> bool {
    let crates = std::fs::read_dir(root().join("crates")).unwrap();
    let mut manifests = crates.map(|one| one.unwrap().path().join("Cargo.toml"));
    let line = format!("name = \"{name}\"");
    manifests.any(|path| {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        text.lines().any(|one| one == line)
    })
}

/// An option alone: of whatever of ours.
fn is_known_option(ours: &mut Ours, flag: &str) -> bool {
    let mut commands = vec![Vec::new()];
    let mut next = 0;
    while let Some(command) = commands.get(next).cloned() {
        next += 1;
        if has(ours.help(&command), flag) {
            return true;
        }
        for name in ours.commands(&command) {
            commands.push([&command[..], &[name]].concat());
        }
    }
    let scripts = ["alertmanager-config", "release", "stack", "test"];
    FOREIGN.contains(&flag)
        || scripts
            .iter()
            .any(|name| has(&read(&format!("scripts/{name}")), flag))
}

fn wrong_in(ours: &mut Ours, page: &Page, text: &str, is_block: bool) -> (usize, Vec<String>) {
    let (mut judged, mut wrong) = (0, Vec::new());
    let mut say = |problem: String| wrong.push(format!("{}: {text}: {problem}", page.path));
    for call in calls(text) {
        let Some(first) = call.first() else { continue };
        let verdict = judge(ours, &call);
        if !matches!(verdict, Verdict::NotOurs) {
            judged += 1;
            if let Verdict::Wrong(problem) = verdict {
                say(problem);
            }
        } else if !is_block && flag(first).is_some() {
            judged += 1;
            for flag in call.iter().filter_map(|word| flag(word)) {
                if !is_known_option(ours, flag) {
                    say(format!("nothing has an option {flag}"));
                }
            }
        } else if !is_block
            && !OTHERS.contains(&page.path.as_str())
            && call.len() > 1
            && ours.commands(&[]).iter().any(|name| name == first)
        {
            judged += 1;
            ours.wrong_with(&call).map(&mut say);
        }
    }
    (judged, wrong)
}

#[test]
fn commands_and_options_are_there() {
    let (mut ours, mut judged, mut wrong) = (Ours::default(), 0, Vec::new());
    for page in pages() {
        for code in page.code() {
            let (count, found) = wrong_in(&mut ours, &page, &code.text, code.is_block);
            judged += count;
            wrong.extend(found);
        }
    }
    none(&wrong);
    assert!(judged > 60, "{judged}");
}

#[test]
fn a_wrong_command_is_found() {
    let mut ours = Ours::default();
    let page = Page {
        path: "README.md".to_owned(),
        text: String::new(),
    };
    for (text, is_block, good) in [
        ("sudo ./cpa-exporter rejects list --format json", true, true),
        ("cpa-exporter rejects lists", true, false),
        ("cpa-exporter --cpa.ulr x", true, false),
        (
            "A=b cpa-exporter quota --provider codex | less --x",
            true,
            true,
        ),
        ("cargo run --release -- demos", true, false),
        ("cargo run -p cpa-exporter-boards", true, true),
        ("cargo run -p cpa-exporter-bords", true, false),
        ("cargo test --test nothing", true, false),
        ("scripts/stack --ports 1,2,3,4", true, true),
        ("scripts/stack --sports 1", true, false),
        ("prices import", false, true),
        ("prices export now", false, true),
        ("prices emport now", false, false),
        ("--web.enable-lifecycle", false, true),
        ("--web.enable-livecycle", false, false),
    ] {
        let (judged, wrong) = wrong_in(&mut ours, &page, text, is_block);
        assert_eq!((judged, wrong.is_empty()), (1, good), "{text}: {wrong:?}");
    }
}
