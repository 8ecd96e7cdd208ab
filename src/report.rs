//! Tables for people: CSV, terminal.
