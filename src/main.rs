//! The `mds` command.

fn main() {}
