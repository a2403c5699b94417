//! Numbers to bytes and back; pure. One rule: all numbers of fixed width are big-endian.
//!
//! Knows no format and no file. [`Reader`] and [`Writer`] have the same verbs (`take_i32`, `put_i32`), so a layout's encoder and
//! decoder can be read side by side.

mod checksum;
mod reader;
mod varint;
mod writer;

pub(crate) use checksum::{Crc32, crc32, crc32c, crc32c_append};
pub(crate) use reader::Reader;
pub(crate) use varint::{MAX_VARINT_LEN, varint_len};
#[cfg(feature = "testing")]
pub(crate) use varint::{MAX_VARLONG_LEN, varlong_len};
pub(crate) use writer::{Varints, Writer};
