//! Faults in copies: what power cuts, disks and people do to a log directory, planted from a seed.
//!
//! The same seed over the same files gives the same faults on every machine. [`plan`] looks and decides, with a few small reads;
//! [`Fault::apply`] changes. Between the two a fault says what it is and what it changes, to the byte:
//!
//! ```no_run
//! # use std::path::Path;
//! # use log_engine::{OsFs, damage};
//! let dir = Path::new("copy-of-data");
//! for fault in damage::plan(&OsFs, dir, 42, &damage::Wish::default())? {
//!     println!("{}: {:?}", fault.kind().name, fault.changes());
//!     fault.apply(&OsFs, dir)?;
//! }
//! # Ok::<(), log_engine::Error>(())
//! ```
//!
//! A kind of fault changes one thing where a broker would not expect it: a byte, a file, a name. Kinds whose name ends in `sealed` leave a
//! batch whose checksum fits and whose content lies. Nothing here asks whether a directory is in use, or a copy: who calls does.

mod anywhere;
mod apply;
mod batches;
mod checkpoints;
mod epochs;
mod fault;
mod fields;
mod identity;
mod indexes;
mod kind;
mod leftovers;
mod names;
mod pick;
mod plan;
mod segments;
mod site;
mod snapshots;
mod tails;
#[cfg(test)]
mod tests;
mod txn_indexes;

pub use fault::{Change, Fault, MAX_SHOWN};
pub use fields::{Bound, Field, fields, head_bytes};
pub use kind::Kind;
pub use plan::{Wish, plan};
