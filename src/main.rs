//! The `cpa-exporter` binary.

fn main() {}
