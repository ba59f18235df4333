//! Reflected cyclic redundancy checks that no dependency has, by tables of eight (slicing-by-8).

/// CRC-32C (Castagnoli), reflected.
const CRC32C_POLYNOMIAL: u64 = 0x82f6_3b78;
/// CRC-64/NVME, reflected.
const CRC64NVME_POLYNOMIAL: u64 = 0x9a6c_9329_ac4b_c9b5;

static CRC32C: [[u64; 256]; 8] = tables(CRC32C_POLYNOMIAL);
static CRC64NVME: [[u64; 256]; 8] = tables(CRC64NVME_POLYNOMIAL);

/// Continues a CRC-32C; begin with 0.
pub(super) fn crc32c(sum: u32, bytes: &[u8]) -> u32 {
    !(advance(&CRC32C, u64::from(!sum), bytes) as u32)
}

/// Continues a CRC-64/NVME; begin with 0.
pub(super) fn crc64nvme(sum: u64, bytes: &[u8]) -> u64 {
    !advance(&CRC64NVME, !sum, bytes)
}

fn advance(tables: &[[u64; 256]; 8], mut sum: u64, bytes: &[u8]) -> u64 {
    let mut words = bytes.chunks_exact(8);
    for word in &mut words {
        let mut mixed = sum;
        for (at, byte) in word.iter().enumerate() {
            mixed ^= u64::from(*byte) << (8 * at);
        }
        let mut next = 0;
        for (at, byte) in mixed.to_le_bytes().into_iter().enumerate() {
            next ^= tables[7 - at][usize::from(byte)];
        }
        sum = next;
    }
    for byte in words.remainder() {
        sum = (sum >> 8) ^ tables[0][usize::from(sum as u8 ^ byte)];
    }
    sum
}

const fn tables(polynomial: u64) -> [[u64; 256]; 8] {
    let mut tables = [[0u64; 256]; 8];
    let mut index = 0;
    while index < 256 {
        let mut sum = index as u64;
        let mut bit = 0;
        while bit < 8 {
            sum = if sum & 1 == 1 { (sum >> 1) ^ polynomial } else { sum >> 1 };
            bit += 1;
        }
        tables[0][index] = sum;
        index += 1;
    }
    let mut table = 1;
    while table < 8 {
        let mut index = 0;
        while index < 256 {
            let before = tables[table - 1][index];
            tables[table][index] = (before >> 8) ^ tables[0][(before & 0xff) as usize];
            index += 1;
        }
        table += 1;
    }
    tables
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn check_values_of_the_catalogue() {
        assert_eq!(crc32c(0, b"123456789"), 0xe306_9283);
        assert_eq!(crc64nvme(0, b"123456789"), 0xae8b_1486_0a79_9888);
    }

    #[test]
    fn continues_over_any_split() {
        let bytes: Vec<u8> = (0..100u8).collect();
        for split in 0..bytes.len() {
            let (a, b) = bytes.split_at(split);
            assert_eq!(crc32c(crc32c(0, a), b), crc32c(0, &bytes));
            assert_eq!(crc64nvme(crc64nvme(0, a), b), crc64nvme(0, &bytes));
        }
    }
}
