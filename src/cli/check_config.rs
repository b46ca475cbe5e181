use std::fmt::Write as _;

use super::{ConfigFlags, Exit, note, print};
use crate::app::files;
use crate::config::{self, Env};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    flags: ConfigFlags,
}

pub(super) fn execute(args: Args, env: &Env) -> anyhow::Result<Exit> {
    let flags = args.flags.into_flags();
    let loaded = files::load(&flags, env)?;
    for warning in &loaded.warnings {
        note(&format!("warning: {warning}"));
    }
    let mut text = String::from("The configuration is valid");
    match config::file_path(&flags, env) {
        Some(path) => writeln!(text, ": {}", path.display())?,
        None => text.push_str("; no file was given, only environment and flags were read\n"),
    }
    print(text.as_bytes())?;
    Ok(Exit::Success)
}
