//! The store as a user sees it: publishing, switching, listing, reading.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod store_support;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use mds::release::{DraftRelease, ReleaseSink as _, StoreError, Tree};
use store_support::{add_all, assert_content, content, files_below, provenance, publish, publish_with, time};

fn new_tree() -> (tempfile::TempDir, Tree) {
    let folder = tempfile::tempdir().unwrap();
    let tree = Tree::open_or_create(folder.path().join("tree")).unwrap();
    (folder, tree)
}

#[test]
fn what_was_published_is_read_back_byte_for_byte() {
    let (_folder, tree) = new_tree();
    assert_eq!(tree.current().unwrap(), None);
    assert!(tree.load_current().unwrap().is_none());
    let published = publish(&tree, &content(5, 1), 0);
    assert_eq!(published.previous, None);
    assert_eq!(tree.current().unwrap(), Some(published.id));
    assert_eq!(tree.manifest(published.id).unwrap(), published.manifest);
    assert_content(&tree.load_current().unwrap().unwrap(), &content(5, 1));
    let modes: Vec<u32> = files_below(tree.path())
        .iter()
        .filter(|name| name.starts_with("packs/") || name.starts_with("releases/"))
        .map(|name| fs::metadata(tree.path().join(name)).unwrap().permissions().mode() & 0o777)
        .collect();
    assert_eq!(modes, [0o444, 0o444, 0o644, 0o644]);
}

#[test]
fn a_draft_has_the_id_that_publishing_gives_and_the_order_of_adding_does_not_matter() {
    let (_folder, tree) = new_tree();
    let mut draft = DraftRelease::new();
    add_all(&mut draft, &content(5, 1)).unwrap();
    let (id, manifest) = draft.finish().unwrap();
    let published = publish(&tree, &content(5, 1), 0);
    assert_eq!((published.id, published.manifest), (id, manifest));
}

#[test]
fn the_same_inputs_make_the_same_files() {
    let (_one, first) = new_tree();
    let (_other, second) = new_tree();
    for tree in [&first, &second] {
        publish(tree, &content(5, 1), 0);
        publish(tree, &content(5, 2), 1);
    }
    let files = files_below(first.path());
    assert_eq!(files, files_below(second.path()));
    for file in files.iter().filter(|file| *file != "lock" && *file != "current") {
        assert_eq!(fs::read(first.path().join(file)).unwrap(), fs::read(second.path().join(file)).unwrap(), "{file}");
    }
}

#[test]
fn only_objects_that_no_pack_has_are_written() {
    let (_folder, tree) = new_tree();
    let first = publish(&tree, &content(5, 1), 0);
    // Per node its meta-data and its group's document; vendor-data and the empty user-data are shared by all.
    assert_eq!(first.objects_written, 12);
    let second = publish(&tree, &content(5, 2), 1);
    assert_eq!((second.objects_written, second.previous), (5, Some(first.id)));
    let third = publish(&tree, &content(3, 2), 2);
    assert_eq!((third.objects_written, third.bytes_written), (0, 0));
    assert_content(&tree.load(first.id).unwrap(), &content(5, 1));
    assert_content(&tree.load(third.id).unwrap(), &content(3, 2));
}

#[test]
fn publishing_what_is_there_only_switches() {
    let (_folder, tree) = new_tree();
    let first = publish(&tree, &content(2, 1), 0);
    let second = publish(&tree, &content(2, 2), 1);
    let record = fs::read(tree.path().join(format!("releases/{}/release.json", first.id))).unwrap();
    let again = publish(&tree, &content(2, 1), 2);
    assert_eq!((again.id, again.previous), (first.id, Some(second.id)));
    assert_eq!(fs::read(tree.path().join(format!("releases/{}/release.json", first.id))).unwrap(), record);
    let unchanged = publish(&tree, &content(2, 1), 3);
    assert_eq!(unchanged.previous, Some(first.id));
    assert_eq!(tree.switches().unwrap().len(), 3);
}

#[test]
fn two_writers_at_once_are_refused_by_the_number_of_the_first() {
    let (_folder, tree) = new_tree();
    let lock = tree.lock().unwrap();
    let error = Tree::open(tree.path()).unwrap().lock().unwrap_err();
    assert!(matches!(error, StoreError::Busy { pid: Some(pid), .. } if pid == std::process::id()), "{error}");
    assert!(error.to_string().contains(&format!("(process {})", std::process::id())), "{error}");
    drop(lock);
    tree.lock().unwrap();
}

#[test]
fn a_release_that_names_what_was_not_added_is_refused() {
    let (_folder, tree) = new_tree();
    let published = publish(&tree, &content(1, 1), 0);
    let node = published.manifest.nodes()[0].clone();
    let mut draft = DraftRelease::new();
    draft.add_node(node.clone());
    assert!(matches!(draft.finish(), Err(StoreError::Missing(_))));
    let mut lock = tree.lock().unwrap();
    let mut writer = lock.begin().unwrap();
    writer.add_node(node.clone());
    writer.add_node(node);
    assert!(matches!(writer.finish(provenance(1)), Err(StoreError::DuplicateNode { .. })));
    assert_eq!(tree.current().unwrap(), Some(published.id));
}

#[test]
fn a_writer_that_is_given_up_leaves_nothing() {
    let (_folder, tree) = new_tree();
    publish(&tree, &content(1, 1), 0);
    let before = files_below(tree.path());
    let mut lock = tree.lock().unwrap();
    let mut writer = lock.begin().unwrap();
    writer.add(&vec![7; 3 << 20]).unwrap();
    assert!(files_below(tree.path()).len() > before.len());
    drop(writer);
    assert_eq!(files_below(tree.path()), before);
}

#[test]
fn rollback_walks_back_through_what_was_published() {
    let (_folder, tree) = new_tree();
    let mut lock = tree.lock().unwrap();
    let error = lock.rollback(None, time(0)).unwrap_err();
    assert!(matches!(error, StoreError::NoCurrent { .. }));
    let ids: Vec<_> = (1..=3).map(|v| publish_with(&mut lock, &content(2, v), v.into()).unwrap().id).collect();
    assert_eq!(lock.rollback(None, time(4)).unwrap().release, ids[1]);
    assert_eq!(lock.rollback(None, time(5)).unwrap().release, ids[0]);
    let error = lock.rollback(None, time(6)).unwrap_err();
    assert!(error.to_string().contains("first release of the tree"), "{error}");
    let switched = lock.rollback(Some(ids[2]), time(7)).unwrap();
    assert_eq!((switched.release, switched.previous), (ids[2], Some(ids[0])));
    assert_content(&tree.load_current().unwrap().unwrap(), &content(2, 3));
    assert_eq!(tree.switches().unwrap().len(), 6);
}

#[test]
fn releases_are_listed_newest_first_with_their_marks() {
    let (_folder, tree) = new_tree();
    let mut lock = tree.lock().unwrap();
    let ids: Vec<_> = (1..=3).map(|v| publish_with(&mut lock, &content(2, v), v.into()).unwrap().id).collect();
    assert!(lock.pin(ids[0]).unwrap());
    assert!(!lock.pin(ids[0]).unwrap());
    lock.rollback(None, time(9)).unwrap();
    let releases = tree.releases().unwrap();
    let seen: Vec<_> = releases.iter().map(|release| (release.id, release.current, release.pinned)).collect();
    assert_eq!(seen, [(ids[2], false, false), (ids[1], true, false), (ids[0], false, true)]);
    let record = releases[0].record.as_ref().unwrap();
    assert_eq!((record.nodes, record.documents, &record.provenance), (2, 8, &provenance(3)));
    assert_eq!(releases[0].published, Some(time(3)));
    let json = serde_json::to_value(&releases[0]).unwrap();
    assert_eq!(json["published"], time(3).to_string());
    assert_eq!(json["record"]["site"]["folder"], "site");
    assert!(lock.unpin(ids[0]).unwrap());
    assert!(!lock.unpin(ids[0]).unwrap());
    assert!(tree.releases().unwrap().iter().all(|release| !release.pinned));
}

#[test]
fn the_beginning_of_an_id_names_a_release() {
    let (_folder, tree) = new_tree();
    let id = publish(&tree, &content(1, 1), 0).id;
    assert_eq!(tree.resolve(&id.short()).unwrap(), id);
    assert_eq!(tree.resolve(&id.to_string().to_uppercase()).unwrap(), id);
    let unknown = if id.to_string().starts_with("0000") { "1111" } else { "0000" };
    assert!(matches!(tree.resolve(unknown), Err(StoreError::UnknownRelease { .. })));
    for text in ["", "abc", "../..", "zzzz", "current"] {
        assert!(matches!(tree.resolve(text), Err(StoreError::InvalidPrefix { .. })), "{text}");
    }
    let twin = format!("{}{}", &id.to_string()[..63], if id.to_string().ends_with('0') { '1' } else { '0' });
    fs::create_dir(tree.path().join("releases").join(twin)).unwrap();
    assert!(matches!(tree.resolve(&id.short()), Err(StoreError::AmbiguousPrefix { count: 2, .. })));
}

#[test]
fn folders_that_are_not_trees_are_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    assert!(matches!(Tree::open(folder.path()), Err(StoreError::NotATree { .. })));
    assert!(matches!(Tree::open(folder.path().join("none")), Err(StoreError::NotATree { .. })));
    fs::write(folder.path().join("thesis.tex"), "text").unwrap();
    let error = Tree::open_or_create(folder.path()).unwrap_err();
    assert!(error.to_string().contains("thesis.tex"), "{error}");
    assert_eq!(files_below(folder.path()), ["thesis.tex"]);
}

#[test]
fn a_tree_of_a_newer_format_is_named_as_such() {
    let (_folder, tree) = new_tree();
    fs::write(tree.path().join("format"), "mds-tree 2\n").unwrap();
    for error in [Tree::open(tree.path()).unwrap_err(), Tree::open_or_create(tree.path()).unwrap_err()] {
        assert!(error.to_string().contains("has tree format 2, and this mds knows formats up to 1"), "{error}");
    }
    fs::write(tree.path().join("format"), "something\n").unwrap();
    assert!(matches!(Tree::open(tree.path()), Err(StoreError::UnreadableFormat { .. })));
}

#[test]
fn a_link_that_points_elsewhere_is_not_followed() {
    let (folder, tree) = new_tree();
    let id = publish(&tree, &content(1, 1), 0).id;
    let current = tree.path().join("current");
    for target in ["../elsewhere", "releases/../../elsewhere", "releases/abc"] {
        fs::remove_file(&current).unwrap();
        std::os::unix::fs::symlink(target, &current).unwrap();
        assert!(matches!(tree.current(), Err(StoreError::CurrentUnreadable { .. })), "{target}");
    }
    tree.lock().unwrap().rollback(Some(id), time(1)).unwrap();
    assert_eq!(tree.current().unwrap(), Some(id));
    drop(folder);
}
