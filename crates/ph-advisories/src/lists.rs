//! Lists as they are given out: CISA's known exploited vulnerabilities (KEV), the scores of EPSS, what a mirror has
//! changed.

mod changes;

use crate::index::IndexError;
use flate2::read::MultiGzDecoder;
use serde::Deserialize;
use std::io::{self, BufRead, BufReader, Read};

pub use changes::{CHANGES_MAX, Changes};

/// Bytes of CISA's list, at most: ten times what it has.
const KEV_BYTES_MAX: u64 = 16 << 20;
/// Bytes of the scores once inflated, at most.
const EPSS_BYTES_MAX: u64 = 256 << 20;
/// Scores, at most.
const ENTRIES_MAX: u64 = 5_000_000;
/// Bytes of one line of the scores, at most.
const LINE_BYTES_MAX: u64 = 4_096;

/// Why a list is none.
#[derive(Debug, thiserror::Error)]
pub enum ScoresError {
    /// It cannot be read.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// It cannot be kept.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// It is not what CISA gives out.
    #[error("it is no list of known exploited vulnerabilities: {0}")]
    Kev(#[from] serde_json::Error),
    /// It is not what EPSS gives out.
    #[error("line {line}: it is no list of EPSS scores: {why}")]
    Epss {
        /// Which line, from 1.
        line: u64,
        /// What is wrong.
        why: &'static str,
    },
    /// It holds nothing.
    #[error("it is empty")]
    Empty,
    /// It is too large.
    #[error("it has more than {0}")]
    TooLarge(&'static str),
}

#[derive(Deserialize)]
struct Kev {
    vulnerabilities: Vec<KevEntry>,
}

#[derive(Deserialize)]
struct KevEntry {
    #[serde(rename = "cveID")]
    cve: String,
}

/// Reads CISA's list; says how many entries it has.
///
/// - `put`: takes each CVE.
///
/// # Errors
/// Not that list, too large, empty, or what `put` says.
pub fn kev(
    mut bytes: impl Read,
    put: &mut dyn FnMut(&str) -> Result<(), IndexError>,
) -> Result<u64, ScoresError> {
    let mut text = Vec::new();
    bytes
        .by_ref()
        .take(KEV_BYTES_MAX + 1)
        .read_to_end(&mut text)?;
    if text.len() as u64 > KEV_BYTES_MAX {
        return Err(ScoresError::TooLarge("16 MiB"));
    }
    let kev: Kev = serde_json::from_slice(&text)?;
    for entry in &kev.vulnerabilities {
        put(&entry.cve)?;
    }
    match kev.vulnerabilities.len() as u64 {
        0 => Err(ScoresError::Empty),
        count => Ok(count),
    }
}

/// Reads the scores: CSV with a comment, a head (`cve,epss,…`) and a line for each, compressed by gzip or not; says
/// how many there are.
///
/// - `put`: takes each CVE with its score, 0 to 1.
///
/// # Errors
/// Not that list, too large, empty, or what `put` says.
pub fn epss(
    bytes: impl Read,
    put: &mut dyn FnMut(&str, f64) -> Result<(), IndexError>,
) -> Result<u64, ScoresError> {
    let mut bytes = BufReader::new(bytes);
    let is_packed = bytes.fill_buf()?.starts_with(&[0x1F, 0x8B]);
    let plain: Box<dyn Read + '_> = if is_packed {
        Box::new(MultiGzDecoder::new(bytes))
    } else {
        Box::new(bytes)
    };
    let mut plain = BufReader::new(plain.take(EPSS_BYTES_MAX + 1));
    let (mut line, mut count, mut total) = (0, 0, 0);
    let mut text = Vec::new();
    loop {
        text.clear();
        let mut one = plain.by_ref().take(LINE_BYTES_MAX + 1);
        let read = one.read_until(b'\n', &mut text)? as u64;
        total += read;
        line += 1;
        if total > EPSS_BYTES_MAX {
            return Err(ScoresError::TooLarge("256 MiB"));
        }
        if read == 0 {
            break;
        }
        let wrong = |why| ScoresError::Epss { line, why };
        if read > LINE_BYTES_MAX {
            return Err(wrong("it has more than 4096 bytes"));
        }
        let text = str::from_utf8(&text).map_err(|_| wrong("it is no text"))?;
        let Some((cve, score)) = score(text.trim()).map_err(wrong)? else {
            continue;
        };
        put(cve, score)?;
        count += 1;
        if count > ENTRIES_MAX {
            return Err(ScoresError::TooLarge("5,000,000 scores"));
        }
    }
    if count == 0 {
        Err(ScoresError::Empty)
    } else {
        Ok(count)
    }
}

/// None: a line without a score.
fn score(line: &str) -> Result<Option<(&str, f64)>, &'static str> {
    if line.is_empty() || line.starts_with('#') || line.starts_with("cve,") {
        return Ok(None);
    }
    let mut fields = line.split(',');
    let (cve, score) = (
        fields.next().unwrap_or_default(),
        fields.next().unwrap_or_default(),
    );
    let score: f64 = score.parse().map_err(|_| "the second field is no number")?;
    if !cve.starts_with("CVE-") || !(0.0..=1.0).contains(&score) {
        return Err("a line is `CVE-…,` and a number from 0 to 1");
    }
    Ok(Some((cve, score)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use std::io::Write as _;

    fn scores(bytes: &[u8]) -> Result<Vec<(String, f64)>, String> {
        let mut all = Vec::new();
        let read = epss(bytes, &mut |cve, score| {
            all.push((cve.to_owned(), score));
            Ok(())
        });
        read.map(|_| all).map_err(|error| error.to_string())
    }

    fn packed(plain: &[u8]) -> Vec<u8> {
        let mut packed = GzEncoder::new(Vec::new(), Compression::best());
        packed.write_all(plain).unwrap();
        packed.finish().unwrap()
    }

    #[test]
    fn scores_are_read_plain_and_packed() {
        let text = b"#model_version:v2026.03.14\ncve,epss,percentile\nCVE-2021-1,0.5,0.9\r\n\nCVE-2021-2,1,1";
        let want = vec![
            ("CVE-2021-1".to_owned(), 0.5),
            ("CVE-2021-2".to_owned(), 1.0),
        ];
        assert_eq!(scores(text).as_ref(), Ok(&want));
        assert_eq!(scores(&packed(text)).as_ref(), Ok(&want));
    }

    #[test]
    fn what_is_no_list_is_refused_with_its_line() {
        let line = |text: &str| scores(text.as_bytes()).unwrap_err();
        assert!(line("cve,epss\nCVE-1,2.0\n").starts_with("line 2: "));
        assert!(line("CVE-1,NaN\n").contains("from 0 to 1"));
        assert!(line("CVE-1,x\n").contains("no number"));
        assert!(line("GHSA-1,0.5\n").contains("`CVE-…,`"));
        assert_eq!(line("# nothing\n"), "it is empty");
        // A line without an end costs no memory, packed or not.
        let endless = vec![b'#'; 8 << 20];
        let why = "line 1: it is no list of EPSS scores: it has more than 4096 bytes";
        assert_eq!(scores(&endless).unwrap_err(), why);
        assert_eq!(scores(&packed(&endless)).unwrap_err(), why);
        let cut = packed(b"CVE-2021-1,0.5\nCVE-2021-2,0.5\n");
        assert!(scores(&cut[..cut.len() - 6]).is_err());
    }

    #[test]
    fn cisa_s_list_is_read_or_refused() {
        let read = |text: &str| {
            let mut all = Vec::new();
            let read = kev(text.as_bytes(), &mut |cve| {
                all.push(cve.to_owned());
                Ok(())
            });
            read.map(|_| all).map_err(|error| error.to_string())
        };
        let list = r#"{"catalogVersion": "1", "vulnerabilities": [{"cveID": "CVE-2021-1", "product": "a"}]}"#;
        assert_eq!(read(list), Ok(vec!["CVE-2021-1".to_owned()]));
        assert_eq!(
            read(r#"{"vulnerabilities": []}"#),
            Err("it is empty".to_owned())
        );
        assert!(read(&list[..40]).unwrap_err().contains("line 1"));
        let large = format!("{list}{}", " ".repeat(16 << 20));
        assert_eq!(read(&large), Err("it has more than 16 MiB".to_owned()));
    }
}
