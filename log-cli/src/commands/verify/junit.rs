//! `--junit`: a test suite of one case a partition and log directory, for machines that show such files.

use std::fmt::Write as _;
use std::path::Path;

use super::document::{Document, Found, Weight};
use crate::error::CliError;

/// Writes the file.
pub(super) fn write(document: &Document, file: &Path) -> Result<(), CliError> {
    std::fs::write(file, render(document))?;
    Ok(())
}

fn render(document: &Document) -> String {
    let dirs = document.log_dirs.iter().map(|dir| (&dir.path, &dir.findings));
    let partitions = document.partitions.iter().map(|partition| (&partition.path, &partition.findings));
    let cases: Vec<_> = dirs.chain(partitions).collect();
    let failing = cases.iter().filter(|(_, findings)| loud(findings).next().is_some()).count();
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let _ = writeln!(out, "<testsuite name=\"log-cli verify\" tests=\"{}\" failures=\"{failing}\">", cases.len());
    for (path, findings) in cases {
        let _ = write!(out, "  <testcase classname=\"verify\" name=\"{}\"", escaped(path));
        let mut loud = loud(findings).peekable();
        if loud.peek().is_none() {
            out.push_str("/>\n");
            continue;
        }
        out.push_str(">\n");
        for found in loud {
            let place = found.position.map_or_else(|| found.file.clone(), |at| format!("{} @{at}", found.file));
            let (code, message) = (found.code, escaped(&found.message));
            let _ = writeln!(out, "    <failure type=\"{code}\" message=\"{message}\">{}</failure>", escaped(&place));
        }
        out.push_str("  </testcase>\n");
    }
    out.push_str("</testsuite>\n");
    out
}

fn loud(findings: &[Found]) -> impl Iterator<Item = &Found> {
    findings.iter().filter(|found| found.severity > Weight::Info)
}

/// Text for XML; control characters, which it cannot hold, become question marks.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c if c.is_control() => out.push('?'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_escaped() {
        assert_eq!(escaped("a<b>&\"c\u{1b}"), "a&lt;b&gt;&amp;&quot;c?");
    }
}
