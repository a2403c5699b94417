//! Changing a log directory on purpose: what is to be done as a list that can be shown, done so that a crash leaves each file old or
//! new, kept so that it can be undone.
//!
//! [`Overlay`] lets the engine work on a folder without touching it and tells what it would have done. [`Run`] carries changes out,
//! [`Undo`] takes them back, [`DirectoryLock`] keeps brokers away meanwhile.
//!
//! Nothing of this lies in the log directory: a folder there that is no partition keeps a broker from starting.

mod change;
mod interval;
mod journal;
mod lock;
mod overlay;
mod places;
mod repair;
mod run;
mod set;
mod truncate;
mod undo;

pub use change::Change;
pub use lock::DirectoryLock;
pub use overlay::Overlay;
pub use repair::{Note, PartitionPlan, Repair, RepairLevel, RepairOptions};
pub use run::{Run, RunReport};
pub use set::{CheckpointLines, SetError, SetPlan, plan_set};
pub use truncate::{TruncateError, TruncateTarget, Truncation, plan_truncation};
pub use undo::{Undo, UndoStep};

#[cfg(test)]
mod tests;
