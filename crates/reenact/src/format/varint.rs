//! LEB128 numbers: short, canonical, bounded.

/// Why bytes are no number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum VarintError {
    /// The bytes end within it.
    Truncated,
    /// It is longer than needed, or than 64 bits.
    NotCanonical,
}

pub(crate) fn write(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// The number at the front of `bytes`, which is moved past it.
pub(crate) fn read(bytes: &mut &[u8]) -> Result<u64, VarintError> {
    let mut value = 0;
    for (n, &byte) in bytes.iter().enumerate().take(10) {
        if n == 9 && byte > 1 {
            return Err(VarintError::NotCanonical);
        }
        value |= u64::from(byte & 0x7f) << (7 * n);
        if byte < 0x80 {
            if n > 0 && byte == 0 {
                return Err(VarintError::NotCanonical);
            }
            *bytes = &bytes[n + 1..];
            return Ok(value);
        }
    }
    Err(if bytes.len() < 10 { VarintError::Truncated } else { VarintError::NotCanonical })
}

/// Signed numbers near zero become small unsigned ones.
pub(crate) fn zigzag(value: i32) -> u64 {
    u64::from(((value << 1) ^ (value >> 31)) as u32)
}

/// Takes back [`zigzag`]; `None` above 32 bits.
pub(crate) fn unzigzag(value: u64) -> Option<i32> {
    let value = u32::try_from(value).ok()?;
    Some((value >> 1) as i32 ^ -((value & 1) as i32))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back_and_use_up_their_bytes() {
        for value in [0, 1, 127, 128, 16_383, 16_384, u64::from(u32::MAX), u64::MAX - 1, u64::MAX] {
            let mut bytes = Vec::new();
            write(value, &mut bytes);
            let mut rest = &bytes[..];
            assert_eq!((read(&mut rest), rest.len()), (Ok(value), 0));
            assert_eq!(read(&mut &bytes[..bytes.len() - 1]), Err(VarintError::Truncated));
        }
        for value in [0, -1, 1, i32::MIN, i32::MAX] {
            assert_eq!(unzigzag(zigzag(value)), Some(value));
        }
        assert_eq!(unzigzag(1 << 32), None);
    }

    #[test]
    fn longer_forms_are_refused() {
        for bytes in [&[0x80, 0][..], &[0xff; 10], &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2]]
        {
            assert_eq!(read(&mut &bytes[..]), Err(VarintError::NotCanonical));
        }
    }
}
