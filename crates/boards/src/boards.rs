//! The boards, one file each, and one string table each in `text`. A new board is such a pair and
//! a line here.

mod accounts;
mod cost;
mod cost_details;
mod money;
mod overview;
mod pieces;
mod pipeline;
mod pipeline_details;
mod quota;
mod traffic;

use crate::board::Plan;

pub(crate) const ALL: &[&Plan] = &[
    &overview::PLAN,
    &quota::PLAN,
    &cost::PLAN,
    &traffic::PLAN,
    &accounts::PLAN,
    &pipeline::PLAN,
];
