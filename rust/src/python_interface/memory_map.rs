//! What memory of this process may be read or executed, from `/proc/self/maps`.

#![cfg(all(target_arch = "x86_64", target_os = "linux"))]

struct Region {
    start: usize,
    end: usize,
    readable: bool,
    executable: bool,
}

/// A snapshot of the memory map; regions in rising order.
pub struct MemoryMap {
    regions: Vec<Region>,
}

impl MemoryMap {
    pub fn of_this_process() -> std::io::Result<Self> {
        let text = std::fs::read_to_string("/proc/self/maps")?;
        Ok(Self { regions: text.lines().filter_map(region).collect() })
    }

    /// Whether the `len` bytes at `address` may be read; they may span adjacent regions.
    pub fn is_readable(&self, address: usize, len: usize) -> bool {
        let Some(end) = address.checked_add(len) else {
            return false;
        };
        let mut covered = address;
        for region in &self.regions {
            if region.readable && (region.start..region.end).contains(&covered) {
                covered = region.end;
            }
            if covered >= end {
                return true;
            }
        }
        false
    }

    /// Whether `address` is inside executable memory.
    pub fn is_code(&self, address: usize) -> bool {
        let inside = |region: &Region| (region.start..region.end).contains(&address);
        self.regions.iter().any(|region| region.executable && inside(region))
    }

    /// The `N` words at `address`, if it is aligned and they may be read.
    pub fn words<const N: usize>(&self, address: usize) -> Option<[usize; N]> {
        let aligned = address != 0 && address.is_multiple_of(size_of::<usize>());
        if !aligned || !self.is_readable(address, N * size_of::<usize>()) {
            return None;
        }
        // SAFETY: the bytes are mapped, readable and aligned; any bytes are valid words. Another
        // thread could unmap them in between only by freeing an object that our caller holds.
        Some(unsafe { (address as *const [usize; N]).read_volatile() })
    }
}

/// A line such as `7f00-7f10 r-xp ...`; guard pages and the like are not readable.
fn region(line: &str) -> Option<Region> {
    let mut fields = line.split_ascii_whitespace();
    let (start, end) = fields.next()?.split_once('-')?;
    let flags = fields.next()?.as_bytes();
    Some(Region {
        start: usize::from_str_radix(start, 16).ok()?,
        end: usize::from_str_radix(end, 16).ok()?,
        readable: flags.first() == Some(&b'r'),
        executable: flags.get(2) == Some(&b'x'),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_code_from_data_and_holes() {
        let map = MemoryMap::of_this_process().unwrap();
        let data = Box::new([7usize, 8]);
        let address = data.as_ptr() as usize;
        assert_eq!(map.words::<2>(address), Some([7, 8]));
        assert_eq!(map.words::<1>(address + 1), None);
        assert!(!map.is_code(address));
        assert!(map.is_code(region as fn(&str) -> Option<Region> as usize));
        assert!(map.words::<1>(0).is_none() && map.words::<1>(8).is_none());
        assert!(!map.is_readable(usize::MAX - 7, 16));
    }
}
