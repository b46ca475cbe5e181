//! `process_*` from `/proc`; elsewhere than on Linux these families are absent.

use std::fs;

use super::super::catalogue::exporter as catalogue;
use super::super::encode::Encoder;
use super::{as_f64, gauge};

/// `sysconf(_SC_CLK_TCK)`: 100 on every Linux that Rust runs on.
const TICKS_PER_SECOND: f64 = 100.0;

pub(super) fn encode(page: &mut Encoder<'_>) {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The second field is the program's name, which may hold spaces and parentheses.
    let fields: Vec<u64> = stat
        .rsplit_once(')')
        .map(|(_, rest)| {
            rest.split_whitespace()
                .map(|f| f.parse().unwrap_or(0))
                .collect()
        })
        .unwrap_or_default();
    let field = |number: usize| fields.get(number - 3).copied().map(as_f64);
    let cpu = field(14)
        .zip(field(15))
        .map(|(user, system)| (user + system) / TICKS_PER_SECOND);
    gauge(page, &catalogue::PROCESS_CPU, cpu);
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    gauge(page, &catalogue::PROCESS_RSS, kibibytes(&status, "VmRSS:"));
    gauge(
        page,
        &catalogue::PROCESS_VIRTUAL,
        kibibytes(&status, "VmSize:"),
    );
    let open = fs::read_dir("/proc/self/fd")
        .ok()
        .map(|dir| as_f64(dir.count() as u64));
    gauge(page, &catalogue::PROCESS_OPEN_FDS, open);
    gauge(page, &catalogue::PROCESS_MAX_FDS, max_fds());
    gauge(page, &catalogue::PROCESS_THREADS, field(20));
    let started = field(22)
        .zip(boot_time())
        .map(|(ticks, boot)| boot + ticks / TICKS_PER_SECOND);
    gauge(page, &catalogue::PROCESS_START, started);
}

fn kibibytes(status: &str, name: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    let number: u64 = line.trim().trim_end_matches(" kB").parse().ok()?;
    Some(as_f64(number * 1024))
}

fn max_fds() -> Option<f64> {
    let limits = fs::read_to_string("/proc/self/limits").ok()?;
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// When the machine started, in seconds since the epoch.
fn boot_time() -> Option<f64> {
    let stat = fs::read_to_string("/proc/stat").ok()?;
    stat.lines()
        .find_map(|line| line.strip_prefix("btime "))?
        .trim()
        .parse()
        .ok()
}
