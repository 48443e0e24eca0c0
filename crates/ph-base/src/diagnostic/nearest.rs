//! Did you mean …?

/// The word that was probably meant: at most a third of its letters are wrong, or one of the two
/// begins with the other.
pub fn nearest<'a>(got: &str, known: &[&'a str]) -> Option<&'a str> {
    let got: Vec<char> = got
        .chars()
        .take(LETTERS_MAX)
        .map(|c| c.to_ascii_lowercase())
        .collect();
    let distances = known
        .iter()
        .map(|word| (distance(&got, &word.chars().collect::<Vec<_>>()), *word));
    let (distance, word) = distances.min()?;
    let is_begun = |word: &&&str| got.len() >= 3 && word.chars().zip(&got).all(|(a, b)| a == *b);
    if distance <= (word.len() / 3).max(1) {
        Some(word)
    } else {
        known.iter().find(is_begun).copied()
    }
}

/// No known word is longer.
const LETTERS_MAX: usize = 64;

/// Letters to insert, delete, replace or swap with their neighbour to get from `a` to `b`.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, letter) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, other) in b.iter().enumerate() {
            let replaced = last[j] + usize::from(letter != other);
            let mut best = replaced.min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *letter == b[j - 1] && a[i - 1] == *other {
                best = best.min(before_last[j - 1] + 1);
            }
            row.push(best);
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_word() {
        let known = ["listen", "timeouts", "in_flight_max", "url"];
        assert_eq!(nearest("lisetn", &known), Some("listen"));
        assert_eq!(nearest("timeout", &known), Some("timeouts"));
        assert_eq!(nearest("in-flight-max", &known), Some("in_flight_max"));
        assert_eq!(nearest("URL", &known), Some("url"));
        assert_eq!(nearest("uri", &known), Some("url"));
        assert_eq!(nearest("certificate", &known), None);
        assert_eq!(nearest("warning", &["info", "warn"]), Some("warn"));
        assert_eq!(
            nearest("http", &["grpc", "http/protobuf"]),
            Some("http/protobuf")
        );
        assert_eq!(nearest("in", &["info", "in_flight_max"]), None);
        assert_eq!(nearest("", &known), None);
        assert_eq!(nearest(&"x".repeat(1_000_000), &known), None);
        assert_eq!(nearest("x", &[]), None);
    }
}
