mod calendar;
mod support;
mod usage;
mod vectors;
mod windows;
