use std::collections::HashMap;
use std::time::Duration;

use super::super::labels::{Aliases, Caps};
use super::PlanFee;

/// How the counters are shown.
#[derive(Clone, Debug)]
pub struct CountersConfig {
    pub caps: Caps,
    pub aliases: Aliases,
    /// How long a new series stays at zero after a scrape has seen it.
    pub zero_hold: Duration,
    pub exemplars: bool,
    /// Flat fees by an account's stored value or default name.
    pub fees: HashMap<String, PlanFee>,
}

impl Default for CountersConfig {
    fn default() -> Self {
        Self {
            caps: Caps::default(),
            aliases: Aliases::default(),
            zero_hold: Duration::from_secs(15),
            exemplars: true,
            fees: HashMap::new(),
        }
    }
}
