//! Look without touching: what a tool needs of directories that may be damaged, strange, or in use.
//!
//! Reads only, takes no lock, creates nothing, maps nothing; shows as much as can be decoded and throws nothing away.

mod target;

pub use target::Target;
