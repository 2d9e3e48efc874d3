//! `#cloud-config-jsonp`: a JSON patch (RFC 6902) of what the parts before it say, as python-jsonpatch applies it.

use std::borrow::Cow;
use std::collections::BTreeSet;

use serde_json::{Map, Value as Json};

use super::value::{Merged, PartId, Slot, same};
use crate::check::yaml::{Entry, Tree, Value};

/// The header of such a part. cloud-init takes it off in this spelling alone.
const HEADER: &str = "#cloud-config-jsonp";

/// Values that the copies of a patch may have together: of few operations they could double each time.
const MOST_COPIED: usize = 100_000;

/// Applies a patch. `None` when cloud-init cannot, and leaves it out.
pub(super) fn patched<'a>(value: Merged<'a>, text: &str, part: PartId) -> Option<Merged<'a>> {
    let text = text.trim_start();
    let operations: Vec<Map<String, Json>> = serde_json::from_str(text.strip_prefix(HEADER).unwrap_or(text)).ok()?;
    let mut left = MOST_COPIED;
    operations.iter().try_fold(value, |value, operation| apply(value, operation, part, &mut left))
}

/// How many values something consists of, as far as that is within a bound.
fn count(value: &Merged<'_>, most: usize) -> Option<usize> {
    fn of_tree(tree: &Tree, left: &mut usize) -> Option<()> {
        *left = left.checked_sub(1)?;
        let children = tree.items().iter().chain(tree.entries().iter().map(|entry| &entry.value));
        children.into_iter().try_for_each(|child| of_tree(child, left))
    }
    fn of_value(value: &Merged<'_>, left: &mut usize) -> Option<()> {
        match value {
            Merged::Whole(tree, _) => of_tree(tree, left),
            Merged::Made(tree, _) => of_tree(tree, left),
            Merged::List(items) => items.iter().try_for_each(|item| of_value(item, left)),
            Merged::Map(slots) => slots.iter().try_for_each(|slot| of_value(&slot.value, left)),
        }
    }
    let mut left = most;
    of_value(value, &mut left)?;
    Some(most - left)
}

fn apply<'a>(
    mut root: Merged<'a>,
    operation: &Map<String, Json>,
    part: PartId,
    left: &mut usize,
) -> Option<Merged<'a>> {
    let pointer = |key: &str| operation.get(key).and_then(Json::as_str).and_then(steps);
    let given = || operation.get("value").map(|value| Merged::Made(tree(value), BTreeSet::from([part])));
    let path = pointer("path")?;
    match operation.get("op")?.as_str()? {
        "add" => add(&mut root, &path, given()?, part)?,
        "replace" => drop(std::mem::replace(find(&mut root, &path)?, given()?)),
        "remove" => drop(remove(&mut root, &path)?),
        "move" => {
            let moved = remove(&mut root, &pointer("from")?)?;
            add(&mut root, &path, moved, part)?;
        }
        "copy" => {
            let copied = find(&mut root, &pointer("from")?)?;
            *left = left.checked_sub(count(copied, *left)?.max(1))?;
            let copied = copied.clone();
            add(&mut root, &path, copied, part)?;
        }
        "test" => {
            let expected = tree(operation.get("value")?);
            if !same(&find(&mut root, &path)?.to_tree(), &expected) {
                return None;
            }
        }
        _ => return None,
    }
    Some(root)
}

/// The steps of a JSON pointer.
fn steps(pointer: &str) -> Option<Vec<String>> {
    match pointer {
        "" => Some(Vec::new()),
        _ => {
            Some(pointer.strip_prefix('/')?.split('/').map(|step| step.replace("~1", "/").replace("~0", "~")).collect())
        }
    }
}

/// python-jsonpointer takes leading zeros, against the RFC.
fn index(step: &str, most: usize) -> Option<usize> {
    let is_number = step.bytes().all(|byte| byte.is_ascii_digit());
    step.parse().ok().filter(|index| is_number && *index <= most)
}

/// Where a pointer leads. What lies on the way is taken apart.
fn find<'v, 'a>(root: &'v mut Merged<'a>, path: &[String]) -> Option<&'v mut Merged<'a>> {
    path.iter().try_fold(root, |value, step| {
        open(value);
        match value {
            Merged::Map(slots) => {
                slots.iter_mut().find(|slot| slot.is_text && slot.key == *step).map(|slot| &mut slot.value)
            }
            Merged::List(items) => {
                let at = index(step, items.len())?;
                items.get_mut(at)
            }
            _ => None,
        }
    })
}

/// Takes a list or mapping apart.
fn open(value: &mut Merged<'_>) {
    if value.is_map() {
        let whole = std::mem::replace(value, Merged::nothing());
        *value = Merged::Map(whole.into_slots().unwrap_or_default());
    } else if value.is_list() {
        let whole = std::mem::replace(value, Merged::nothing());
        *value = Merged::List(whole.into_items().unwrap_or_default());
    }
}

fn add<'a>(root: &mut Merged<'a>, path: &[String], value: Merged<'a>, part: PartId) -> Option<()> {
    let Some((last, above)) = path.split_last() else {
        *root = value;
        return Some(());
    };
    let parent = find(root, above)?;
    open(parent);
    match parent {
        Merged::Map(slots) => match slots.iter_mut().find(|slot| slot.is_text && slot.key == *last) {
            Some(slot) => slot.value = value,
            None => {
                slots.push(Slot { key: Cow::Owned(last.clone()), is_text: true, at: (part, (1, 1)), value });
            }
        },
        Merged::List(items) if last == "-" => items.push(value),
        Merged::List(items) => {
            let at = index(last, items.len())?;
            items.insert(at, value);
        }
        _ => return None,
    }
    Some(())
}

fn remove<'a>(root: &mut Merged<'a>, path: &[String]) -> Option<Merged<'a>> {
    let (last, above) = path.split_last()?;
    let parent = find(root, above)?;
    open(parent);
    match parent {
        Merged::Map(slots) => {
            let at = slots.iter().position(|slot| slot.is_text && slot.key == *last)?;
            Some(slots.remove(at).value)
        }
        Merged::List(items) => {
            let at = index(last, items.len().checked_sub(1)?)?;
            Some(items.remove(at))
        }
        _ => None,
    }
}

fn tree(value: &Json) -> Tree {
    let at = (1, 1);
    let value = match value {
        Json::Null => Value::Null,
        Json::Bool(truth) => Value::Bool(*truth),
        Json::Number(number) => {
            number.as_i64().map_or_else(|| Value::Float(number.as_f64().unwrap_or_default()), Value::Int)
        }
        Json::String(text) => Value::Text(text.clone()),
        Json::Array(items) => Value::List(items.iter().map(tree).collect()),
        Json::Object(entries) => {
            let entry = |(key, value): (&String, &Json)| Entry {
                key: key.clone(),
                is_text: true,
                key_at: at,
                value: tree(value),
            };
            Value::Map(entries.iter().map(entry).collect())
        }
    };
    Tree { at, value }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::yaml;

    fn patch(operations: &str) -> Option<Json> {
        let before = yaml::load("a: [1, 2]\nb: {c: x}\n").unwrap();
        let text = format!("\n#cloud-config-jsonp\n{operations}");
        patched(Merged::Whole(&before, 0), &text, 1).map(|value| value.to_tree().to_json())
    }

    #[test]
    fn operations_change_what_was_there() {
        let after = patch(
            r#"[{"op": "add", "path": "/a/-", "value": 3}, {"op": "add", "path": "/a/0", "value": 0},
                {"op": "replace", "path": "/b/c", "value": "y"}, {"op": "copy", "from": "/b", "path": "/d"},
                {"op": "remove", "path": "/b/c"}, {"op": "move", "from": "/d/c", "path": "/e"},
                {"op": "test", "path": "/e", "value": "y"}]"#,
        );
        assert_eq!(after, Some(serde_json::json!({"a": [0, 1, 2, 3], "b": {}, "d": {}, "e": "y"})));
    }

    #[test]
    fn an_operation_that_fails_fails_them_all() {
        for operation in [
            r#"{"op": "replace", "path": "/x", "value": 1}"#,
            r#"{"op": "remove", "path": "/a/2"}"#,
            r#"{"op": "add", "path": "/a/9", "value": 1}"#,
            r#"{"op": "add", "path": "/x/y", "value": 1}"#,
            r#"{"op": "test", "path": "/a/0", "value": 2}"#,
            r#"{"op": "add", "path": "/x"}"#,
            r#"{"path": "/x"}"#,
        ] {
            assert_eq!(patch(&format!("[{operation}]")), None, "{operation}");
        }
        assert_eq!(patch("{}"), None);
        // Copies of copies.
        let copies = vec![r#"{"op": "copy", "from": "/a", "path": "/a/-"}"#; 60].join(",");
        assert_eq!(patch(&format!("[{copies}]")), None);
    }
}
