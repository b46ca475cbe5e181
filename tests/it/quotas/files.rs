//! `quota.file` with the accounts that the simulated CPA does not have.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use cpa_exporter::simulator::Simulator;

/// Names and tokens of the simulator.
pub(super) const DIRECT: [(&str, &str, &str); 5] = [
    ("copilot-0", "copilot", "gho-fake-copilot-0"),
    ("copilot-1", "copilot", "gho-fake-copilot-1"),
    ("kiro-0", "kiro", "kiro-fake-0"),
    ("kiro-1", "kiro", "kiro-fake-1"),
    ("generic-0", "generic", "generic-fake-0"),
];

/// Writes the file and the tokens beside it.
pub(super) fn quota_file(simulator: &Simulator, directory: &Path) -> PathBuf {
    let upstream = format!("http://{}/upstream", simulator.addr());
    let mut text = String::new();
    for (name, provider, token) in DIRECT {
        fs::write(directory.join(name), token).unwrap();
        let url = format!("url = \"{upstream}/{provider}\"\n");
        let url = if provider == "generic" { "" } else { &url };
        write!(
            text,
            "[[account]]\nname = \"{name}\"\nprovider = \"{provider}\"\ntoken_file = \"{name}\"\n{url}"
        )
        .unwrap();
    }
    write!(
        text,
        "[[provider]]\nname = \"generic\"\nown_token = true\nurl = \"{upstream}/generic/quota\"\n\
         headers = {{ Authorization = \"Bearer $TOKEN$\" }}\nplan = \"/plan\"\n"
    )
    .unwrap();
    for (place, name, window, unit) in [
        (0, "requests", "1d", "requests"),
        (1, "tokens", "30d", "tokens"),
    ] {
        write!(
            text,
            "[[provider.limit]]\nname = \"{name}\"\nwindow = \"{window}\"\nunit = \"{unit}\"\n\
             used = \"/limits/{place}/used\"\ntotal = \"/limits/{place}/limit\"\n\
             reset = \"/limits/{place}/reset_ms\"\nreset_as = \"millis\"\n"
        )
        .unwrap();
    }
    let path = directory.join("quota.toml");
    fs::write(&path, text).unwrap();
    path
}
