//! Runs a TOML file stage by stage.
