mod caps;
mod catalogue;
mod counts;
mod docs;
mod holds;
mod support;
