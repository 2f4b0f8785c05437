//! The names in an index file, versions 2 to 4, of either hash.
//!
//! A reader of our own: the kept crate `gix-index` brings 36 crates along, maps a file that others may truncate, and
//! would be used for the names alone.

/// What an index names, and what it builds on.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Names {
    /// The paths, as bytes, in the order of the file. One that ends in `/` stands for all that is below it.
    pub(super) paths: Vec<Vec<u8>>,
    /// The name of the file that holds the rest, where the index is split.
    pub(super) shared: Option<String>,
}

/// What an entry holds before its object id: times, device, inode, mode, owner, size.
const STAT_BYTES: usize = 40;
const NAME_LENGTH: usize = 0x0fff;
const EXTENDED: usize = 0x4000;

/// The names in `bytes`. `None` where they are no index that this reads.
pub(super) fn parse(bytes: &[u8]) -> Option<Names> {
    // Which hash it is stands in the repository's configuration. With the wrong one, nothing fits.
    [20, 32]
        .into_iter()
        .find_map(|hash| Reader { bytes, at: 0 }.index(hash))
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let end = self.at.checked_add(count)?;
        let taken = self.bytes.get(self.at..end)?;
        self.at = end;
        Some(taken)
    }

    fn number(&mut self, count: usize) -> Option<usize> {
        let bytes = self.take(count)?;
        let number = bytes
            .iter()
            .fold(0, |number, byte| number << 8 | u64::from(*byte));
        usize::try_from(number).ok()
    }

    /// As [`parse`], where object ids have `hash` bytes.
    fn index(mut self, hash: usize) -> Option<Names> {
        if self.take(4)? != b"DIRC" {
            return None;
        }
        let version = self.number(4)?;
        if !(2..=4).contains(&version) {
            return None;
        }
        let count = self.number(4)?;
        let mut names = Names::default();
        let mut last = Vec::new();
        for _ in 0..count {
            last = self.entry(version, hash, last)?;
            // A split index replaces entries of the shared one by nameless ones.
            if !last.is_empty() {
                names.paths.push(last.clone());
            }
        }
        let end = self.bytes.len().checked_sub(hash)?;
        while self.at < end {
            let signature = self.take(4)?;
            let size = self.number(4)?;
            let content = self.take(size)?;
            if signature == b"link" {
                names.shared = shared(content.get(..hash)?);
            }
        }
        (self.at == end).then_some(names)
    }

    /// The name of the next entry, which follows the one named `last`.
    fn entry(&mut self, version: usize, hash: usize, last: Vec<u8>) -> Option<Vec<u8>> {
        let start = self.at;
        self.take(STAT_BYTES + hash)?;
        let flags = self.number(2)?;
        if flags & EXTENDED != 0 {
            if version < 3 {
                return None;
            }
            self.take(2)?;
        }
        let mut name = Vec::new();
        if version == 4 {
            let dropped = self.varint()?;
            name = last;
            name.truncate(name.len().checked_sub(dropped)?);
        }
        let rest = &self.bytes[self.at..];
        let length = rest.iter().position(|byte| *byte == 0)?;
        name.extend_from_slice(self.take(length)?);
        if name.len().min(NAME_LENGTH) != flags & NAME_LENGTH {
            return None;
        }
        let padding = if version == 4 {
            1
        } else {
            8 - (self.at - start) % 8
        };
        let is_padding = self.take(padding)?.iter().all(|byte| *byte == 0);
        is_padding.then_some(name)
    }

    /// As in pack files: seven bits a byte, the highest first, each step but the last adding one.
    fn varint(&mut self) -> Option<usize> {
        let mut byte = self.number(1)?;
        let mut value = byte & 0x7f;
        while byte & 0x80 != 0 {
            byte = self.number(1)?;
            value = value.checked_add(1)?.checked_mul(128)? | (byte & 0x7f);
        }
        Some(value)
    }
}

fn shared(id: &[u8]) -> Option<String> {
    if id.iter().all(|byte| *byte == 0) {
        return None;
    }
    let digit = |half: u8| char::from_digit(u32::from(half), 16).unwrap_or_default();
    let hex = id
        .iter()
        .flat_map(|byte| [digit(byte >> 4), digit(byte & 0xf)]);
    Some("sharedindex.".chars().chain(hex).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn entry(name: &[u8], hash: usize) -> Vec<u8> {
        let mut entry = vec![7; STAT_BYTES + hash];
        let length = u16::try_from(name.len().min(NAME_LENGTH)).unwrap();
        entry.extend(length.to_be_bytes());
        entry.extend(name);
        entry.extend(vec![0; 8 - entry.len() % 8]);
        entry
    }

    fn index(names: &[Vec<u8>], hash: usize, extension: &[u8]) -> Vec<u8> {
        let mut index = b"DIRC\0\0\0\x02".to_vec();
        index.extend(u32::try_from(names.len()).unwrap().to_be_bytes());
        index.extend(names.iter().flat_map(|name| entry(name, hash)));
        index.extend(extension);
        index.extend(vec![9; hash]);
        index
    }

    #[test]
    fn a_split_index_names_the_file_of_the_rest() {
        let mut link = b"link\0\0\0\x14".to_vec();
        link.extend([0xab; 20]);
        let names = parse(&index(&[b"a".to_vec()], 20, &link)).unwrap();
        assert_eq!(names.paths, [b"a"]);
        assert_eq!(
            names.shared,
            Some(format!("sharedindex.{}", "ab".repeat(20)))
        );
    }

    #[test]
    fn what_is_no_index_is_none() {
        let good = index(&[b"a".to_vec()], 20, b"");
        for wrong in [
            &b""[..],
            b"DIRC",
            &good[1..],
            &good[..good.len() - 1],
            &[0; 100],
        ] {
            assert_eq!(parse(wrong), None);
        }
        let mut later = good;
        later[7] = 5;
        assert_eq!(parse(&later), None);
    }

    proptest! {
        #[test]
        fn names_of_either_hash_come_back(
            names in prop::collection::vec("[a-z/.]{1,40}", 0..9),
            hash in prop::sample::select(vec![20_usize, 32]),
        ) {
            let names: Vec<_> = names.into_iter().map(String::into_bytes).collect();
            let parsed = parse(&index(&names, hash, b"TREE\0\0\0\x03abc")).unwrap();
            prop_assert_eq!(parsed.paths, names);
        }

        #[test]
        fn nothing_makes_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), version in 2_u8..5) {
            parse(&bytes);
            let mut index = vec![b'D', b'I', b'R', b'C', 0, 0, 0, version];
            index.extend(bytes);
            parse(&index);
        }
    }
}
