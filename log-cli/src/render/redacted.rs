//! A layout that never sees what is to be taken out of records.

use log_engine::Record;

use super::Layout;
use crate::redact::{Redacted, Redaction};
use crate::select::targets::{Segment, Series};
use crate::walk::{BatchView, Damage};

/// Writes as another layout does, without what is to be taken out.
#[derive(Debug)]
pub(super) struct RedactedRecords {
    layout: Box<dyn Layout>,
    redaction: Redaction,
    /// Whether the records of the batch hold nothing of customers'.
    is_control: bool,
}

impl RedactedRecords {
    pub(super) fn new(layout: Box<dyn Layout>, redaction: Redaction) -> Self {
        Self { layout, redaction, is_control: false }
    }
}

impl Layout for RedactedRecords {
    fn head(&mut self, out: &mut Vec<u8>) {
        self.layout.head(out);
    }

    fn series(&mut self, series: &Series) {
        self.layout.series(series);
    }

    fn batch(&mut self, view: &BatchView<'_>) {
        self.is_control = view.batch.is_control();
        self.layout.batch(view);
    }

    fn record(&mut self, out: &mut Vec<u8>, record: &Record<'_>) {
        if self.is_control {
            return self.layout.record(out, record);
        }
        let mut redacted = Redacted::default();
        self.layout.record(out, &redacted.record(&self.redaction, record));
    }

    fn batch_line(&mut self, out: &mut Vec<u8>, view: &BatchView<'_>) {
        self.layout.batch_line(out, view);
    }

    fn damage(&mut self, out: &mut Vec<u8>, segment: &Segment, damage: &Damage) -> bool {
        self.layout.damage(out, segment, damage)
    }
}
