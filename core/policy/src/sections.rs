//! The outer form of a module, as far as the interpreter does not show it.
//!
//! A module's whole state must be seen, or an evaluation could leave a note for the next one. With the features that the
//! engine leaves on, state is the memory and the mutable globals, and globals are only visible when exported. So each one
//! is exported under a name of ours before the module is compiled. Nothing else about the module is changed.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// Export name of the mutable global number `index`.
pub(crate) fn global_name(index: u32) -> String {
    format!("\u{1}global {index}")
}

const MAGIC: &[u8] = b"\0asm\x01\0\0\0";
const IMPORT: u8 = 2;
const GLOBAL: u8 = 6;
const EXPORT: u8 = 7;

/// Reads from the front of `bytes`; `None` where the form ends too soon or is too long.
struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.bytes.split_first()?;
        self.bytes = rest;
        Some(*first)
    }

    fn take(&mut self, length: u32) -> Option<&'a [u8]> {
        let (taken, rest) = self.bytes.split_at_checked(length as usize)?;
        self.bytes = rest;
        Some(taken)
    }

    /// An unsigned LEB128 number of 32 bits.
    fn number(&mut self) -> Option<u32> {
        let mut value = 0_u64;
        for shift in [0, 7, 14, 21, 28] {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return u32::try_from(value).ok();
            }
        }
        None
    }

    /// A number whose value does not matter here.
    fn skip_number(&mut self) -> Option<()> {
        for _ in 0..10 {
            if self.byte()? & 0x80 == 0 {
                return Some(());
            }
        }
        None
    }

    /// A constant expression: the few forms that one of a global can have.
    fn skip_constant(&mut self) -> Option<()> {
        match self.byte()? {
            0x41 | 0x42 | 0x23 => self.skip_number()?,
            0x43 => drop(self.take(4)?),
            0x44 => drop(self.take(8)?),
            _ => return None,
        }
        (self.byte()? == 0x0b).then_some(())
    }

    fn skip_limits(&mut self) -> Option<()> {
        let flags = self.byte()?;
        self.skip_number()?;
        if flags & 1 == 1 {
            self.skip_number()?;
        }
        Some(())
    }
}

fn write_number(bytes: &mut Vec<u8>, mut value: u32) {
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

/// The module with every mutable global exported, and their number. `None` if it has not the form of a module.
pub(crate) fn expose_globals(module: &[u8]) -> Option<(Vec<u8>, Vec<u32>)> {
    let mut reader = Reader { bytes: module.strip_prefix(MAGIC)? };
    let mut exposed = MAGIC.to_vec();
    let (mut imported, mut mutable) = (0, Vec::new());
    let mut done = false;
    while let Some(id) = reader.byte() {
        let length = reader.number()?;
        let body = reader.take(length)?;
        let mut section = Reader { bytes: body };
        match id {
            IMPORT => imported = imported_globals(&mut section)?,
            GLOBAL => mutable = mutable_globals(&mut section, imported)?,
            EXPORT => {
                let count = section.number()?.checked_add(u32::try_from(mutable.len()).ok()?)?;
                let mut longer = Vec::with_capacity(body.len() + 24 * mutable.len());
                write_number(&mut longer, count);
                longer.extend_from_slice(section.bytes);
                for index in &mutable {
                    let name = global_name(*index);
                    write_number(&mut longer, name.len() as u32);
                    longer.extend_from_slice(name.as_bytes());
                    longer.push(3);
                    write_number(&mut longer, *index);
                }
                exposed.push(EXPORT);
                write_number(&mut exposed, u32::try_from(longer.len()).ok()?);
                exposed.extend_from_slice(&longer);
                done = true;
                continue;
            }
            _ => {}
        }
        exposed.push(id);
        write_number(&mut exposed, length);
        exposed.extend_from_slice(body);
    }
    // A module without exports is of no use here, and could not be made to show its globals.
    done.then_some((exposed, mutable))
}

fn imported_globals(section: &mut Reader<'_>) -> Option<u32> {
    let mut globals = 0;
    for _ in 0..section.number()? {
        for _ in 0..2 {
            let length = section.number()?;
            section.take(length)?;
        }
        match section.byte()? {
            0 => section.skip_number()?,
            1 => {
                section.byte()?;
                section.skip_limits()?;
            }
            2 => section.skip_limits()?,
            3 => {
                section.take(2)?;
                globals += 1;
            }
            _ => return None,
        }
    }
    Some(globals)
}

fn mutable_globals(section: &mut Reader<'_>, imported: u32) -> Option<Vec<u32>> {
    let mut mutable = Vec::new();
    for index in 0..section.number()? {
        section.byte()?;
        if section.byte()? == 1 {
            mutable.push(imported.checked_add(index)?);
        }
        section.skip_constant()?;
    }
    Some(mutable)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_are_no_module_are_none() {
        assert_eq!(expose_globals(b""), None);
        assert_eq!(expose_globals(b"\0asm\x02\0\0\0"), None);
        assert_eq!(expose_globals(MAGIC), None, "no exports");
        // A section longer than the file.
        let mut bytes = MAGIC.to_vec();
        bytes.extend([EXPORT, 0xff, 0xff, 0x03, 0]);
        assert_eq!(expose_globals(&bytes), None);
    }

    #[test]
    fn a_mutable_global_is_exported() {
        let mut bytes = MAGIC.to_vec();
        // (global (mut i32) 7) (global i32 1) (export "a" (global 1))
        bytes.extend([GLOBAL, 11, 2, 0x7f, 1, 0x41, 7, 0x0b, 0x7f, 0, 0x41, 1, 0x0b]);
        bytes.extend([EXPORT, 5, 1, 1, b'a', 3, 1]);
        let (exposed, mutable) = expose_globals(&bytes).unwrap();
        assert_eq!(mutable, [0]);
        let name = global_name(0);
        let mut tail = alloc::vec![name.len() as u8];
        tail.extend(name.as_bytes());
        tail.extend([3, 0]);
        assert!(exposed.ends_with(&tail));
    }

    #[test]
    fn every_cut_is_refused_or_read_without_harm() {
        let mut bytes = MAGIC.to_vec();
        bytes.extend([GLOBAL, 6, 1, 0x7f, 1, 0x41, 7, 0x0b, EXPORT, 5, 1, 1, b'a', 3, 0]);
        for end in 0..bytes.len() {
            assert_eq!(expose_globals(&bytes[..end]), None, "{end}");
        }
    }
}
