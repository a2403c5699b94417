//! Support for tests, benches and fuzz targets: the golden directories. Nothing here is part of the product.

pub mod golden;
