//! Upstreams for direct requests, under `/upstream/<provider>/`.

use hyper::header::AUTHORIZATION;

use super::answer::Answer;
use super::request::Call;
use crate::core::Core;
use crate::upstream::{self, Reply};

pub(super) fn respond(call: &Call, path: &str, core: &Core) -> Answer {
    let (provider, path) = path.split_once('/').unwrap_or((path, ""));
    let authorization = call.header(AUTHORIZATION.as_str());
    // GitHub uses `token`, others `Bearer`.
    let token = authorization.split_once(' ').map_or("", |(_, token)| token);
    let now = core.now();
    let mut account = provider;
    let reply = match core.generator().pool.direct(token.trim(), now) {
        Some((direct, quota)) if direct.provider == provider => {
            account = direct.id;
            let method = call.method.as_str();
            upstream::respond_directly(direct, method, path, quota, now)
        }
        Some(_) | None => Some(Reply::unauthorized()),
    };
    let Some(reply) = reply else {
        return Answer::empty(404);
    };
    let reply = core.spoil([account, "", provider], provider, reply);
    core.count_call(account, &format!("{provider}/{path}"), &reply);
    let answer = Answer::text(reply.status, reply.content_type, reply.body);
    let headers = reply.headers.into_iter();
    let answer = headers.fold(answer, |answer, (name, value)| answer.with(name, value));
    if reply.hangs { answer.never() } else { answer }
}
