mod books;
mod calendar;
mod support;
mod vectors;
mod windows;
