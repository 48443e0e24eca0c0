//! Ids of the CVE programme.

/// `CVE-2026-12345`, ordered by year and number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CveId {
    year: u16,
    number: u32,
}

impl CveId {
    /// None: not of the form `CVE-year-number`.
    #[must_use]
    pub fn read(id: &str) -> Option<Self> {
        let (year, number) = id.strip_prefix("CVE-")?.split_once('-')?;
        let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if !is_number(year) || !is_number(number) {
            return None;
        }
        Some(Self {
            year: year.parse().ok()?,
            number: number.parse().ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_ordered_by_their_numbers() {
        assert!(CveId::read("CVE-2026-999") < CveId::read("CVE-2026-1000"));
        for id in [
            "CVE-2026",
            "CVE-2026-x",
            "cve-2026-1",
            "CVE-2026-+1",
            "CVE-2026-99999999999",
            "CVE--",
        ] {
            assert_eq!(CveId::read(id), None, "{id}");
        }
    }
}
