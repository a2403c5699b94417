//! Zstandard frames one behind the other, skippable ones included. (zstd-jni: `ZstdInputStreamNoFinalizer`)

use zstd::zstd_safe::{self, CCtx, DCtx, DParameter, InBuffer, OutBuffer, ResetDirective};

use super::output::Output;
use super::{Codec, broken};
use crate::error::Malformed;

/// The largest window a frame may ask for, as a power of two: 128 MiB, which producers at level 22 need. The decoder takes this
/// memory because the frame's head says so.
const MAX_WINDOW_LOG: u32 = 27;

/// A decoder with more memory than this is not kept for the next batch: windows of 8 MiB and what stands around them fit.
const MAX_KEPT: usize = 16 * 1024 * 1024;

/// The library's decoder with its window, kept from one batch to the next.
#[derive(Default)]
pub(super) struct Context(Option<DCtx<'static>>);

impl Context {
    /// All frames of `input`; nothing comes out of nothing.
    pub(super) fn decompress(&mut self, input: &[u8], out: &mut Output<'_>) -> Result<(), Malformed> {
        let mut context = match self.0.take() {
            Some(context) => context,
            None => new_context()?,
        };
        let done = decompress_frames(&mut context, input, out);
        if context.sizeof() <= MAX_KEPT {
            self.0 = Some(context);
        }
        done
    }
}

fn new_context() -> Result<DCtx<'static>, Malformed> {
    let failed = |code| broken(Codec::Zstd, 0, zstd_safe::get_error_name(code));
    let mut context = DCtx::try_create().ok_or_else(|| broken(Codec::Zstd, 0, "no memory for a decoder"))?;
    context.set_parameter(DParameter::WindowLogMax(MAX_WINDOW_LOG)).map_err(failed)?;
    Ok(context)
}

fn decompress_frames(context: &mut DCtx<'_>, input: &[u8], out: &mut Output<'_>) -> Result<(), Malformed> {
    let failed = |at, code| broken(Codec::Zstd, at, zstd_safe::get_error_name(code));
    context.reset(ResetDirective::SessionOnly).map_err(|code| failed(0, code))?;
    let mut source = InBuffer::around(input);
    let mut in_frame = false;
    let mut last_frame_end = 0;
    while in_frame || source.pos() < input.len() {
        let (at, before) = (source.pos(), out.bytes().len());
        let hint = out
            .append_with(at, |spare| {
                let written = spare.len();
                context.decompress_stream(&mut OutBuffer::around_pos(spare, written), &mut source)
            })?
            .map_err(|code| failed(at, code))?;
        in_frame = hint != 0;
        if !in_frame {
            last_frame_end = source.pos();
        } else if (source.pos(), out.bytes().len()) == (at, before) {
            return check_cut(input.len(), last_frame_end);
        }
    }
    Ok(())
}

/// Whether a frame may be cut short by the end of the input. zstd-jni reads in pieces of [`DCtx::in_size`] bytes, and minds the
/// cut only when no other frame has ended in the last piece.
fn check_cut(len: usize, last_frame_end: usize) -> Result<(), Malformed> {
    let last_piece = len.saturating_sub(1) / DCtx::in_size() * DCtx::in_size();
    if last_frame_end > last_piece { Ok(()) } else { Err(broken(Codec::Zstd, len, "the last frame ends too early")) }
}

/// One frame.
pub(super) fn compress(level: i32, input: &[u8], out: &mut Vec<u8>) {
    out.reserve(zstd_safe::compress_bound(input.len()));
    let written = CCtx::create().compress(out, input, level).map_err(zstd_safe::get_error_name);
    written.expect("the frame is as large as it can become");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(context: &mut Context, input: &[u8]) -> Result<Vec<u8>, Malformed> {
        let mut bytes = Vec::new();
        context.decompress(input, &mut Output::new(&mut bytes, 1 << 20)).map(|()| bytes)
    }

    fn frame(content: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        compress(3, content, &mut bytes);
        bytes
    }

    /// A frame without a content size, as a stream writes it: window descriptor, one stored block of one byte.
    fn streamed(window: u8, byte: u8) -> Vec<u8> {
        vec![0x28, 0xb5, 0x2f, 0xfd, 0, window, 0x09, 0, 0, byte]
    }

    #[test]
    fn frames_follow_each_other_and_skippable_ones_give_nothing() {
        let skippable = [0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, b'a', b'b', b'c'];
        let input = [&frame(b"first, "), &skippable[..], &frame(b""), &streamed(0, b'2')].concat();
        assert_eq!(read(&mut Context::default(), &input), Ok(b"first, 2".to_vec()));
        assert_eq!(read(&mut Context::default(), &[]), Ok(Vec::new()));
    }

    #[test]
    fn bytes_that_are_no_frame_are_an_error_behind_one_as_well() {
        for before in [&[][..], &frame(b"first")] {
            read(&mut Context::default(), &[before, b"some text"].concat()).expect_err("no frame");
        }
    }

    #[test]
    fn a_cut_frame_is_an_error_unless_another_ended_in_the_last_piece() {
        read(&mut Context::default(), &frame(b"cut")[..6]).expect_err("half a frame");
        let piece = DCtx::in_size();
        // Cut six bytes behind the end of the frame before it: at the end of the piece, then in the next one.
        for (end, passes) in [(piece - 6, true), (piece - 5, false), (piece, false), (piece + 1, true)] {
            let padding = vec![0; end - 8 - frame(b"first").len()];
            let len = u32::try_from(padding.len()).expect("a short frame").swap_bytes().to_be_bytes();
            let skippable = [&[0x50, 0x2a, 0x4d, 0x18], &len[..], &padding].concat();
            let input = [&skippable, &frame(b"first"), &frame(b"cut")[..6]].concat();
            assert_eq!(read(&mut Context::default(), &input).is_ok(), passes, "frame ends at {end}");
        }
        let short = [frame(b"first"), frame(b"cut")[..6].to_vec()].concat();
        assert_eq!(read(&mut Context::default(), &short), Ok(b"first".to_vec()));
    }

    /// The exponent of a window stands in the descriptor's upper five bits, less 10; an eighth of it in the lower three.
    #[test]
    fn a_window_is_no_larger_than_its_limit() {
        let descriptor = |log: u8, eighths: u8| (log - 10) << 3 | eighths;
        for (log, eighths) in [(10, 0), (26, 7), (27, 0)] {
            assert_eq!(read(&mut Context::default(), &streamed(descriptor(log, eighths), b'x')), Ok(b"x".to_vec()));
        }
        for (log, eighths) in [(27, 1), (28, 0), (31, 0), (41, 7)] {
            let error = read(&mut Context::default(), &streamed(descriptor(log, eighths), b'x'));
            assert!(error.expect_err("a larger window").to_string().contains("memory"), "2^{log} and {eighths}/8");
        }
    }

    #[test]
    fn only_a_small_decoder_is_kept() {
        let mut context = Context::default();
        for (window, kept) in [(23, true), (24, false), (27, false), (20, true)] {
            read(&mut context, &streamed((window - 10) << 3, b'x')).expect("a good frame");
            assert_eq!(context.0.is_some(), kept, "window of 2^{window}");
        }
    }

    #[test]
    fn a_content_checksum_is_verified() {
        let mut context = CCtx::create();
        context.set_parameter(zstd_safe::CParameter::ChecksumFlag(true)).expect("a known parameter");
        let mut bytes = Vec::with_capacity(100);
        context.compress2(&mut bytes, b"content").expect("enough space");
        assert_eq!(read(&mut Context::default(), &bytes), Ok(b"content".to_vec()));
        *bytes.last_mut().expect("a checksum") ^= 1;
        read(&mut Context::default(), &bytes).expect_err("a false checksum");
    }
}
