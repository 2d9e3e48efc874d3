//! What the cloud-config of a node comes to.

use serde_json::{Map, Value};

use super::super::yaml::Tree;

/// What several cloud-configs come to, those that count most last: of a key that several set at the top, the last one
/// stays as a whole. That is cloud-init's way where no `merge_how` says otherwise.
pub(super) fn effective(parts: &[&Tree]) -> Value {
    let mut whole = Map::new();
    for part in parts {
        for entry in part.entries() {
            whole.insert(entry.key.clone(), entry.value.to_json());
        }
    }
    Value::Object(whole)
}

#[cfg(test)]
mod tests {
    use super::super::super::yaml::load;
    use super::*;

    #[test]
    fn the_last_to_set_a_key_wins() {
        let parts = ["a: {x: 1, y: 2}\nb: 1\n", "a: {x: 3}\n", "- none\n"].map(|text| load(text).unwrap());
        let [one, two, list] = &parts;
        assert_eq!(effective(&[one, two, list]), serde_json::json!({"a": {"x": 3}, "b": 1}));
        assert_eq!(effective(&[]), serde_json::json!({}));
    }
}
