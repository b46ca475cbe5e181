mod bills;
mod formats;
mod lists;
