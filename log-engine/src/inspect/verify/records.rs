//! B007, B008: what is inside a batch, decompressed and decoded.

use std::sync::PoisonError;

use super::batch::Seen;
use super::code::FindingCode;
use super::finding::{Findings, Place, Severity};
use super::plan::SegmentPlan;
use crate::batch::{MAX_DECOMPRESSED, Scratch};
use crate::error::{Malformed, Rule};
use crate::inspect::Contents;

/// Looks at every record of a batch; how many there are, if all can be read.
pub(super) fn check(seen: &Seen<'_>, scratch: &mut Scratch, plan: &SegmentPlan, out: &mut Findings) -> Option<u64> {
    let place = Place::at(&plan.log, seen.position).offset(seen.lowest());
    let read = with_room(plan, scratch, |scratch| seen.frame.batch().and_then(|batch| Contents::read(&batch, scratch)));
    let records = match read {
        Ok(records) => records,
        Err(Malformed { rule, .. }) => {
            // Too large to look into says nothing against it.
            let weight = if matches!(rule, Rule::TooLarge { .. }) { Severity::Info } else { Severity::Error };
            out.add(FindingCode::B007, weight, place, || format!("batch {}..{}: {rule}", seen.lowest(), seen.last));
            return None;
        }
    };
    if let Some(message) = records.wrong {
        out.add(FindingCode::B007, Severity::Error, place, || message);
        return None;
    }
    let Some(header) = seen.header else { return Some(records.count) };
    let promised = i64::from(header.last_offset_delta()).saturating_add(1);
    let count = i64::try_from(records.count).unwrap_or(i64::MAX);
    if count != promised {
        let weight =
            if seen.is_emptied() { Severity::Info.into() } else { plan.cleaning_weight(Severity::Error, seen.last) };
        out.add(FindingCode::B007, weight, place, || {
            format!("batch {}..{} holds {count} records; its offsets promise {promised}", seen.lowest(), seen.last)
        });
    }
    if count > 0 && !seen.has_append_time() && records.max_timestamp != seen.max_timestamp {
        out.add(FindingCode::B008, Severity::Warning, place, || {
            let (says, is) = (seen.max_timestamp, records.max_timestamp);
            format!("batch {}..{} says its latest record is of time {says}; it is of {is}", seen.lowest(), seen.last)
        });
    }
    Some(records.count)
}

/// How many messages a compressed one of an old format holds, if that can be read.
pub(super) fn count_inner(seen: &Seen<'_>, scratch: &mut Scratch, plan: &SegmentPlan) -> Option<u64> {
    let count = |scratch: &mut Scratch| {
        let records = seen.frame.batch()?.records(scratch)?;
        Ok(records.take_while(Result::is_ok).count() as u64)
    };
    with_room(plan, scratch, count).ok()
}

/// Reads a batch with `scratch`, or, if that is too little, with as much room as there is for one batch at a time.
fn with_room<T>(
    plan: &SegmentPlan,
    scratch: &mut Scratch,
    mut read: impl FnMut(&mut Scratch) -> Result<T, Malformed>,
) -> Result<T, Malformed> {
    match read(scratch) {
        Err(Malformed { rule: Rule::TooLarge { .. }, .. }) if scratch.limit() < MAX_DECOMPRESSED => {
            let _permit = plan.facts.large_batches.lock().unwrap_or_else(PoisonError::into_inner);
            read(&mut Scratch::default())
        }
        read => read,
    }
}
