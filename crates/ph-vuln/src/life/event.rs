//! What can happen to a case, and which state follows: the whole table.
//!
//! A [`Move`] is somebody's decision and can be refused. A [`Sight`] is a fact that a scan or the clock brings: it is
//! never refused, each state has an answer to it.

use super::state::State;

/// What an operator says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Move {
    /// It is real.
    Assess,
    /// Work on it begins.
    Patch,
    /// The patch is being tried.
    Test,
    /// The patch has failed its tests.
    FailTest,
    /// The patched version was taken back.
    RollBack,
    /// It is lived with until a day.
    Accept,
    /// What was accepted is being watched.
    Monitor,
    /// It does not apply here.
    Dismiss,
    /// What was decided is to be looked at again.
    Reopen,
}

impl Move {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Assess,
        Self::Patch,
        Self::Test,
        Self::FailTest,
        Self::RollBack,
        Self::Accept,
        Self::Monitor,
        Self::Dismiss,
        Self::Reopen,
    ];

    /// The word in commands and history.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Assess => "assess",
            Self::Patch => "patch",
            Self::Test => "test",
            Self::FailTest => "fail-test",
            Self::RollBack => "roll-back",
            Self::Accept => "accept",
            Self::Monitor => "monitor",
            Self::Dismiss => "dismiss",
            Self::Reopen => "reopen",
        }
    }

    /// The move of a word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.word() == word)
    }
}

/// What a scan or the clock says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Sight {
    /// A scan has found it.
    Seen,
    /// A scan of what runs has not found it, and would have.
    Cleared,
    /// Its advisory says something else that matters: how bad it is, that it is exploited, that there is a fix.
    Changed,
    /// Its advisory was taken back or no longer names the version, or its server is gone.
    Withdrawn,
    /// The day until which it was accepted is over.
    Expired,
}

impl Sight {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Seen,
        Self::Cleared,
        Self::Changed,
        Self::Withdrawn,
        Self::Expired,
    ];

    /// The word in history.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Seen => "seen",
            Self::Cleared => "cleared",
            Self::Changed => "changed",
            Self::Withdrawn => "withdrawn",
            Self::Expired => "expired",
        }
    }
}

/// The state after a move; none: it is not possible from here.
#[must_use]
pub const fn after_move(state: State, by: Move) -> Option<State> {
    use State as S;
    Some(match (state, by) {
        // Once more: with another score, or because the patch is given up.
        (S::Detected | S::Assessed | S::Patching | S::Testing, Move::Assess) => S::Assessed,
        // What was accepted can be patched after all.
        (S::Assessed | S::Accepted | S::Monitoring, Move::Patch)
        | (S::Testing, Move::FailTest)
        | (S::Testing | S::Deployed, Move::RollBack) => S::Patching,
        (S::Patching, Move::Test) => S::Testing,
        // Once more: with a new reason and a new day.
        (S::Assessed | S::Accepted | S::Monitoring, Move::Accept) => S::Accepted,
        (S::Accepted, Move::Monitor) => S::Monitoring,
        (S::Detected | S::Assessed | S::Patching | S::Testing, Move::Dismiss) => S::FalsePositive,
        (S::Accepted | S::Monitoring, Move::Reopen) => S::Assessed,
        (S::FalsePositive | S::Withdrawn, Move::Reopen) => S::Detected,
        _ => return None,
    })
}

/// The state after a sight.
#[must_use]
pub const fn after_sight(state: State, what: Sight) -> State {
    use State as S;
    match (state, what) {
        // What was fixed is there again; what was taken back is said again.
        (S::Deployed, Sight::Seen) => S::Patching,
        (S::Withdrawn, Sight::Seen | Sight::Changed) => S::Detected,
        (S::Accepted, Sight::Seen) => S::Monitoring,
        // Work on a patch goes on; what was judged has to be judged again.
        (S::Assessed | S::Accepted | S::Monitoring | S::FalsePositive, Sight::Changed) => {
            S::Detected
        }
        (state, Sight::Cleared) if state.is_open() => S::Deployed,
        (state, Sight::Withdrawn) if state.is_open() => S::Withdrawn,
        (S::Accepted | S::Monitoring, Sight::Expired) => S::Assessed,
        (state, _) => state,
    }
}

/// What goes back to work that was settled before.
#[must_use]
pub const fn is_reopening(from: State, to: State) -> bool {
    !from.is_on_the_clock() && to.is_on_the_clock()
}

/// The moves that are possible from a state, with where they lead.
pub fn moves_from(state: State) -> impl Iterator<Item = (Move, State)> {
    Move::ALL
        .into_iter()
        .filter_map(move |by| Some((by, after_move(state, by)?)))
}

/// The move that is meant by a word: the move's own, or the state's where it leads to.
///
/// # Errors
/// That no move has this name and leads to such a state, with those that are possible.
pub fn meant(state: State, word: &str) -> Result<Move, String> {
    let word = word.replace('_', "-");
    if let Some(by) = Move::parse(&word) {
        return Ok(by);
    }
    let is_meant = |to: &State| to.word().replace('_', "-") == word;
    if let Some((by, _)) = moves_from(state).find(|(_, to)| is_meant(to)) {
        return Ok(by);
    }
    let known = State::ALL.iter().any(is_meant);
    Err(if known {
        let possible = possible(state);
        format!(
            "{word} does not follow {}; possible: {possible}",
            state.word()
        )
    } else {
        let moves: Vec<_> = Move::ALL.iter().map(|by| by.word()).collect();
        format!(
            "there is no move of this name; there are {}",
            moves.join(", ")
        )
    })
}

/// The moves that are possible, in words.
pub(super) fn possible(state: State) -> String {
    let moves: Vec<_> = moves_from(state)
        .map(|(by, to)| format!("{} (to {})", by.word(), to.word()))
        .collect();
    let by_scan = match state.is_open() {
        true => "; deployed follows from a scan of what runs that does not find it",
        false => "",
    };
    format!("{}{by_scan}", moves.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table of `docs/vulnerability-lifecycle.md`, made from the code.
    fn table() -> String {
        let mut out = String::from("| state |");
        for by in Move::ALL {
            out += &format!(" {} |", by.word());
        }
        for what in Sight::ALL {
            out += &format!(" *{}* |", what.word());
        }
        out += "\n|---|";
        out += &"---|".repeat(Move::ALL.len() + Sight::ALL.len());
        out.push('\n');
        for state in State::ALL {
            out += &format!("| **{}** |", state.word());
            for by in Move::ALL {
                let after = after_move(state, by).map_or("–", State::word);
                out += &format!(" {after} |");
            }
            for what in Sight::ALL {
                let after = after_sight(state, what);
                let shown = if after == state { "·" } else { after.word() };
                out += &format!(" {shown} |");
            }
            out.push('\n');
        }
        out
    }

    #[test]
    fn the_table_in_the_documents_is_the_code() {
        let page = include_str!("../../../../docs/vulnerability-lifecycle.md");
        let table = table();
        assert!(
            page.contains(&table),
            "docs/vulnerability-lifecycle.md should have:\n{table}"
        );
    }

    #[test]
    fn only_a_scan_of_what_runs_leads_to_deployed() {
        for state in State::ALL {
            for by in Move::ALL {
                assert_ne!(after_move(state, by), Some(State::Deployed), "{state:?}");
            }
            for what in Sight::ALL {
                let after = after_sight(state, what);
                let comes_new = after == State::Deployed && state != State::Deployed;
                assert!(!comes_new || what == Sight::Cleared, "{state:?} {what:?}");
            }
        }
    }

    #[test]
    fn what_is_accepted_was_assessed_and_everything_can_be_taken_up_again() {
        for state in State::ALL {
            let was_judged = state == State::Assessed || state.is_accepted();
            assert_eq!(after_move(state, Move::Accept).is_some(), was_judged);
            let leads_back = moves_from(state).any(|(_, to)| to.is_on_the_clock());
            assert!(leads_back, "there is no way out of {state:?}");
        }
    }

    #[test]
    fn a_state_is_a_word_for_the_move_that_leads_there() {
        for state in State::ALL {
            for (by, to) in moves_from(state) {
                assert_eq!(meant(state, by.word()), Ok(by));
                let found = meant(state, to.word()).unwrap();
                assert_eq!(after_move(state, found), Some(to), "{state:?} {to:?}");
            }
            let refused = meant(state, "deployed").unwrap_err();
            assert!(refused.contains("possible: "), "{refused}");
            assert!(meant(state, "done").unwrap_err().contains("roll-back"));
        }
    }

    #[test]
    fn words_come_back() {
        for state in State::ALL {
            assert_eq!(State::parse(state.word()), Some(state));
            let written = serde_json::to_string(&state).unwrap();
            assert_eq!(written, format!("\"{}\"", state.word()));
        }
        for by in Move::ALL {
            assert_eq!(Move::parse(by.word()), Some(by));
        }
    }
}
