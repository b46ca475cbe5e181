//! Routes that no CPA has: what was handed out, and switches for faults.

use super::answer::Answer;
use crate::simulator::core::Core;

pub(super) fn totals(core: &Core) -> Answer {
    Answer::json(200, &core.totals())
}
