//! Answers of Prometheus's API.

use serde_json::Value as Json;

/// What a question has for an answer.
#[derive(Debug, PartialEq)]
pub(super) enum Data {
    /// A text, or a number without labels.
    Text(String),
    /// Series with one sample, or many.
    Series(Vec<Series>),
}

/// A series.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Series {
    /// Sorted by name.
    pub labels: Vec<(String, String)>,
    /// Milliseconds of Unix time, and value; ascending.
    pub samples: Vec<(i64, f64)>,
}

impl Data {
    /// Reads `{"resultType":…,"result":…}`; `None` for anything else.
    pub(super) fn read(data: &Json) -> Option<Self> {
        let result = &data["result"];
        match data["resultType"].as_str()? {
            "scalar" | "string" => Some(Self::Text(result[1].as_str()?.to_owned())),
            "vector" => {
                let series = result.as_array()?.iter().map(|element| {
                    let sample = sample(&element["value"])?;
                    Some(Series {
                        labels: labels(&element["metric"])?,
                        samples: vec![sample],
                    })
                });
                Some(Self::Series(series.collect::<Option<_>>()?))
            }
            "matrix" => {
                let series = result.as_array()?.iter().map(|element| {
                    let samples = element["values"].as_array()?.iter().map(sample);
                    Some(Series {
                        labels: labels(&element["metric"])?,
                        samples: samples.collect::<Option<_>>()?,
                    })
                });
                Some(Self::Series(series.collect::<Option<_>>()?))
            }
            _ => None,
        }
    }
}

fn labels(metric: &Json) -> Option<Vec<(String, String)>> {
    let pairs = metric.as_object()?.iter();
    let mut labels = pairs
        .map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())))
        .collect::<Option<Vec<_>>>()?;
    labels.sort();
    Some(labels)
}

fn sample(pair: &Json) -> Option<(i64, f64)> {
    let ms = (pair[0].as_f64()? * 1e3).round() as i64;
    let text = pair[1].as_str()?;
    let value = match text {
        "+Inf" => f64::INFINITY,
        "-Inf" => f64::NEG_INFINITY,
        "NaN" => f64::NAN,
        number => number.parse().ok()?,
    };
    Some((ms, value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn answers() {
        let vector = json!({"resultType":"vector","result":[{"metric":{"b":"2","a":"1"},"value":[1.5,"+Inf"]}]});
        let labels = vec![("a".into(), "1".into()), ("b".into(), "2".into())];
        let samples = vec![(1_500, f64::INFINITY)];
        assert_eq!(
            Data::read(&vector),
            Some(Data::Series(vec![Series { labels, samples }]))
        );
        let scalar = json!({"resultType":"scalar","result":[1,"7"]});
        assert_eq!(Data::read(&scalar), Some(Data::Text("7".into())));
        assert_eq!(
            Data::read(&json!({"resultType":"vector","result":[{}]})),
            None
        );
        assert_eq!(Data::read(&json!(1)), None);
    }
}
