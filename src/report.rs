//! What is known, as text: tables for people, JSON and CSV for programs.
//!
//! Pure: what time it is, which zone, how wide the terminal is and whether it shows colours come
//! in as parameters.

pub mod events;
pub mod quota;
pub mod usage;

mod csv;
mod grid;
mod reprice;
mod round;
mod text;

pub use reprice::repriced;
pub use round::round;

/// How a table shall look.
#[derive(Clone, Debug)]
pub struct Style {
    /// Columns of the terminal.
    pub width: usize,
    pub colour: bool,
}
