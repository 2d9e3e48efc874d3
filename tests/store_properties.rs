//! Random sequences of everything that changes a tree, with crashes: the current release is always whole, pinned
//! releases never lose an object, and readers keep what they have mapped.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod store_support;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use mds::release::{MappedRelease, StoreError, SwitchAction, Tree};
use mds::types::ReleaseId;
use proptest::prelude::*;
use store_support::disks::{Fault, TestDisk};
use store_support::{Content, assert_content, content, publish_with, scratch, time};

#[derive(Clone, Copy, Debug)]
enum Step {
    Publish(u8),
    Rollback,
    RollbackTo(usize),
    Pin(usize),
    Unpin(usize),
    Gc(usize),
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..8u8).prop_map(Step::Publish),
        1 => Just(Step::Rollback),
        1 => (0..8usize).prop_map(Step::RollbackTo),
        1 => (0..8usize).prop_map(Step::Pin),
        1 => (0..8usize).prop_map(Step::Unpin),
        2 => (0..3usize).prop_map(Step::Gc),
    ]
}

/// A few releases that share many objects.
fn release(number: u8) -> Content {
    content(1 + usize::from(number % 4), u32::from(number / 2))
}

/// What the tree should hold.
#[derive(Clone, Debug, Default, PartialEq)]
struct Model {
    releases: BTreeMap<ReleaseId, Content>,
    pins: BTreeSet<ReleaseId>,
    current: Option<ReleaseId>,
    /// Release and predecessor of every publication, oldest first.
    published: Vec<(ReleaseId, Option<ReleaseId>)>,
}

struct World {
    _folder: tempfile::TempDir,
    path: PathBuf,
    disk: Arc<TestDisk>,
    model: Model,
    readers: Vec<(MappedRelease, Content)>,
}

impl World {
    fn new() -> Self {
        let folder = scratch();
        let path = folder.path().join("tree");
        let disk = TestDisk::new();
        let world = Self { path, disk, model: Model::default(), readers: Vec::new(), _folder: folder };
        world.tree();
        world
    }

    fn tree(&self) -> Tree {
        Tree::open_or_create_with(&self.path, Arc::clone(&self.disk) as Arc<_>).unwrap()
    }

    fn nth(&self, number: usize) -> Option<ReleaseId> {
        let count = self.model.releases.len();
        (count > 0).then(|| *self.model.releases.keys().nth(number % count).unwrap())
    }

    fn run(&self, step: Step) -> Result<(), StoreError> {
        let mut lock = Tree::open_with(&self.path, Arc::clone(&self.disk) as Arc<_>)?.lock()?;
        match step {
            Step::Publish(number) => publish_with(&mut lock, &release(number), number.into()).map(drop),
            Step::Rollback => lock.rollback(None, time(0)).map(drop),
            Step::RollbackTo(number) => match self.nth(number) {
                Some(id) => lock.rollback(Some(id), time(0)).map(drop),
                None => Ok(()),
            },
            Step::Pin(number) => self.nth(number).map_or(Ok(()), |id| lock.pin(id).map(drop)),
            Step::Unpin(number) => self.nth(number).map_or(Ok(()), |id| lock.unpin(id).map(drop)),
            Step::Gc(keep) => lock.gc(keep).map(drop),
        }
    }

    /// What should be there after the step.
    fn expect(&self, step: Step) -> Model {
        let mut model = self.model.clone();
        match step {
            Step::Publish(number) => {
                let mut draft = mds::release::DraftRelease::new();
                store_support::add_all(&mut draft, &release(number)).unwrap();
                let id = draft.finish().unwrap().0;
                model.releases.insert(id, release(number));
                if model.current != Some(id) {
                    model.published.push((id, model.current));
                    model.current = Some(id);
                }
            }
            Step::Rollback => {
                let line = model.published.iter().rev().find(|(id, _)| Some(*id) == model.current);
                let previous = line.and_then(|(_, previous)| *previous);
                model.current = previous.filter(|id| model.releases.contains_key(id)).or(model.current);
            }
            Step::RollbackTo(number) => model.current = self.nth(number).or(model.current),
            Step::Pin(number) => model.pins.extend(self.nth(number)),
            Step::Unpin(number) => drop(self.nth(number).map(|id| model.pins.remove(&id))),
            Step::Gc(keep) => {
                let mut order: Vec<ReleaseId> = model.releases.keys().copied().collect();
                order.sort_by_key(|id| model.published.iter().rposition(|(published, _)| published == id));
                let newest: BTreeSet<ReleaseId> = order.into_iter().rev().take(keep).collect();
                let (current, pins) = (model.current, model.pins.clone());
                model.releases.retain(|id, _| current == Some(*id) || pins.contains(id) || newest.contains(id));
            }
        }
        model
    }

    /// What is there, as far as it is one of the releases that may be there.
    fn observe(&self, known: &Model) -> Model {
        let tree = self.tree();
        let releases = tree.releases().unwrap();
        let contents = releases.iter().map(|release| (release.id, known.releases[&release.id].clone())).collect();
        let published = tree.switches().unwrap().into_iter().filter(|switch| switch.action == SwitchAction::Publish);
        Model {
            releases: contents,
            pins: releases.iter().filter(|release| release.pinned).map(|release| release.id).collect(),
            current: tree.current().unwrap(),
            published: published.map(|switch| (switch.release, switch.previous)).collect(),
        }
    }

    /// Sees that everything that is there is whole.
    fn check(&self) {
        let tree = self.tree();
        let report = tree.verify().unwrap();
        assert!(report.is_whole(), "{report:?}");
        for (id, content) in &self.model.releases {
            assert_content(&tree.load(*id).unwrap(), content);
        }
        assert!(self.model.pins.iter().chain(&self.model.current).all(|id| self.model.releases.contains_key(id)));
        for (reader, content) in &self.readers {
            assert_content(reader, content);
        }
    }

    fn step(&mut self, step: Step, crash_at: Option<usize>) {
        let expected = self.expect(step);
        self.disk.set_fault(crash_at.map(|at| (at, Fault::Halt)));
        let result = self.run(step);
        let crashed = self.disk.was_reached();
        self.disk.set_fault(None);
        if crashed {
            let known = [&self.model, &expected].into_iter().flat_map(|model| model.releases.clone()).collect();
            let seen = self.observe(&Model { releases: known, ..Model::default() });
            assert!([self.model.current, expected.current].contains(&seen.current));
            assert!(seen.pins == self.model.pins || seen.pins == expected.pins);
            let stays = |id: &&ReleaseId| expected.releases.contains_key(id);
            assert!(self.model.releases.keys().filter(stays).all(|id| seen.releases.contains_key(id)));
            self.model = seen;
        } else {
            let nowhere_to_go = matches!(step, Step::Rollback) && expected.current == self.model.current;
            assert_eq!(result.is_err(), nowhere_to_go, "{result:?}");
            assert_eq!(self.observe(&expected), expected);
            self.model = expected;
        }
        self.check();
        if let Some(id) = self.model.current.filter(|_| self.readers.len() < 3) {
            self.readers.push((self.tree().load(id).unwrap(), self.model.releases[&id].clone()));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn current_is_always_whole_and_pinned_releases_never_lose_an_object(
        steps in prop::collection::vec((any_step(), prop::option::weighted(0.3, 1..40usize)), 1..16)
    ) {
        let mut world = World::new();
        for (step, crash_at) in steps {
            world.step(step, crash_at);
        }
    }
}
