//! Samples from a table of text.

use std::collections::BTreeMap;

use super::{PodSamples, Point, Samples};

/// A line with more columns than these has something that nobody here knows.
const COLUMNS: [&str; 6] = [
    "pod",
    "at_s",
    "cpu_milli",
    "memory_bytes",
    "cpu_peak_milli",
    "memory_peak_bytes",
];
const NEEDED: usize = 4;
/// Pods of one container; more are a table of something else.
const PODS_MAX: usize = 1_000;

/// What is wrong with a table, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{line}:{column}: {what}")]
pub struct CsvError {
    /// From 1.
    pub line: usize,
    /// From 1, in columns of the table.
    pub column: usize,
    /// In words.
    pub what: String,
}

impl Samples {
    /// Reads lines of `pod,at_s,cpu_milli,memory_bytes` and, where they were recorded, `cpu_peak_milli,memory_peak_bytes`,
    /// below a line that names them. Values are not judged here: a `NaN` is refused by whoever sizes.
    ///
    /// # Errors
    ///
    /// The first place that is no such line.
    pub fn read_csv(text: &str) -> Result<Self, CsvError> {
        let mut lines = text.lines().enumerate();
        let (_, head) = lines.next().unwrap_or((0, ""));
        let columns = columns(head)?;
        let mut pods: BTreeMap<String, PodSamples> = BTreeMap::new();
        for (index, line) in lines.filter(|(_, line)| !line.trim().is_empty()) {
            let row = Row::read(index + 1, line, columns)?;
            if pods.len() >= PODS_MAX && !pods.contains_key(row.pod) {
                return Err(row.wrong(1, format!("more than {PODS_MAX} pods")));
            }
            let pod = pods
                .entry(row.pod.to_owned())
                .or_insert_with(|| PodSamples {
                    name: row.pod.to_owned(),
                    ..PodSamples::default()
                });
            row.take(pod)?;
        }
        let pods: Vec<PodSamples> = pods.into_values().collect();
        Ok(Self {
            step_s: step_s(&pods),
            pods,
        })
    }
}

fn columns(head: &str) -> Result<usize, CsvError> {
    let names: Vec<&str> = head.split(',').map(str::trim).collect();
    let wrong = names
        .iter()
        .enumerate()
        .find(|(index, name)| COLUMNS.get(*index) != Some(name));
    let (column, found) = match wrong {
        Some((index, name)) => (index + 1, *name),
        None if names.len() < NEEDED => (names.len() + 1, ""),
        None => return Ok(names.len()),
    };
    Err(CsvError {
        line: 1,
        column,
        what: match COLUMNS.get(column - 1) {
            Some(name) => format!("expected the column `{name}`, found `{found}`"),
            None => format!("there is no column `{found}`"),
        },
    })
}

struct Row<'a> {
    line: usize,
    pod: &'a str,
    cells: Vec<&'a str>,
}

impl<'a> Row<'a> {
    fn read(line: usize, text: &'a str, columns: usize) -> Result<Self, CsvError> {
        let cells: Vec<&str> = text.split(',').map(str::trim).collect();
        let row = Self {
            line,
            pod: cells[0],
            cells,
        };
        match row.cells.len() {
            found if found != columns => Err(row.wrong(
                found.min(columns) + 1,
                format!("expected {columns} columns, found {found}"),
            )),
            _ => Ok(row),
        }
    }

    fn wrong(&self, column: usize, what: String) -> CsvError {
        CsvError {
            line: self.line,
            column,
            what,
        }
    }

    /// An empty cell is a gap.
    fn take(&self, pod: &mut PodSamples) -> Result<(), CsvError> {
        let at_s = self.cells[1].parse::<i64>().map_err(|_| {
            self.wrong(
                2,
                format!("`{}` is no time in whole seconds", self.cells[1]),
            )
        })?;
        for (index, cell) in self.cells.iter().enumerate().skip(2) {
            if cell.is_empty() {
                continue;
            }
            let value = cell
                .parse::<f64>()
                .map_err(|_| self.wrong(index + 1, format!("`{cell}` is no number")))?;
            let points = match index {
                2 => &mut pod.cpu_milli,
                3 => &mut pod.memory_bytes,
                4 => &mut pod.cpu_peak_milli,
                _ => &mut pod.memory_peak_bytes,
            };
            points.push(Point { at_s, value });
        }
        Ok(())
    }
}

/// The usual distance of two samples: the median over all pods. At least 1.
fn step_s(pods: &[PodSamples]) -> u32 {
    let mut steps: Vec<i64> = pods
        .iter()
        .flat_map(|pod| pod.memory_bytes.windows(2))
        .map(|pair| pair[1].at_s.saturating_sub(pair[0].at_s))
        .collect();
    steps.sort_unstable();
    let middle = steps.get(steps.len() / 2).copied().unwrap_or(1);
    u32::try_from(middle).unwrap_or(1).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_become_series_of_pods() {
        let text =
            "pod,at_s,cpu_milli,memory_bytes\na,0,10,100\nb,0,,7\na,60,20,200\na,120,30,300\n";
        let samples = Samples::read_csv(text).unwrap();
        assert_eq!(samples.step_s, 60);
        assert_eq!(samples.pods[0].name, "a");
        assert_eq!(
            samples.pods[0].cpu_milli[2],
            Point {
                at_s: 120,
                value: 30.0
            }
        );
        assert!(samples.pods[1].cpu_milli.is_empty());
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        let said = |text: &str| Samples::read_csv(text).unwrap_err().to_string();
        let head = "pod,at_s,cpu_milli,memory_bytes\n";
        assert_eq!(said(""), "1:1: expected the column `pod`, found ``");
        assert_eq!(
            said("pod,at_s"),
            "1:3: expected the column `cpu_milli`, found ``"
        );
        assert_eq!(
            said("pod,time\n"),
            "1:2: expected the column `at_s`, found `time`"
        );
        assert_eq!(
            said(&format!("{head}a,1,2\n")),
            "2:4: expected 4 columns, found 3"
        );
        assert_eq!(
            said(&format!("{head}a,x,2,3\n")),
            "2:2: `x` is no time in whole seconds"
        );
        assert_eq!(
            said(&format!("{head}\na,1,2,3\na,2,2,3Mi\n")),
            "4:4: `3Mi` is no number"
        );
    }
}
