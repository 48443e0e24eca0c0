//! One record of the write-ahead log: what a scrape brought, in columns, compressed.
//!
//! Values are differences to the last value of the same series in the same file, so records are read in order.
//! Now and then one begins anew ([`Writer::begin`]): behind a damaged record reading goes on there.

use super::bits::{Bytes, put_text, put_varint, unzigzag, zigzag};
use super::exemplar::NewExemplar;
use super::index::SeriesId;
use super::metadata::NewMetadata;
use ph_promql::Labels;
use std::collections::HashMap;
use std::sync::Arc;

/// Of so many records one needs none before it.
const ANEW_EVERY: u32 = 20;
/// A record is ended, and another begun, beyond so many bytes before compression.
const RAW_BYTES: usize = 4 << 20;
/// What a reader believes.
const RAW_BYTES_MAX: usize = 64 << 20;
const LABELS_MAX: usize = 256;
/// A label's name or value, bytes; the same bound holds for what comes in.
pub(super) const TEXT_BYTES_MAX: usize = 16 << 10;
const FORM: u8 = 1;

const SAME: u64 = 0;
const WHOLE: u64 = 1;
const BILLIONTHS: u64 = 2;
const BITS: u64 = 3;
const WHOLE_MAX: f64 = 9_007_199_254_740_992.0;

/// A sample on its way in.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Put {
    pub(super) id: SeriesId,
    pub(super) t_ms: i64,
    pub(super) v: f64,
    /// It brought its own time: not a sign of life of the target's series.
    pub(super) own_time: bool,
}

/// What a scrape leaves in the log.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scraped<'a> {
    pub(super) target: &'a str,
    pub(super) t_ms: i64,
    pub(super) samples: &'a [Put],
    pub(super) exemplars: &'a [NewExemplar],
    pub(super) metadata: &'a [NewMetadata],
}

/// Writes the records of one file.
#[derive(Debug, Default)]
pub(super) struct Writer {
    /// The last value of each series that the file has the labels of.
    last: HashMap<SeriesId, Option<u64>>,
    until_anew: u32,
}

impl Writer {
    /// The payloads of a scrape's records, one in all common cases. Each goes into a frame of its own.
    ///
    /// When writing them fails the file must not be written to again: this writer knows values that it lacks.
    pub(super) fn payloads<'a>(
        &mut self,
        scraped: &Scraped<'_>,
        labels_of: impl Fn(SeriesId) -> Option<&'a Labels>,
    ) -> Vec<Vec<u8>> {
        let mut payloads = Vec::new();
        let mut rest = scraped.samples;
        let mut is_first = true;
        while is_first || !rest.is_empty() {
            let mut raw = self.begin(scraped);
            let taken = self.put_samples(&mut raw, rest, &labels_of);
            let (exemplars, metadata) = if is_first {
                (scraped.exemplars, scraped.metadata)
            } else {
                (&[][..], &[][..])
            };
            put_exemplars(&mut raw, exemplars);
            put_metadata(&mut raw, metadata);
            payloads.push(packed(&raw));
            rest = &rest[taken..];
            is_first = false;
        }
        payloads
    }

    /// A series has another id from now on, or none.
    pub(super) fn forget(&mut self, id: SeriesId) {
        self.last.remove(&id);
    }

    fn begin(&mut self, scraped: &Scraped<'_>) -> Vec<u8> {
        let is_anew = self.until_anew == 0;
        if is_anew {
            self.until_anew = ANEW_EVERY;
            self.last.values_mut().for_each(|last| *last = None);
        }
        self.until_anew -= 1;
        let mut raw = vec![FORM, u8::from(is_anew)];
        put_text(&mut raw, scraped.target);
        put_varint(&mut raw, zigzag(scraped.t_ms));
        raw
    }

    /// How many samples fit.
    fn put_samples<'a>(
        &mut self,
        raw: &mut Vec<u8>,
        samples: &[Put],
        labels_of: impl Fn(SeriesId) -> Option<&'a Labels>,
    ) -> usize {
        let mut defined = Vec::new();
        let mut defined_count = 0u64;
        let (mut ids, mut values, mut times) = (Vec::new(), Vec::new(), Vec::new());
        let mut before = 0i64;
        let mut own_times = 0u64;
        let mut taken = 0;
        for sample in samples {
            if defined.len() + ids.len() + values.len() + times.len() > RAW_BYTES {
                break;
            }
            let last = self.last.entry(sample.id).or_insert_with(|| {
                if let Some(labels) = labels_of(sample.id) {
                    defined_count += 1;
                    put_varint(&mut defined, u64::from(sample.id));
                    put_labels(&mut defined, labels);
                }
                None
            });
            put_varint(&mut ids, zigzag(i64::from(sample.id) - before));
            before = i64::from(sample.id);
            put_value(&mut values, *last, sample.v);
            *last = Some(sample.v.to_bits());
            if sample.own_time {
                own_times += 1;
                put_varint(&mut times, taken as u64);
                put_varint(&mut times, zigzag(sample.t_ms));
            }
            taken += 1;
        }
        put_varint(raw, defined_count);
        raw.append(&mut defined);
        put_varint(raw, taken as u64);
        raw.append(&mut ids);
        raw.append(&mut values);
        put_varint(raw, own_times);
        raw.append(&mut times);
        taken
    }
}

fn put_labels(out: &mut Vec<u8>, labels: &Labels) {
    put_varint(out, labels.len() as u64);
    for (name, value) in labels.iter() {
        put_text(out, name);
        put_text(out, value);
    }
}

fn put_value(out: &mut Vec<u8>, last: Option<u64>, v: f64) {
    if last == Some(v.to_bits()) {
        return put_varint(out, SAME);
    }
    let last = last.map_or(0.0, f64::from_bits);
    for (how, scale) in [(WHOLE, 1.0), (BILLIONTHS, 1e9)] {
        if let (Some(from), Some(to)) = (whole(last, scale), whole(v, scale)) {
            return put_varint(out, zigzag(to - from) << 2 | how);
        }
    }
    put_varint(out, BITS);
    out.extend_from_slice(&v.to_bits().to_le_bytes());
}

/// `v × scale` when that is a whole number from which `v` comes back bit by bit.
fn whole(v: f64, scale: f64) -> Option<i64> {
    let scaled = (v * scale).round();
    (scaled.abs() < WHOLE_MAX && (scaled as i64 as f64 / scale).to_bits() == v.to_bits())
        .then_some(scaled as i64)
}

fn value_of(bytes: &mut Bytes<'_>, last: Option<u64>) -> Option<f64> {
    let code = bytes.varint()?;
    let before = last.map_or(0.0, f64::from_bits);
    let scale = match code & 3 {
        SAME => return last.map(f64::from_bits),
        BITS => return Some(f64::from_bits(u64::from_le_bytes(bytes.array()?))),
        WHOLE => 1.0,
        _ => 1e9,
    };
    let to = whole(before, scale)?.checked_add(unzigzag(code >> 2))?;
    Some(to as f64 / scale)
}

fn put_exemplars(raw: &mut Vec<u8>, exemplars: &[NewExemplar]) {
    put_varint(raw, exemplars.len() as u64);
    for exemplar in exemplars {
        put_labels(raw, &exemplar.series);
        put_labels(raw, &exemplar.labels);
        raw.extend_from_slice(&exemplar.v.to_bits().to_le_bytes());
        put_varint(raw, zigzag(exemplar.t_ms));
    }
}

pub(super) fn put_metadata(raw: &mut Vec<u8>, metadata: &[NewMetadata]) {
    put_varint(raw, metadata.len() as u64);
    for one in metadata {
        for text in [&one.metric, &one.kind, &one.help, &one.unit] {
            put_text(raw, text);
        }
    }
}

/// Length before compression, then zstd.
pub(super) fn packed(raw: &[u8]) -> Vec<u8> {
    let mut payload = Vec::new();
    put_varint(&mut payload, raw.len() as u64);
    // Compressing into memory has no reason to fail; a payload of nothing is refused by every reader.
    if let Ok(mut bytes) = zstd::bulk::compress(raw, 1) {
        payload.append(&mut bytes);
    }
    payload
}

/// Undoes [`packed`].
pub(super) fn unpacked(payload: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Bytes(payload);
    let length = bytes.count(RAW_BYTES_MAX)?;
    let raw = zstd::bulk::decompress(bytes.0, length).ok()?;
    (raw.len() == length).then_some(raw)
}

/// A record as it is read back. Its ids hold within its file.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Replayed {
    pub(super) target: String,
    pub(super) t_ms: i64,
    /// Series that no record before it had.
    pub(super) defined: Vec<(SeriesId, Labels)>,
    pub(super) samples: Vec<Put>,
    pub(super) exemplars: Vec<NewExemplar>,
    pub(super) metadata: Vec<NewMetadata>,
    /// Samples that cannot be read without a record that is damaged.
    pub(super) unreadable: u64,
}

/// Reads the records of one file, in order.
#[derive(Debug, Default)]
pub(super) struct Reader {
    last: HashMap<SeriesId, Option<u64>>,
    /// A record is missing since the last that began anew.
    has_gap: bool,
}

impl Reader {
    /// A record was damaged: differences to it mean nothing.
    pub(super) fn gap(&mut self) {
        self.has_gap = true;
        self.last.values_mut().for_each(|last| *last = None);
    }

    /// The next record, `None` when these bytes are none.
    pub(super) fn read(&mut self, payload: &[u8]) -> Option<Replayed> {
        let raw = unpacked(payload)?;
        let mut bytes = Bytes(&raw);
        if bytes.byte()? != FORM {
            return None;
        }
        if bytes.byte()? == 1 {
            self.has_gap = false;
            self.last.values_mut().for_each(|last| *last = None);
        }
        let mut replayed = Replayed {
            target: bytes.text(TEXT_BYTES_MAX)?.to_owned(),
            t_ms: unzigzag(bytes.varint()?),
            ..Replayed::default()
        };
        for _ in 0..bytes.count(RAW_BYTES_MAX)? {
            let id = SeriesId::try_from(bytes.varint()?).ok()?;
            let labels = labels_of(&mut bytes)?;
            self.last.insert(id, None);
            replayed.defined.push((id, labels));
        }
        self.read_samples(&mut bytes, &mut replayed)?;
        for _ in 0..bytes.count(RAW_BYTES_MAX)? {
            replayed.exemplars.push(NewExemplar {
                series: labels_of(&mut bytes)?,
                labels: labels_of(&mut bytes)?,
                v: f64::from_bits(u64::from_le_bytes(bytes.array()?)),
                t_ms: unzigzag(bytes.varint()?),
            });
        }
        replayed.metadata = metadata_of(&mut bytes)?;
        bytes.is_empty().then_some(replayed)
    }

    fn read_samples(&mut self, bytes: &mut Bytes<'_>, replayed: &mut Replayed) -> Option<()> {
        let count = bytes.count(bytes.0.len())?;
        let mut ids = Vec::with_capacity(count);
        let mut before = 0i64;
        for _ in 0..count {
            before = before.checked_add(unzigzag(bytes.varint()?))?;
            ids.push(SeriesId::try_from(before).ok()?);
        }
        let mut values = Vec::with_capacity(count);
        for id in &ids {
            if self.has_gap {
                skip_value(bytes)?;
                values.push(None);
                continue;
            }
            // The values of a series whose labels were lost are followed, too, for their length only.
            let Some(last) = self.last.get_mut(id) else {
                skip_value(bytes)?;
                values.push(None);
                continue;
            };
            let value = value_of(bytes, *last)?;
            *last = Some(value.to_bits());
            values.push(Some(value));
        }
        let mut own_times = vec![None; count];
        for _ in 0..bytes.count(count)? {
            let at = bytes.count(count)?;
            *own_times.get_mut(at)? = Some(unzigzag(bytes.varint()?));
        }
        for ((id, value), own_time) in ids.into_iter().zip(values).zip(own_times) {
            let Some(v) = value else {
                replayed.unreadable += 1;
                continue;
            };
            replayed.samples.push(Put {
                id,
                t_ms: own_time.unwrap_or(replayed.t_ms),
                v,
                own_time: own_time.is_some(),
            });
        }
        Some(())
    }
}

/// Steps over a value of which the one before is unknown.
fn skip_value(bytes: &mut Bytes<'_>) -> Option<()> {
    if bytes.varint()? & 3 == BITS {
        bytes.array::<8>()?;
    }
    Some(())
}

pub(super) fn labels_of(bytes: &mut Bytes<'_>) -> Option<Labels> {
    let count = bytes.count(LABELS_MAX)?;
    let mut pairs = Vec::with_capacity(count);
    for _ in 0..count {
        let name: Arc<str> = bytes.text(TEXT_BYTES_MAX)?.into();
        let value: Arc<str> = bytes.text(TEXT_BYTES_MAX)?.into();
        pairs.push((name, value));
    }
    Some(Labels::from_pairs(pairs))
}

pub(super) fn metadata_of(bytes: &mut Bytes<'_>) -> Option<Vec<NewMetadata>> {
    let count = bytes.count(bytes.0.len())?;
    let mut all = Vec::with_capacity(count.min(1024));
    for _ in 0..count {
        let mut text = || Some(Arc::from(bytes.text(TEXT_BYTES_MAX)?));
        all.push(NewMetadata {
            metric: text()?,
            kind: text()?,
            help: text()?,
            unit: text()?,
        });
    }
    Some(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn labels(id: SeriesId) -> Labels {
        Labels::from_pairs([("__name__", format!("m{id}"))])
    }

    fn scrape() -> impl Strategy<Value = (i64, Vec<Put>)> {
        let value = prop_oneof![
            3 => (0u32..5).prop_map(f64::from), 1 => any::<f64>(),
            2 => (0u64..1 << 40).prop_map(|n| n as f64 / 1e9)
        ];
        let put = (0u32..20, value, prop::option::weighted(0.1, 0i64..100))
            .prop_map(|(id, v, own)| (id, v, own));
        (0i64..1 << 41, prop::collection::vec(put, 0..30)).prop_map(|(t_ms, puts)| {
            let puts = puts
                .into_iter()
                .map(|(id, v, own)| Put {
                    id,
                    t_ms: own.unwrap_or(t_ms),
                    v,
                    own_time: own.is_some(),
                })
                .collect();
            (t_ms, puts)
        })
    }

    fn write(scrapes: &[(i64, Vec<Put>)]) -> Vec<Vec<u8>> {
        let all: Vec<Labels> = (0..20).map(labels).collect();
        let mut writer = Writer::default();
        scrapes
            .iter()
            .flat_map(|(t_ms, samples)| {
                let scraped = Scraped {
                    target: "job/a",
                    t_ms: *t_ms,
                    samples,
                    exemplars: &[],
                    metadata: &[],
                };
                writer.payloads(&scraped, |id| all.get(id as usize))
            })
            .collect()
    }

    fn bits(samples: &[Put]) -> Vec<(SeriesId, i64, u64, bool)> {
        samples
            .iter()
            .map(|put| (put.id, put.t_ms, put.v.to_bits(), put.own_time))
            .collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

        #[test]
        fn records_are_read_as_they_were_written(scrapes in prop::collection::vec(scrape(), 1..50)) {
            let mut reader = Reader::default();
            for (payload, (t_ms, samples)) in write(&scrapes).iter().zip(&scrapes) {
                let read = reader.read(payload).unwrap();
                prop_assert_eq!(read.t_ms, *t_ms);
                prop_assert_eq!(bits(&read.samples), bits(samples));
                prop_assert_eq!(read.unreadable, 0);
                for (id, defined) in &read.defined {
                    prop_assert_eq!(&labels(*id), defined);
                }
            }
        }

        /// With one record gone nothing that is read is wrong, and all is right from the next that begins anew,
        /// but for series whose labels only the lost record had.
        #[test]
        fn behind_a_gap_nothing_wrong_is_read(scrapes in prop::collection::vec(scrape(), 45..60), lost in 0usize..20) {
            let first_in = |id| scrapes.iter().position(|(_, all)| all.iter().any(|put| put.id == id));
            let mut reader = Reader::default();
            for (n, (payload, (_, samples))) in write(&scrapes).iter().zip(&scrapes).enumerate() {
                if n == lost {
                    reader.gap();
                    continue;
                }
                let readable: Vec<Put> = samples.iter().copied().filter(|put| {
                    n < lost || n >= ANEW_EVERY as usize && first_in(put.id) != Some(lost)
                }).collect();
                let read = reader.read(payload).unwrap();
                prop_assert_eq!(bits(&read.samples), bits(&readable));
                prop_assert_eq!(read.unreadable as usize, samples.len() - readable.len());
            }
        }

        #[test]
        fn any_bytes_are_read_or_refused(raw in prop::collection::vec(any::<u8>(), 0..300)) {
            let mut with_form = vec![FORM, 1];
            with_form.extend_from_slice(&raw);
            Reader::default().read(&packed(&with_form));
            Reader::default().read(&raw);
        }
    }

    #[test]
    fn exemplars_and_metadata_are_kept() {
        let exemplar = NewExemplar {
            series: labels(1),
            labels: Labels::from_pairs([("trace_id", "abc")]),
            v: 0.25,
            t_ms: 7,
        };
        let metadata = NewMetadata {
            metric: "m1".into(),
            kind: "counter".into(),
            help: "Help.".into(),
            unit: "".into(),
        };
        let scraped = Scraped {
            target: "t",
            t_ms: 5,
            samples: &[],
            exemplars: std::slice::from_ref(&exemplar),
            metadata: std::slice::from_ref(&metadata),
        };
        let payloads = Writer::default().payloads(&scraped, |_| None);
        let read = Reader::default().read(&payloads[0]).unwrap();
        assert_eq!(read.exemplars, [exemplar]);
        assert_eq!(read.metadata, [metadata]);
    }
}
