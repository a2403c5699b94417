//! The arguments of Kafka's tool, read as its parser (joptsimple) reads them.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

use super::java::{JavaFile, parse_int};
use super::thrown::Thrown;

/// Bytes of the log that are looked at for an entry of an offset index.
const DEFAULT_MAX_MESSAGE_SIZE: i32 = 5 << 20;

/// Whether an option takes an argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Takes {
    Nothing,
    /// The placeholder and the default.
    Required(&'static str),
    /// None needs to follow.
    Optional(&'static str),
}

/// All options: name, argument, what it does, whether it decodes records, which is not supported yet.
const OPTIONS: [(&str, Takes, &str, bool); 17] = [
    ("cluster-metadata-decoder", Takes::Nothing, "Decode records of the metadata log. Not supported yet.", true),
    ("deep-iteration", Takes::Nothing, "Print a line a record. Implied by --print-data-log.", false),
    ("files", Takes::Required("file1,file2,..."), "REQUIRED: The files to dump, separated by commas.", false),
    ("help", Takes::Nothing, "Print this text.", false),
    ("index-sanity-check", Takes::Nothing, "Only ask whether an index as a whole can be right.", false),
    ("key-decoder-class", Takes::Optional("class"), "Decode keys with a Java class. Not supported.", true),
    ("max-bytes", Takes::Required("size"), "Read no more bytes of a log than this.", false),
    (
        "max-message-size",
        Takes::Required("size"),
        "The largest batch that an index may point at (default: 5242880).",
        false,
    ),
    ("offsets-decoder", Takes::Nothing, "Decode records of __consumer_offsets. Not supported yet.", true),
    ("print-data-log", Takes::Nothing, "Print keys and values.", false),
    ("remote-log-metadata-decoder", Takes::Nothing, "Decode remote log metadata. Not supported yet.", true),
    ("share-group-state-decoder", Takes::Nothing, "Decode records of __share_group_state. Not supported yet.", true),
    ("skip-record-metadata", Takes::Nothing, "Print nothing of records but keys and values.", false),
    ("transaction-log-decoder", Takes::Nothing, "Decode records of __transaction_state. Not supported yet.", true),
    ("value-decoder-class", Takes::Optional("class"), "Decode values with a Java class. Not supported.", true),
    ("verify-index-only", Takes::Nothing, "Check the entries of an index without printing them.", false),
    ("version", Takes::Nothing, "Print the version of Kafka whose tool this is.", false),
];

/// What was asked for. Numbers are read when they are needed, as in Kafka's tool: a wrong one harms only files that need it.
#[derive(Debug, Default)]
pub(super) struct Arguments {
    /// How often each option came, and with what.
    given: BTreeMap<&'static str, Vec<Vec<u8>>>,
    is_empty: bool,
}

impl Arguments {
    /// Reads `args`, without the program's name.
    pub(super) fn parse(args: &[OsString]) -> Result<Self, Thrown> {
        let mut arguments = Self { given: BTreeMap::new(), is_empty: args.is_empty() };
        let mut rest = args.iter().map(|arg| arg.as_bytes()).peekable();
        while let Some(arg) = rest.next() {
            let (text, is_long) = match arg {
                b"--" => break,
                [b'-', b'-', text @ ..] => (text, true),
                [b'-', text @ ..] if !text.is_empty() => (text, false),
                _ => continue,
            };
            let equals = text.iter().position(|&byte| byte == b'=');
            let (name, value) = match equals {
                Some(at) => (text.get(..at).unwrap_or_default(), text.get(at + 1..)),
                None => (text, None),
            };
            let Some((option, takes, ..)) = OPTIONS.iter().find(|(option, ..)| option.as_bytes() == name) else {
                return Err(unrecognized(if is_long { name } else { first_character(text) }));
            };
            let value = match (takes, value) {
                (Takes::Nothing, _) => None,
                (_, Some(value)) => Some(value),
                (Takes::Required(_), None) => Some(rest.next().ok_or_else(|| missing_argument(option))?),
                (Takes::Optional(_), None) => rest.next_if(|next| !next.starts_with(b"-")),
            };
            arguments.given.entry(option).or_default().extend(value.map(<[u8]>::to_vec));
        }
        Ok(arguments)
    }

    pub(super) fn has(&self, option: &'static str) -> bool {
        self.given.contains_key(option)
    }

    /// True if the help is what is wanted.
    pub(super) fn asks_for_help(&self) -> bool {
        self.is_empty || self.has("help")
    }

    /// The first option that decodes records.
    pub(super) fn decoder(&self) -> Option<&'static str> {
        OPTIONS.iter().find(|(option, _, _, decodes)| *decodes && self.has(option)).map(|(option, ..)| *option)
    }

    /// The files in order; empty names at the end of the list do not count.
    pub(super) fn files(&self) -> Result<Vec<JavaFile>, Thrown> {
        let list = self.value("files")?.unwrap_or_default();
        let mut names: Vec<&[u8]> = list.split(|&byte| byte == b',').collect();
        while names.len() > 1 && names.last().is_some_and(|name| name.is_empty()) {
            names.pop();
        }
        if list.iter().all(|&byte| byte == b',') && !list.is_empty() {
            names.clear();
        }
        Ok(names.into_iter().map(JavaFile::new).collect())
    }

    pub(super) fn print_data(&self) -> bool {
        self.has("print-data-log")
    }

    pub(super) fn is_deep(&self) -> bool {
        self.has("deep-iteration") || self.print_data()
    }

    pub(super) fn max_bytes(&self) -> Result<i32, Thrown> {
        self.number("max-bytes", i32::MAX)
    }

    pub(super) fn max_message_size(&self) -> Result<i32, Thrown> {
        self.number("max-message-size", DEFAULT_MAX_MESSAGE_SIZE)
    }

    fn number(&self, option: &'static str, default: i32) -> Result<i32, Thrown> {
        let Some(text) = self.value(option)? else {
            return Ok(default);
        };
        parse_int(text).map_err(|_| {
            let text = String::from_utf8_lossy(text);
            let message = format!("Cannot parse argument '{text}' of option {option}");
            Thrown::new("joptsimple.OptionArgumentConversionException", message)
        })
    }

    fn value(&self, option: &'static str) -> Result<Option<&[u8]>, Thrown> {
        match self.given.get(option).map(Vec::as_slice) {
            None | Some([]) => Ok(None),
            Some([value]) => Ok(Some(value)),
            Some(_) => {
                let message = format!("Found multiple arguments for option {option}, but you asked for only one");
                Err(Thrown::new("joptsimple.MultipleArgumentsForOptionException", message))
            }
        }
    }
}

/// The text behind a first line that says why it is shown.
pub(super) fn usage() -> String {
    let mut text = String::from(
        "Option                             Description\n------                             -----------\n",
    );
    for (option, takes, help, _) in OPTIONS {
        let argument = match takes {
            Takes::Nothing => String::new(),
            Takes::Required(what) => format!(" <{what}>"),
            Takes::Optional(what) => format!(" [{what}]"),
        };
        text.push_str(&format!("{:<34} {help}\n", format!("--{option}{argument}")));
    }
    text
}

fn unrecognized(option: &[u8]) -> Thrown {
    let message = format!("{} is not a recognized option", String::from_utf8_lossy(option));
    Thrown::new("joptsimple.UnrecognizedOptionException", message)
}

fn missing_argument(option: &str) -> Thrown {
    Thrown::new("joptsimple.OptionMissingRequiredArgumentException", format!("Option {option} requires an argument"))
}

fn first_character(text: &[u8]) -> &[u8] {
    let len = std::str::from_utf8(text).ok().and_then(|text| text.chars().next()).map_or(1, char::len_utf8);
    text.get(..len).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(args: &[&str]) -> Result<Arguments, Thrown> {
        Arguments::parse(&args.iter().map(OsString::from).collect::<Vec<_>>())
    }

    fn files(list: &str) -> Vec<String> {
        parse(&["--files", list]).unwrap().files().unwrap().iter().map(JavaFile::to_string).collect()
    }

    #[test]
    fn options_are_found_in_every_form_that_the_parser_knows() {
        for args in [
            &["--files", "a.log", "--deep-iteration"][..],
            &["--files=a.log", "-deep-iteration", "ignored"],
            &["-files", "a.log", "-deep-iteration=x", "--", "--bogus"],
        ] {
            let arguments = parse(args).unwrap();
            assert_eq!(arguments.files().unwrap(), [JavaFile::new(b"a.log")], "{args:?}");
            assert!(arguments.is_deep() && !arguments.print_data());
        }
        assert!(parse(&["--files", "--deep-iteration"]).unwrap().files().is_ok());
        assert!(parse(&[]).unwrap().asks_for_help() && parse(&["-help"]).unwrap().asks_for_help());
        assert_eq!(
            parse(&["--print-data-log", "--value-decoder-class"]).unwrap().decoder(),
            Some("value-decoder-class")
        );
    }

    #[test]
    fn wrong_options_are_what_the_parser_says_they_are() {
        let thrown = |args: &[&str]| parse(args).and_then(|a| a.max_bytes().and(a.files())).unwrap_err().to_string();
        assert_eq!(thrown(&["--file", "a"]), "joptsimple.UnrecognizedOptionException: file is not a recognized option");
        assert_eq!(thrown(&["-xyz"]), "joptsimple.UnrecognizedOptionException: x is not a recognized option");
        assert_eq!(
            thrown(&["--files"]),
            "joptsimple.OptionMissingRequiredArgumentException: Option files requires an argument"
        );
        assert_eq!(
            thrown(&["--files", "a", "--max-bytes", "1k"]),
            "joptsimple.OptionArgumentConversionException: Cannot parse argument '1k' of option max-bytes"
        );
        assert_eq!(
            thrown(&["--files", "a", "--files", "b"]),
            "joptsimple.MultipleArgumentsForOptionException: \
             Found multiple arguments for option files, but you asked for only one"
        );
    }

    #[test]
    fn lists_are_split_as_java_splits() {
        assert_eq!(files("a,b"), ["a", "b"]);
        assert_eq!(files("a,,b,,"), ["a", "", "b"]);
        assert_eq!(files(",a"), ["", "a"]);
        assert_eq!(files(""), [""]);
        assert!(files(",").is_empty() && files(",,").is_empty());
    }

    #[test]
    fn every_option_is_in_the_usage() {
        let text = usage();
        assert!(OPTIONS.iter().all(|(option, ..)| text.contains(&format!("--{option}"))));
        assert!(text.lines().all(|line| line.len() <= 120));
    }
}
