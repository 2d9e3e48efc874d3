//! Documents that are made from good ones by changing one thing, the same at every run.

use serde_json::{Value, json};

use super::corpus::Document;

/// What a value is replaced by, one after the other.
fn replacements() -> Vec<Value> {
    vec![
        json!(5),
        json!("none-of-these"),
        json!(true),
        json!([]),
        json!({}),
        json!(null),
        json!(-1),
        json!(["one", "one"]),
        json!({"unheard_of": 1}),
        json!(false),
        json!(1.5),
        json!(""),
        json!([5, {}]),
        json!({"name": "one"}),
    ]
}

/// How many replacements each value gets.
const REPLACEMENTS: usize = 2;

/// The changed forms of a document.
pub(crate) fn mutants(original: &Document) -> Vec<Document> {
    let Some(value) = original.value() else { return Vec::new() };
    let mut pointers = Vec::new();
    collect(&value, String::new(), &mut pointers);
    let mut mutants = Vec::new();
    let mut add = |name: String, changed: Value| {
        mutants.push(Document::of_value(format!("{}: {name}", original.name), changed));
    };
    let mut turn = original.name.len();
    for pointer in &pointers {
        let now = value.pointer(pointer).unwrap();
        for _ in 0..REPLACEMENTS {
            let all = replacements();
            turn += 1;
            let new = &all[turn % all.len()];
            if new != now {
                add(format!("{new} at {pointer}"), changed(&value, pointer, |place| *place = new.clone()));
            }
        }
        match now {
            Value::Object(map) => {
                add(
                    format!("an unknown key at {pointer}"),
                    changed(&value, pointer, |place| place["unheard_of"] = json!("x")),
                );
                for key in map.keys() {
                    add(
                        format!("no {key} at {pointer}"),
                        changed(&value, pointer, |place| drop(place.as_object_mut().unwrap().remove(key))),
                    );
                }
            }
            Value::Array(entries) if !entries.is_empty() => add(
                format!("an entry twice at {pointer}"),
                changed(&value, pointer, |place| {
                    let entries = place.as_array_mut().unwrap();
                    entries.push(entries[0].clone());
                }),
            ),
            _ => {}
        }
    }
    mutants
}

fn changed(value: &Value, pointer: &str, change: impl FnOnce(&mut Value)) -> Value {
    let mut copy = value.clone();
    change(copy.pointer_mut(pointer).unwrap());
    copy
}

/// The pointers of all values.
fn collect(value: &Value, pointer: String, pointers: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            for (key, inner) in map {
                collect(inner, format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1")), pointers);
            }
        }
        Value::Array(entries) => {
            for (index, inner) in entries.iter().enumerate() {
                collect(inner, format!("{pointer}/{index}"), pointers);
            }
        }
        _ => {}
    }
    pointers.push(pointer);
}
