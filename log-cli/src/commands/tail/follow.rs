//! Following logs as they grow: looks again and again, across rolls, truncation and deletion.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use log_engine::Fs;
use log_engine::fs::Kind;
use log_engine::log::PartitionDirectory;

use crate::commands::dump::Printer;
use crate::error::{CliError, Exit};
use crate::select::Bounds;
use crate::select::targets::{Segment, Series, TargetArgs};
use crate::walk::{Cursor, Sink, Tail, Walk};

/// Between two looks at the files.
const PAUSE: Duration = Duration::from_millis(100);
/// Looks at the files between two looks for new partitions.
const LOOKS: u32 = 10;

/// Ends the program when somebody presses Ctrl-C: with the exit code that says so.
pub(super) fn exit_on_interrupt() -> Result<(), CliError> {
    ctrlc::set_handler(|| std::process::exit(i32::from(Exit::Interrupted as u8)))
        .map_err(|e| CliError::Output(std::io::Error::other(e)))
}

/// One log that is followed.
#[derive(Debug)]
struct Followed {
    series: Series,
    cursor: Cursor,
    bounds: Bounds,
    /// Bytes behind the last batch that were no batch at the last look.
    unfinished: u64,
    /// Where they were when somebody was told.
    told: Option<Cursor>,
    is_gone: bool,
}

/// All logs that are followed.
#[derive(Debug)]
pub(super) struct Follower {
    fs: Arc<dyn Fs>,
    quiet: bool,
    logs: Vec<Followed>,
}

impl Follower {
    pub(super) const fn new(fs: Arc<dyn Fs>, quiet: bool) -> Self {
        Self { fs, quiet, logs: Vec::new() }
    }

    /// Follows a log from `cursor` on.
    pub(super) fn add(&mut self, series: &Series, cursor: Cursor, unfinished: u64, bounds: Bounds) {
        let series = series.clone();
        self.logs.push(Followed { series, cursor, bounds, unfinished, told: None, is_gone: false });
    }

    /// Goes on until the output fails or the program is interrupted.
    pub(super) fn run(
        mut self,
        targets: &TargetArgs,
        walk: &mut Walk,
        printer: &mut Printer,
    ) -> Result<Exit, CliError> {
        for look in 1_u32.. {
            printer.flush()?;
            thread::sleep(PAUSE);
            if look % LOOKS == 0 {
                self.find_new(targets, walk)?;
            }
            for log in &mut self.logs {
                log.look(&*self.fs, self.quiet, walk, printer)?;
            }
        }
        Ok(Exit::Fine)
    }

    /// Follows partitions that were made meanwhile, from their beginning.
    fn find_new(&mut self, targets: &TargetArgs, walk: &mut Walk) -> Result<(), CliError> {
        for series in targets.find(&*self.fs)?.series {
            if !self.logs.iter().any(|log| log.series.path() == series.path()) {
                let Some(bounds) = walk.bounds(&series)? else { continue };
                say(self.quiet, &series, "is new");
                self.add(&series, Cursor::START, 0, bounds);
            }
        }
        Ok(())
    }
}

impl Followed {
    /// Prints what came since the last look.
    fn look(&mut self, fs: &dyn Fs, quiet: bool, walk: &mut Walk, printer: &mut Printer) -> Result<(), CliError> {
        let Some(now) = self.list(fs) else {
            if !self.is_gone {
                say(quiet, &self.series, "was deleted");
                (self.is_gone, self.cursor, self.unfinished) = (true, Cursor::START, 0);
            }
            return Ok(());
        };
        if std::mem::take(&mut self.is_gone) {
            say(quiet, &now, "is there again");
        }
        if !self.follow_cuts(fs, quiet, &now) {
            return Ok(());
        }
        self.series = now;
        printer.series(&self.series)?;
        let before = (self.cursor, self.unfinished);
        (self.cursor, self.unfinished) = walk.run_from(&self.series, self.cursor, &self.bounds, Tail::Open, printer)?;
        let is_stuck = self.unfinished > 0 && before == (self.cursor, self.unfinished);
        if is_stuck && self.told != Some(self.cursor) {
            self.told = Some(self.cursor);
            say(quiet, &self.series, &format!("{} bytes of a batch are in flight", self.unfinished));
        }
        Ok(())
    }

    /// The log as it is now; `None` if its folder or file is gone.
    fn list(&self, fs: &dyn Fs) -> Option<Series> {
        match &self.series.folder {
            Some(folder) => {
                fs.stat(folder).ok().flatten().filter(|stat| stat.kind == Kind::Directory)?;
                let listed = Series::of_folder(fs, &PartitionDirectory::list(fs, folder).ok()?);
                Some(Series { topic: self.series.topic.clone(), partition: self.series.partition, ..listed })
            }
            None => {
                fs.stat(self.series.path()?).ok().flatten()?;
                Some(self.series.clone())
            }
        }
    }

    /// Moves the cursor where its segment was deleted or became shorter, and says so. False if a segment went away after `now` was
    /// listed: then the next list says what became of the log.
    fn follow_cuts(&mut self, fs: &dyn Fs, quiet: bool, now: &Series) -> bool {
        let length = |segment: &Segment| match &segment.path {
            Some(path) => fs.stat(path).ok().flatten().map(|stat| stat.len),
            None => Some(0),
        };
        let (base, position) = (self.cursor.segment, self.cursor.position);
        if base == Cursor::START.segment {
            return true;
        }
        if let Some(segment) = now.segments.iter().find(|segment| segment.base == base) {
            let Some(len) = length(segment) else { return false };
            if len < position {
                say(quiet, now, &format!("{} was truncated from {position} to {len} bytes", segment.name));
                self.cursor.position = len;
            }
            return true;
        }
        match (now.segments.iter().find(|segment| segment.base > base), now.segments.last()) {
            (Some(next), _) => {
                say(quiet, now, &format!("the segment at {base} was deleted; going on at {}", next.base));
                self.cursor = Cursor { segment: next.base, position: 0 };
            }
            (None, Some(last)) => {
                // Measured before it is said: what comes from here on is new.
                let was_known = self.series.segments.iter().any(|segment| segment.base == last.base);
                let Some(len) = (if was_known { length(last) } else { Some(0) }) else { return false };
                say(
                    quiet,
                    now,
                    &format!("was truncated: the segment at {base} is gone, the last one is at {}", last.base),
                );
                self.cursor = Cursor { segment: last.base, position: len };
            }
            (None, None) => {
                say(quiet, now, "was emptied");
                self.cursor = Cursor::START;
            }
        }
        true
    }
}

fn say(quiet: bool, series: &Series, what: &str) {
    if !quiet {
        anstream::eprintln!("{}: {what}", crate::render::escaped(&series.label()));
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use log_engine::fs::MemoryFile;
    use log_engine::testing::memory_fs::{MemoryFs, Node};

    use super::*;
    use crate::select::SelectArgs;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        select: SelectArgs,
    }

    fn log(base: i64) -> String {
        format!("/orders-0/{base:020}.log")
    }

    fn listed(fs: &MemoryFs) -> Series {
        Series::of_folder(fs, &PartitionDirectory::list(fs, "/orders-0".as_ref()).unwrap())
    }

    /// What was listed can be gone when it is looked at: nothing is said of it then, least of all that it became shorter.
    #[test]
    fn a_segment_that_goes_behind_the_list_is_left_to_the_next_list() {
        let mut fs = MemoryFs::default();
        for (base, len) in [(0, 90), (7, 75)] {
            fs.put(log(base), Node::File(MemoryFile::new(vec![0; len])));
        }
        let both = listed(&fs);
        let bounds = Line::parse_from(["x"]).select.selection(0).unwrap().bounds(0, i64::MAX);
        let cursor = Cursor { segment: 7, position: 75 };
        let mut log_of = Followed { series: both.clone(), cursor, bounds, unfinished: 0, told: None, is_gone: false };
        assert!(log_of.follow_cuts(&fs, true, &both));
        fs.remove(log(7).as_ref());
        assert!(!log_of.follow_cuts(&fs, true, &both));
        assert_eq!(log_of.cursor, cursor);

        let first = listed(&fs);
        fs.remove(log(0).as_ref());
        assert!(!log_of.follow_cuts(&fs, true, &first), "what is last now is gone as well");
        assert_eq!(log_of.cursor, cursor);
        fs.put(log(0), Node::File(MemoryFile::new(vec![0; 90])));
        assert!(log_of.follow_cuts(&fs, true, &first));
        assert_eq!(log_of.cursor, Cursor { segment: 0, position: 90 });
    }
}
