//! Support for tests, benches and fuzz targets: the golden directories, and what is expected of them. Nothing here is part of the product.
#![allow(clippy::disallowed_methods, reason = "prepares folders for tests")]

pub mod expected;
pub mod fuzz;
pub mod golden;
pub mod look;
pub mod memory_fs;
pub mod script;
pub mod sweep;
