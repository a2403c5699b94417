//! What the two JSON files share: one small object, read within a bound.

use serde_json::{Map, Value};

use super::java::excerpt;
use crate::error::{Malformed, Rule};

/// The largest JSON file that is read, in bytes. Kafka's own are below 1 KiB but for the list of voters.
pub const MAX_JSON_BYTES: usize = 1 << 20;

/// The object that `text` is.
pub(super) fn object(text: &[u8]) -> Result<Map<String, Value>, Malformed> {
    if text.len() > MAX_JSON_BYTES {
        return Err(Malformed::new(0, Rule::TooLarge { what: "JSON file", limit: MAX_JSON_BYTES as u64 }));
    }
    match serde_json::from_slice(text) {
        Ok(Value::Object(object)) => Ok(object),
        _ => {
            let found = excerpt(&String::from_utf8_lossy(text));
            Err(Malformed::new(0, Rule::Text { line: 1, found, expected: "a JSON object" }))
        }
    }
}

/// What `read` makes of a field; an error that names the field and what it should be otherwise.
pub(super) fn field<'a, T>(
    object: &'a Map<String, Value>,
    name: &'static str,
    expected: &'static str,
    read: impl FnOnce(&'a Value) -> Option<T>,
) -> Result<T, Malformed> {
    let value = object.get(name).ok_or(Malformed::new(0, Rule::Missing { what: name }))?;
    read(value).ok_or_else(|| {
        let found = excerpt(&format!("{name}: {value}"));
        Malformed::new(0, Rule::Text { line: 1, found, expected })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_holds_below_at_and_above() {
        let padded = |len: usize| [b"{}".to_vec(), vec![b' '; len - 2]].concat();
        assert!(object(&padded(MAX_JSON_BYTES - 1)).is_ok());
        assert!(object(&padded(MAX_JSON_BYTES)).is_ok());
        let rule = Rule::TooLarge { what: "JSON file", limit: 1_048_576 };
        assert_eq!(object(&padded(MAX_JSON_BYTES + 1)), Err(Malformed::new(0, rule)));
    }

    #[test]
    fn what_is_no_object_is_refused() {
        for text in ["", "[]", "1", "{", "{}{}", "\u{0}"] {
            assert!(object(text.as_bytes()).is_err(), "{text:?}");
        }
        assert!(object(&b"[".repeat(MAX_JSON_BYTES)).is_err(), "depth is bounded");
    }
}
