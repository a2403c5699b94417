//! `checkpoint show`: what the small text files say, a row a line of theirs.

use std::path::Path;

use log_engine::checkpoint::{MetaProperties, PartitionOffset, QuorumForm, QuorumState};
use log_engine::inspect::{FileContent, FileSummary};
use log_engine::{Error, Fs};
use schemars::JsonSchema;
use serde::Serialize;

use crate::cli::Global;
use crate::commands::check::{Family, ShowArguments, show};
use crate::error::{CliError, Exit};
use crate::output::{self, Format};
use crate::render::escaped;
use crate::select::targets::Wanted;
use crate::writer::Rows;

/// What one line of a file says, or a whole file that is no list.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Row {
    file: String,
    #[serde(flatten)]
    says: Says,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "kind")]
enum Says {
    /// A line of an offset checkpoint.
    Offset { topic: String, partition: i32, offset: i64 },
    /// A line of the leader-epoch file.
    Epoch { epoch: i32, start_offset: i64 },
    /// The clean-shutdown marker; the epoch is null in the empty file of older brokers.
    Marker { broker_epoch: Option<i64> },
    /// `meta.properties`.
    Identity { version: i32, cluster_id: Option<String>, node_id: Option<i32>, directory_id: Option<String> },
    /// `partition.metadata`.
    Partition { version: i32, topic_id: String },
    /// `quorum-state`.
    Quorum { version: i32, leader_id: Option<i32>, leader_epoch: i32, voted_id: Option<i32> },
}

impl Says {
    fn offset(entry: &PartitionOffset) -> Self {
        let partition = &entry.partition;
        Self::Offset { topic: partition.topic.clone(), partition: partition.partition, offset: entry.offset.get() }
    }

    fn identity(identity: &MetaProperties) -> Self {
        Self::Identity {
            version: identity.version(),
            cluster_id: identity.cluster_id().map(str::to_owned),
            node_id: identity.node_id(),
            directory_id: identity.directory_id().map(|id| id.to_string()),
        }
    }

    fn quorum(state: &QuorumState) -> Self {
        Self::Quorum {
            version: if matches!(state.form, QuorumForm::V0 { .. }) { 0 } else { 1 },
            leader_id: state.leader_id,
            leader_epoch: state.leader_epoch.get(),
            voted_id: state.voted_id,
        }
    }

    /// For people.
    fn text(&self) -> String {
        fn some(value: Option<&impl ToString>) -> String {
            value.map_or_else(|| "none".to_owned(), ToString::to_string)
        }
        match self {
            Self::Offset { topic, partition, offset } => {
                format!("{}  {offset}", escaped(&format!("{topic}-{partition}")))
            }
            Self::Epoch { epoch, start_offset } => format!("epoch {epoch}  from offset {start_offset}"),
            Self::Marker { broker_epoch } => format!("broker epoch {}", some(broker_epoch.as_ref())),
            Self::Identity { version, cluster_id, node_id, directory_id } => format!(
                "version {version}  cluster {}  node {}  directory {}",
                escaped(&some(cluster_id.as_ref())),
                some(node_id.as_ref()),
                some(directory_id.as_ref())
            ),
            Self::Partition { version, topic_id } => format!("version {version}  topic id {topic_id}"),
            Self::Quorum { version, leader_id, leader_epoch, voted_id } => format!(
                "version {version}  leader {} of epoch {leader_epoch}  voted for {}",
                some(leader_id.as_ref()),
                some(voted_id.as_ref())
            ),
        }
    }
}

pub(super) fn run(arguments: &ShowArguments, global: &Global) -> Result<Exit, CliError> {
    if global.schema {
        output::schema::<Row>()?;
        return Ok(Exit::Fine);
    }
    let wanted = arguments.targets.wanted()?;
    show(Family::Checkpoints, &arguments.targets, global, |fs, path, name, out| {
        write(out, read(fs, path, &wanted)?, name, global.stream())
    })
}

/// What the file says; of lists about many partitions what is wanted.
fn read(fs: &dyn Fs, path: &Path, wanted: &Wanted) -> Result<Vec<Says>, Error> {
    Ok(match FileSummary::of(fs, path)?.content {
        FileContent::Offsets(checkpoint) => {
            let is_wanted =
                |entry: &&PartitionOffset| wanted.takes(Some(&entry.partition.topic), Some(entry.partition.partition));
            checkpoint.entries.iter().filter(is_wanted).map(Says::offset).collect()
        }
        FileContent::Epochs(epochs) => {
            let says = |entry: &log_engine::checkpoint::EpochEntry| Says::Epoch {
                epoch: entry.epoch.get(),
                start_offset: entry.start.get(),
            };
            epochs.entries.iter().map(says).collect()
        }
        FileContent::CleanShutdown(marker) => vec![Says::Marker { broker_epoch: marker.broker_epoch }],
        FileContent::Identity(identity) => vec![Says::identity(&identity)],
        FileContent::Partition(metadata) => {
            vec![Says::Partition { version: metadata.version, topic_id: metadata.topic_id.to_string() }]
        }
        FileContent::Quorum(state) => vec![Says::quorum(&state)],
        FileContent::Broken(error) => return Err(error),
        _ => Vec::new(),
    })
}

fn write(out: &mut Rows, says: Vec<Says>, name: &str, format: Format) -> Result<(), CliError> {
    if format != Format::Text {
        return says.into_iter().try_for_each(|says| out.json(&Row { file: name.to_owned(), says }));
    }
    let nothing = if says.is_empty() { "  (nothing)" } else { "" };
    out.row(|out| out.extend_from_slice(format!("{}{nothing}\n", escaped(name)).as_bytes()))?;
    says.iter().try_for_each(|says| out.row(|out| out.extend_from_slice(format!("  {}\n", says.text()).as_bytes())))
}
