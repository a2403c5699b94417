//! Kafka's ids of topics and directories: 16 bytes, written as 22 characters of URL-safe base64 without padding.

use std::fmt;

/// The digits of URL-safe base64, by value. Source: RFC 4648, section 5.
const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
/// The characters of an id: 21 whole digits and one that holds 2 bits of the id in front of 4 without meaning.
const LEN: usize = 22;

/// The id of a topic or of a log directory.
///
/// Kafka: `Uuid`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uuid(u128);

impl Uuid {
    /// Stands for no id at all.
    pub const ZERO: Self = Self(0);
    /// The topic id of the metadata log.
    pub const METADATA_TOPIC: Self = Self(1);

    /// The id of these bytes, the most significant first.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(u128::from_be_bytes(bytes))
    }

    /// Its bytes, the most significant first.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }

    /// The id that a text says; `None` if it is none. As in Java, padding (`==`) may follow and the last digit's spare bits may be
    /// set.
    ///
    /// Kafka: `Uuid.fromString`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.strip_suffix("==").unwrap_or(text);
        let (last, digits) = text.as_bytes().split_last()?;
        if text.len() != LEN {
            return None;
        }
        let high = digits.iter().try_fold(0_u128, |bits, digit| Some(bits << 6 | value(*digit)?))?;
        Some(Self(high << 2 | value(*last)? >> 4))
    }
}

/// The value of a base64 digit.
fn value(digit: u8) -> Option<u128> {
    DIGITS.iter().position(|known| *known == digit).map(|value| value as u128)
}

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::with_capacity(LEN);
        for shift in (2..128).rev().step_by(6).map(|top| top - 5) {
            text.push(digit_of(self.0 >> shift));
        }
        text.push(digit_of(self.0 << 4));
        f.pad(&text)
    }
}

/// The digit of the lowest 6 bits.
fn digit_of(bits: u128) -> char {
    DIGITS.get((bits & 0x3f) as usize).map_or('?', |digit| char::from(*digit))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn known_ids_read_and_write() {
        let mut bytes = [0; 16];
        (bytes[7], bytes[15]) = (1, 2);
        for (bytes, text) in [
            (bytes, "AAAAAAAAAAEAAAAAAAAAAg"),
            ([0; 16], "AAAAAAAAAAAAAAAAAAAAAA"),
            (1_u128.to_be_bytes(), "AAAAAAAAAAAAAAAAAAAAAQ"),
            ([0xff; 16], "_____________________w"),
        ] {
            assert_eq!(Uuid::from_bytes(bytes).to_string(), text);
            assert_eq!(Uuid::parse(text).map(Uuid::to_bytes), Some(bytes));
        }
    }

    #[test]
    fn what_java_takes_is_taken_and_nothing_else() {
        let one = Some(Uuid::METADATA_TOPIC);
        assert_eq!(Uuid::parse("AAAAAAAAAAAAAAAAAAAAAQ=="), one);
        assert_eq!(Uuid::parse("AAAAAAAAAAAAAAAAAAAAAf"), one, "spare bits are dropped");
        let short = "AAAAAAAAAAAAAAAAAAAAA";
        for text in
            ["", "==", short, &format!("{short}AA"), &format!("{short}A="), &format!("{short}+"), &format!("{short}é")]
        {
            assert_eq!(Uuid::parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_id_survives_its_text(bytes: [u8; 16]) {
            let text = Uuid::from_bytes(bytes).to_string();
            prop_assert_eq!(text.len(), 22);
            prop_assert_eq!(Uuid::parse(&text).map(Uuid::to_bytes), Some(bytes));
        }
    }
}
