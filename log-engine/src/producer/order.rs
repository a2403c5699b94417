//! The order in which Java's `HashMap` hands out producer ids, so that a snapshot has the bytes that a broker would write.
//!
//! Buckets in turn, and within a bucket by age. Buckets of eight and more, which Java turns into trees, are not told apart:
//! ids are given out in sequence, so that none fills up.

use crate::units::ProducerId;

/// Buckets of an empty map.
const FIRST_TABLE: u32 = 16;

/// What decides the order: the size of the table, which grows with the largest number of entries and never shrinks.
#[derive(Clone, Debug)]
pub(super) struct JavaOrder {
    table: u32,
    insertions: u64,
}

impl Default for JavaOrder {
    fn default() -> Self {
        Self { table: FIRST_TABLE, insertions: 0 }
    }
}

impl JavaOrder {
    /// Notes that a new id made the map `size` entries large; the id's age, which rises.
    pub(super) fn inserted(&mut self, size: usize) -> u64 {
        // Java grows the table when more than three quarters of its buckets' number are in the map.
        while size as u64 > u64::from(self.table) / 4 * 3 && self.table < 1 << 30 {
            self.table *= 2;
        }
        self.insertions = self.insertions.saturating_add(1);
        self.insertions
    }

    /// The bucket of an id.
    pub(super) fn bucket(&self, id: ProducerId) -> u32 {
        let [a, b, c, d, e, f, g, h] = id.get().to_be_bytes();
        let hash = u32::from_be_bytes([a, b, c, d]) ^ u32::from_be_bytes([e, f, g, h]);
        (hash ^ (hash >> 16)) & (self.table - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(ids: &[i64]) -> Vec<i64> {
        let mut order = JavaOrder::default();
        let mut aged: Vec<_> = ids.iter().enumerate().map(|(i, id)| (order.inserted(i + 1), *id)).collect();
        aged.sort_by_key(|(age, id)| (order.bucket(ProducerId::new(*id)), *age));
        aged.into_iter().map(|(_, id)| id).collect()
    }

    #[test]
    fn few_ids_stand_by_their_low_bits() {
        assert_eq!(order(&[3, 4, 17]), [17, 3, 4]);
        assert_eq!(order(&[17, 1, 33]), [17, 1, 33], "one bucket, by age");
        assert_eq!(order(&[1 << 32, 0]), [0, 1 << 32], "the upper half counts");
        assert_eq!(order(&[0x1_0000, 2, 0]), [0, 0x1_0000, 2], "so do the upper bits of the half");
    }

    #[test]
    fn the_table_grows_above_three_quarters() {
        let twelve: Vec<i64> = (0..11).chain([16]).collect();
        assert_eq!(order(&twelve)[..3], [0, 16, 1]);
        let thirteen: Vec<i64> = (0..12).chain([16]).collect();
        assert_eq!(order(&thirteen), thirteen);
    }
}
