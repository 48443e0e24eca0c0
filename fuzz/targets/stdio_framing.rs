//! Lines of a child: how the bytes were cut never shows in the frames, and the frames are the lines.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ph_wire::lines::{Frame, LineSplitter};

fuzz_target!(|input: &[u8]| {
    let (whole, chunks) = ph_fuzz::cut(input);
    for line_bytes_max in [0, 16, 3000] {
        let wanted = lines(whole, line_bytes_max);
        assert_eq!(
            split(&chunks, line_bytes_max, false),
            wanted,
            "bound {line_bytes_max}"
        );
        assert_eq!(
            split(&chunks, line_bytes_max, true),
            wanted,
            "bound {line_bytes_max}, in place"
        );
        assert_eq!(
            split(&[whole], line_bytes_max, false),
            wanted,
            "bound {line_bytes_max}, whole"
        );
    }
});

fn split(chunks: &[&[u8]], line_bytes_max: usize, in_place: bool) -> Vec<Frame> {
    let mut splitter = LineSplitter::new(line_bytes_max);
    let mut frames = Vec::new();
    for chunk in chunks {
        if in_place {
            splitter.room().extend_from_slice(chunk);
        } else {
            splitter.push(chunk);
        }
        frames.extend(std::iter::from_fn(|| splitter.next_frame()));
    }
    frames.extend(splitter.finish());
    frames
}

/// The same over the whole stream at once. A line counts with its `\r` and is given without.
fn lines(whole: &[u8], line_bytes_max: usize) -> Vec<Frame> {
    whole
        .split(|byte| *byte == b'\n')
        .filter_map(|line| {
            if line.len() > line_bytes_max {
                return Some(Frame::TooLong {
                    bytes: line.len() as u64,
                });
            }
            let kept = line.iter().rposition(|byte| *byte != b'\r')? + 1;
            Some(Frame::Line(line[..kept].to_vec().into()))
        })
        .collect()
}
