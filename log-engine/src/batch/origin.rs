//! Where batches come from that are appended to a log.

/// Who appends; decides which rules the batches must keep.
///
/// Kafka: `AppendOrigin`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AppendOrigin {
    /// A leader on behalf of a client: every rule.
    Client,
    /// A leader on behalf of a coordinator, such as transaction markers and committed offsets: no sequences.
    Coordinator,
    /// A follower: the leader accepted the batches before, and assigned their offsets.
    Replication,
    /// The leader of a raft log, which assigned the offsets itself.
    RaftLeader,
}

impl AppendOrigin {
    /// True if the log assigns the offsets and validates the batches; else the batches come with their offsets.
    #[must_use]
    pub const fn assigns_offsets(self) -> bool {
        matches!(self, Self::Client | Self::Coordinator)
    }
}
