//! Which partition each source becomes.

use log_engine::checkpoint::{MAX_TEXT_BYTES, PartitionMetadata, Uuid};
use log_engine::fs::Source;
use log_engine::{Fs, TopicPartition};

use crate::error::CliError;
use crate::select::targets::{Found, Series};

/// The partition of each source: `only`, where everything goes into one folder, else the one that it is named after.
pub(super) fn partitions(found: &Found, only: Option<&TopicPartition>) -> Result<Vec<TopicPartition>, CliError> {
    let mut named: Vec<TopicPartition> = Vec::new();
    for series in &found.series {
        let own = series.topic.clone().zip(series.partition);
        let own = own.map(|(topic, partition)| TopicPartition { topic, partition });
        let partition = match (own, only) {
            (Some(own), None) => own,
            (_, Some(only)) => only.clone(),
            (None, None) => {
                return Err(CliError::Usage {
                    message: format!("{} does not say of which partition it is", series.label()),
                    hint: Some("name the output like a partition: -o DIR/orders-3".to_owned()),
                });
            }
        };
        // Files alone may be segments of one log.
        if series.folder.is_some() && named.contains(&partition) {
            return Err(CliError::Usage {
                message: format!("{} is a second source of {partition}", series.label()),
                hint: Some("copy one replica, or into a folder that is not named like a partition".to_owned()),
            });
        }
        named.push(partition);
    }
    Ok(named)
}

/// The id of the topic, where a file in the partition's folder says it.
pub(super) fn topic_id(fs: &dyn Fs, series: &Series) -> Option<Uuid> {
    let file = series.folder.as_ref()?.join(PartitionMetadata::FILE_NAME);
    let bytes = Source::open(fs, &file).and_then(|source| source.read_all(MAX_TEXT_BYTES)).ok()?;
    PartitionMetadata::parse(&bytes, &file).ok().map(|metadata| metadata.topic_id)
}
