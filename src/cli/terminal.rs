//! What stdout is: width and colours.

use std::io::IsTerminal as _;

use crate::config::Env;
use crate::report::Style;

/// Width without a terminal.
const WIDTH: usize = 100;

/// Fits stdout: its width, and colours only where a person reads them.
pub(super) fn style(env: &Env) -> Style {
    let stdout = std::io::stdout();
    let is_terminal = stdout.is_terminal();
    let size = terminal_size::terminal_size_of(&stdout).filter(|_| is_terminal);
    Style {
        width: size.map_or(WIDTH, |(width, _)| width.0.into()),
        colour: is_terminal && wants_colour(env),
    }
}

/// Follows <https://no-color.org>; a dumb terminal has no colours either.
fn wants_colour(env: &Env) -> bool {
    let forbidden = env.get("NO_COLOR").is_some_and(|value| !value.is_empty());
    !forbidden && env.get("TERM").is_none_or(|term| term != "dumb")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_can_be_disabled() {
        assert!(wants_colour(&Env::from([("TERM", "xterm")])));
        assert!(wants_colour(&Env::from([("NO_COLOR", "")])));
        assert!(!wants_colour(&Env::from([("NO_COLOR", "1")])));
        assert!(!wants_colour(&Env::from([("TERM", "dumb")])));
    }
}
