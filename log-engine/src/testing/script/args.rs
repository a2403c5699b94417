//! The arguments of one line: words by their place, and `key=value` pairs in any order. Each is taken once; what nobody took is an
//! error.

use std::str::FromStr;

/// What stands behind the name of an operation.
#[derive(Debug)]
pub(super) struct Args<'t> {
    words: Vec<&'t str>,
    pairs: Vec<(&'t str, &'t str)>,
}

impl<'t> Args<'t> {
    /// The arguments among `parts`.
    ///
    /// # Errors
    /// If a key has two values.
    pub(super) fn new(parts: impl Iterator<Item = &'t str>) -> Result<Self, String> {
        let mut args = Self { words: Vec::new(), pairs: Vec::new() };
        for part in parts {
            match part.split_once('=') {
                None => args.words.push(part),
                Some((key, _)) if args.has(key) => return Err(format!("two values for {key}")),
                Some(pair) => args.pairs.push(pair),
            }
        }
        Ok(args)
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.pairs.iter().any(|pair| pair.0 == key)
    }

    /// The next word.
    pub(super) fn word(&mut self) -> Option<&'t str> {
        (!self.words.is_empty()).then(|| self.words.remove(0))
    }

    /// The next word, which `what` describes.
    pub(super) fn needed_word(&mut self, what: &str) -> Result<&'t str, String> {
        self.word().ok_or_else(|| format!("needs {what}"))
    }

    /// The next word as a number.
    pub(super) fn word_number<N: FromStr>(&mut self, what: &str) -> Result<N, String> {
        let word = self.needed_word(what)?;
        number(what, word)
    }

    /// Takes `word`, wherever it stands; whether it was there.
    pub(super) fn flag(&mut self, word: &str) -> bool {
        let at = self.words.iter().position(|known| *known == word);
        at.map(|at| self.words.remove(at)).is_some()
    }

    /// The value of a key, if there is one.
    pub(super) fn value(&mut self, key: &str) -> Option<&'t str> {
        let at = self.pairs.iter().position(|pair| pair.0 == key);
        at.map(|at| self.pairs.remove(at).1)
    }

    /// The value of a key.
    pub(super) fn needed(&mut self, key: &str) -> Result<&'t str, String> {
        self.value(key).ok_or_else(|| format!("needs {key}="))
    }

    /// The value of a key as a number, if there is one.
    pub(super) fn number<N: FromStr>(&mut self, key: &str) -> Result<Option<N>, String> {
        self.value(key).map(|text| number(key, text)).transpose()
    }

    /// The value of a key as a number.
    pub(super) fn needed_number<N: FromStr>(&mut self, key: &str) -> Result<N, String> {
        let text = self.needed(key)?;
        number(key, text)
    }

    /// Whether the value of a key is `true`.
    pub(super) fn switch(&mut self, key: &str, otherwise: bool) -> bool {
        self.value(key).map_or(otherwise, |value| value.eq_ignore_ascii_case("true"))
    }

    /// All pairs that are left, which are then taken.
    pub(super) fn take_pairs(&mut self) -> Vec<(String, String)> {
        self.pairs.drain(..).map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
    }

    /// Refuses what is left.
    pub(super) fn end(self) -> Result<(), String> {
        let left: Vec<_> = self.words.into_iter().chain(self.pairs.into_iter().map(|pair| pair.0)).collect();
        if left.is_empty() { Ok(()) } else { Err(format!("does not know what to do with {}", left.join(", "))) }
    }
}

/// A number in `text`, which stands for `what`.
pub(super) fn number<N: FromStr>(what: &str, text: &str) -> Result<N, String> {
    text.parse().map_err(|_| format!("{what} must be a number of its size, not {text}"))
}

/// The bytes that hexadecimal digits say.
pub(super) fn unhex(text: &str) -> Result<Vec<u8>, String> {
    let digit = |digit: u8| char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok());
    let byte = |pair: &[u8]| match pair {
        [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
        _ => None,
    };
    text.as_bytes().chunks(2).map(byte).collect::<Option<_>>().ok_or_else(|| format!("{text} is not hexadecimal"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_argument_is_taken_once_and_what_is_left_is_named() {
        let mut args = Args::new("a=1 one b=x two".split(' ')).unwrap();
        assert_eq!((args.word(), args.number("a"), args.number::<i64>("a")), (Some("one"), Ok(Some(1_i32)), Ok(None)));
        assert_eq!(args.number::<i16>("b").unwrap_err(), "b must be a number of its size, not x");
        assert!(!args.flag("one"));
        assert_eq!(args.end().unwrap_err(), "does not know what to do with two");
        assert_eq!(Args::new("a=1 a=2".split(' ')).unwrap_err(), "two values for a");
    }

    #[test]
    fn hexadecimal_comes_in_pairs_of_digits() {
        assert_eq!(unhex("00fFa1"), Ok(vec![0, 0xff, 0xa1]));
        assert_eq!(unhex(""), Ok(vec![]));
        assert!(unhex("0").is_err() && unhex("0g").is_err() && unhex("+1").is_err());
    }
}
