//! Scripts of operations on one log, in the language of the oracle that runs them through Kafka's own storage classes
//! (`tests/kafka-oracle`, whose README says what every line means).
//!
//! [`Op::parse_all`] reads a script, [`Runner`] carries it out and says one [`Row`] an operation, `compare` holds the rows of two
//! engines against each other, and [`manifest`] the files that they left.

mod answers;
mod args;
mod batches;
mod compare;
mod damage;
mod files;
mod host;
mod op;
mod referee;
mod row;
mod runner;
mod settings;

pub use batches::{Described, Payload};
pub use compare::{compare_manifests, compare_rows, ends_closed, stuck_at};
pub use damage::Damage;
pub use files::{FileFacts, facts, manifest, sha256};
pub use op::{Action, Op, ScriptError};
pub use referee::{Expected, Verdict};
pub use row::{Failure, Row};
pub use runner::Runner;
pub use settings::Settings;
