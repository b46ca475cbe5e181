//! Routes that no CPA has: what was handed out, and switches for faults. No key is asked for.

use hyper::Method;

use super::answer::Answer;
use super::request::Call;
use crate::simulator::core::Core;
use crate::simulator::faults::FaultChange;

pub(super) fn answer(call: &Call, core: &Core) -> Option<Answer> {
    match (&call.method, call.path.as_str()) {
        (&Method::GET, "/simulator/totals") => Some(Answer::json(200, &core.totals())),
        (&Method::POST, "/simulator/faults") => Some(change(call, core)),
        _ => None,
    }
}

fn change(call: &Call, core: &Core) -> Answer {
    let Some(change) = call.json::<FaultChange>() else {
        return Answer::error(400, "invalid body");
    };
    core.faults.apply(&change);
    if change.refresh {
        core.queue().refresh();
    }
    core.generate(change.generate);
    if change.expire_queue {
        core.queue().expire_all();
    }
    if change.restart {
        core.restart.notify_one();
    }
    Answer::raw_json(200, r#"{"status":"ok"}"#)
}
