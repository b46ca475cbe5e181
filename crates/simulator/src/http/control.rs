//! Routes that CPA does not have: totals, and switches for faults. They need no key.

mod accounts;

use hyper::Method;

use super::answer::Answer;
use super::request::Call;
use crate::core::Core;

pub(super) fn respond(call: &Call, core: &Core) -> Option<Answer> {
    match (&call.method, call.path.as_str()) {
        (&Method::GET, "/simulator/totals") => Some(Answer::json(200, &core.totals())),
        (&Method::GET, "/simulator/quotas") => Some(Answer::json(200, &core.quotas())),
        (&Method::POST, "/simulator/faults") => Some(change(call, core)),
        (&Method::POST, "/simulator/accounts") => Some(accounts::add(call, core)),
        (&Method::PATCH, "/simulator/accounts") => Some(accounts::change(call, core)),
        (&Method::DELETE, "/simulator/accounts") => Some(accounts::remove(call, core)),
        _ => None,
    }
}

fn change(call: &Call, core: &Core) -> Answer {
    let patched = call.json().and_then(|change| core.faults.patch(&change));
    let Some(change) = patched else {
        return Answer::error(400, "invalid body");
    };
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
