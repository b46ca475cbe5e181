//! Writes every generated file of the repository: `cargo run -p cpa-exporter-boards`.

use std::fs;
use std::process::ExitCode;

fn main() -> ExitCode {
    for (path, text) in cpa_exporter_boards::files() {
        let dir = path.parent().map_or(Ok(()), fs::create_dir_all);
        if let Err(error) = dir.and_then(|()| fs::write(&path, text)) {
            write_error(&format!("{}: {error}\n", path.display()));
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn write_error(text: &str) {
    use std::io::Write as _;
    // Nobody is left to tell where standard error is closed.
    std::io::stderr().write_all(text.as_bytes()).ok();
}
