//! The order of alerts in a notification.

use ph_promql::Labels;
use std::cmp::Ordering;

/// By job, then by instance (alerts without one last), then by all labels, the shorter set first.
pub(super) fn of_labels(a: &Labels, b: &Labels) -> Ordering {
    by_label(a, b, "job")
        .then_with(|| by_label(a, b, "instance"))
        .then_with(|| a.len().cmp(&b.len()))
        .then_with(|| by_names(a, b))
}

fn by_label(a: &Labels, b: &Labels, name: &str) -> Ordering {
    match (a.get(name), b.get(name)) {
        (Some(a), Some(b)) => a.cmp(b),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => Ordering::Equal,
    }
}

/// In the order of the names of both; a set that lacks one is before the other.
fn by_names(a: &Labels, b: &Labels) -> Ordering {
    let (mut a, mut b) = (a.iter().peekable(), b.iter().peekable());
    loop {
        match (a.peek(), b.peek()) {
            (Some((a_name, _)), Some((b_name, _))) if a_name < b_name => return Ordering::Greater,
            (Some((a_name, _)), Some((b_name, _))) if a_name > b_name => return Ordering::Less,
            (Some((_, a_value)), Some((_, b_value))) => match a_value.cmp(b_value) {
                Ordering::Equal => {
                    a.next();
                    b.next();
                }
                other => return other,
            },
            (Some(_), None) => return Ordering::Greater,
            (None, Some(_)) => return Ordering::Less,
            (None, None) => return Ordering::Equal,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sorted(sets: &[&[(&str, &str)]]) -> Vec<String> {
        let labels = |pairs: &&[(&str, &str)]| Labels::from_pairs(pairs.iter().copied());
        let mut all: Vec<Labels> = sets.iter().map(labels).collect();
        all.sort_by(of_labels);
        all.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn job_and_instance_come_first_and_short_sets_before_long_ones() {
        let got = sorted(&[
            &[("a", "1")],
            &[("instance", "x"), ("a", "9")],
            &[("job", "b"), ("z", "1"), ("y", "2")],
            &[("job", "b"), ("z", "1")],
            &[("job", "a"), ("z", "2")],
            &[("job", "a"), ("instance", "i"), ("z", "3")],
        ]);
        let want = [
            r#"{instance="i", job="a", z="3"}"#,
            r#"{job="a", z="2"}"#,
            r#"{job="b", z="1"}"#,
            r#"{job="b", y="2", z="1"}"#,
            r#"{a="9", instance="x"}"#,
            r#"{a="1"}"#,
        ];
        assert_eq!(got, want);
    }

    #[test]
    fn of_sets_of_one_length_the_one_that_lacks_a_name_is_first() {
        let got = sorted(&[
            &[("a", "2"), ("b", "1")],
            &[("a", "1"), ("b", "3")],
            &[("b", "1"), ("c", "1")],
        ]);
        let want = [
            r#"{b="1", c="1"}"#,
            r#"{a="1", b="3"}"#,
            r#"{a="2", b="1"}"#,
        ];
        assert_eq!(got, want);
    }
}
