//! What has to hold for any three bodies that SMD may send. Shared by the fuzz target and by `tests/smd_bodies.rs`.

use mds::inventory::smd::{join, read_components, read_interfaces, read_memberships};
use mds::inventory::{LockHeader, Pull, lock_text, parse_lock, pull_text};
use serde_json::Value;

/// What stands between the bodies of an input: the record separator of RFC 7464, which no JSON text may have inside.
pub(crate) const SEPARATOR: u8 = 0x1e;

/// The three bodies of an input: components, interfaces, memberships. Those that are not there are empty arrays, so
/// that each can be tried alone.
pub(crate) fn split(input: &[u8]) -> [&[u8]; 3] {
    let mut parts = input.splitn(3, |byte| *byte == SEPARATOR);
    std::array::from_fn(|_| parts.next().unwrap_or(b"[]"))
}

/// Reads the three bodies and joins them; `None` when one cannot be read.
fn pull([components, interfaces, memberships]: [&[u8]; 3]) -> Option<Pull> {
    // Every one is read, also when one before it cannot be.
    let read = (read_components(components), read_interfaces(interfaces), read_memberships(memberships));
    let (Ok(components), Ok(interfaces), Ok(memberships)) = read else { return None };
    Some(join(components, interfaces, memberships).expect("what can be read has a normal form"))
}

/// Whether the input is an inventory. Panics when something about it does not hold.
pub(crate) fn check(input: &[u8]) -> bool {
    let bodies = split(input);
    let Some(pulled) = pull(bodies) else { return false };

    let lock = lock_text(&LockHeader::default(), &pulled.inventory).expect("an inventory has a text");
    let (_, read) = parse_lock("lock", lock.as_bytes()).expect("a lock file is read back");
    assert!(read.inventory == pulled.inventory, "the lock file is read back as something else");
    let whole = pull_text(&pulled).expect("a pull has a text");
    let (_, read) = parse_lock("pull", whole.as_bytes()).expect("a pull is read back");
    assert!(read.remarks == pulled.remarks, "the remarks are read back as something else");

    for order in [reverse, halve] {
        // A tree of values refuses some of what is passed over otherwise, such as numbers beyond all measure.
        let Some(bodies) = reordered(bodies, order) else { break };
        let again = pull(std::array::from_fn(|index| bodies[index].as_bytes())).expect("the order makes no difference");
        assert!(again == pulled, "another order of the elements gives another inventory");
    }
    true
}

fn reverse(elements: &mut [Value]) {
    elements.reverse();
}

fn halve(elements: &mut [Value]) {
    elements.rotate_left(elements.len() / 2);
}

/// The bodies with the elements of their arrays in another order.
fn reordered(bodies: [&[u8]; 3], order: fn(&mut [Value])) -> Option<Vec<String>> {
    let one = |body: &[u8]| {
        let mut value: Value = serde_json::from_slice(body).ok()?;
        let elements = if value.is_array() { &mut value } else { value.get_mut("Components")? };
        order(elements.as_array_mut()?);
        Some(value.to_string())
    };
    bodies.into_iter().map(one).collect()
}
