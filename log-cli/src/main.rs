//! The command `log-cli`.

fn main() {}
