//! Command line: clap arguments to stage options, nothing else.

pub mod evaluate;
