//! Programs of Linux, as far as a section is looked for in them.

/// How one begins.
pub(crate) const MAGIC: [u8; 4] = *b"\x7fELF";

/// The content of the section of this name, in an ELF file of any word size and byte order.
pub(crate) fn section<'p>(program: &'p [u8], section: &[u8]) -> Option<&'p [u8]> {
    if !program.starts_with(&MAGIC) {
        return None;
    }
    let file = Elf {
        bytes: program,
        is_wide: *program.get(4)? == 2,
        is_big: *program.get(5)? == 2,
    };
    let (table, entry_size, count, names) = if file.is_wide {
        (
            file.word(0x28)?,
            file.half(0x3a)?,
            file.half(0x3c)?,
            file.half(0x3e)?,
        )
    } else {
        (
            file.word(0x20)?,
            file.half(0x2e)?,
            file.half(0x30)?,
            file.half(0x32)?,
        )
    };
    let header = |index: usize| table.checked_add(index.checked_mul(entry_size)?);
    let names = file.extent(header(names)?)?;
    (0..count).find_map(|index| {
        let at = header(index)?;
        let name = names.get(file.four(at)?..)?;
        let is_it = name.strip_prefix(section).and_then(|rest| rest.first()) == Some(&0);
        is_it.then(|| file.extent(at)).flatten()
    })
}

struct Elf<'p> {
    bytes: &'p [u8],
    is_wide: bool,
    is_big: bool,
}

impl<'p> Elf<'p> {
    fn number(&self, at: usize, size: usize) -> Option<usize> {
        let bytes = self.bytes.get(at..at.checked_add(size)?)?;
        let fold = |number: u64, byte: &u8| (number << 8) | u64::from(*byte);
        let number = match self.is_big {
            true => bytes.iter().fold(0, fold),
            false => bytes.iter().rev().fold(0, fold),
        };
        usize::try_from(number).ok()
    }

    fn half(&self, at: usize) -> Option<usize> {
        self.number(at, 2)
    }

    fn four(&self, at: usize) -> Option<usize> {
        self.number(at, 4)
    }

    fn word(&self, at: usize) -> Option<usize> {
        self.number(at, if self.is_wide { 8 } else { 4 })
    }

    /// The bytes that a section's header at `at` speaks of.
    fn extent(&self, at: usize) -> Option<&'p [u8]> {
        let (offset, size) = match self.is_wide {
            true => (
                self.word(at.checked_add(0x18)?)?,
                self.word(at.checked_add(0x20)?)?,
            ),
            false => (
                self.word(at.checked_add(0x10)?)?,
                self.word(at.checked_add(0x14)?)?,
            ),
        };
        self.bytes.get(offset..offset.checked_add(size)?)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    /// A program of 64 bits that has one section.
    pub(crate) fn with_section(name: &[u8], data: &[u8]) -> Vec<u8> {
        let names = [b"\0", name, b"\0.shstrtab\0"].concat();
        let mut elf = vec![0; 64];
        elf[..6].copy_from_slice(b"\x7fELF\x02\x01");
        let data_at = elf.len();
        elf.extend(data);
        let names_at = elf.len();
        elf.extend(&names);
        let table = elf.len();
        let second = name.len() as u32 + 2;
        for (name, at, size) in [
            (0, 0, 0),
            (1, data_at, data.len()),
            (second, names_at, names.len()),
        ] {
            let mut header = [0; 64];
            header[..4].copy_from_slice(&u32::to_le_bytes(name));
            header[0x18..0x20].copy_from_slice(&(at as u64).to_le_bytes());
            header[0x20..0x28].copy_from_slice(&(size as u64).to_le_bytes());
            elf.extend(header);
        }
        elf[0x28..0x30].copy_from_slice(&(table as u64).to_le_bytes());
        elf[0x3a..0x3c].copy_from_slice(&64_u16.to_le_bytes());
        elf[0x3c..0x3e].copy_from_slice(&3_u16.to_le_bytes());
        elf[0x3e..0x40].copy_from_slice(&2_u16.to_le_bytes());
        elf
    }
}
