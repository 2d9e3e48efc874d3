//! "Did you mean": the nearest of the names that would have been right.

/// Greatest edit distance (Damerau–Levenshtein, in characters) at which a name is still offered.
const MAX_DISTANCE: usize = 3;

/// The candidate nearest to the word, if one is near enough to be a slip of the finger.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .into_iter()
        .filter(|candidate| !candidate.is_empty())
        .map(|candidate| (strsim::damerau_levenshtein(word, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= MAX_DISTANCE.min(candidate.chars().count() / 2))
        .min()
        .map(|(_, candidate)| candidate)
}

/// Turns serde's complaint about an unknown field or variant, which lists the names it knows in back quotes, into a
/// hint. `None` for any other message.
#[must_use]
pub fn did_you_mean(message: &str) -> Option<String> {
    if !message.contains("unknown field") && !message.contains("unknown variant") {
        return None;
    }
    let start = message.find("unknown ")?;
    let mut quoted = message[start..].split('`').skip(1).step_by(2);
    let word = quoted.next()?;
    nearest(word, quoted).map(|candidate| format!("did you mean `{candidate}`?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_mended_and_a_stranger_is_not() {
        let message = "unknown field `clutser`, expected one of `cluster`, `inventory`, `serve`";
        assert_eq!(did_you_mean(message), Some("did you mean `cluster`?".to_owned()));
        assert_eq!(did_you_mean("unknown field `banana`, expected `cluster` or `serve`"), None);
        assert_eq!(did_you_mean("missing field `name`"), None);
    }
}
