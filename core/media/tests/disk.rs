//! The cache on a disk that fails: every operation of a scenario in turn, in every way. Bytes are right, playback goes
//! on, and what is claimed afterwards is there.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod common;

use std::sync::{Arc, Mutex};

use common::scenario::{Files, afterwards, scenario};
use common::{Fault, World};
use unspool_engine::Container;
use unspool_media::{ByteSource, Media, MediaConfig};
use unspool_testkit::{
    DiskFault, FaultyDisk, Operation, Rule, byte_source_contract, byte_source_waiting_contract,
};

fn open(world: &World, disk: &Arc<FaultyDisk>) -> Option<Arc<Media>> {
    Some(world.open_with(MediaConfig { disk: disk.clone(), keep_loaded: 1, ..world.config() }))
}

/// Fails operation after operation until the scenario ends before its turn comes; how many there were.
fn sweep(fault: DiskFault, lasting: bool) -> u64 {
    let world = World::in_memory();
    let files = Files::new();
    for nth in 0.. {
        let what = format!("{fault:?} at operation {nth}{}", if lasting { " and after" } else { "" });
        let disk = FaultyDisk::with(Rule { operation: None, nth, lasting, fault });
        scenario(&world, &files, || open(&world, &disk), &what);
        afterwards(&world, &files, &what);
        if disk.struck() == 0 {
            assert!(nth > 40, "the scenario asks little of the disk: {nth} operations");
            return nth;
        }
    }
    unreachable!()
}

#[test]
fn no_space_at_any_operation() {
    sweep(DiskFault::NoSpace, false);
}

#[test]
fn no_space_from_any_operation_on() {
    sweep(DiskFault::NoSpace, true);
}

#[test]
fn an_error_at_any_operation() {
    sweep(DiskFault::Io, false);
}

#[test]
fn errors_from_any_operation_on() {
    sweep(DiskFault::Io, true);
}

#[test]
fn short_reads_and_writes_go_on_where_they_ended() {
    sweep(DiskFault::Short, false);
    let (world, files) = (World::in_memory(), Files::new());
    let disk = FaultyDisk::with(Rule { operation: None, nth: 0, lasting: true, fault: DiskFault::Short });
    // With every operation halved a piece takes one operation per halving.
    scenario(&world, &files, || open(&world, &disk), "everything is short");
    afterwards(&world, &files, "everything was short");
    assert!(disk.struck() > 200);
}

#[test]
fn a_disk_that_cannot_do_one_thing_costs_no_playback() {
    let world = World::in_memory();
    let files = Files::new();
    for fault in [DiskFault::Io, DiskFault::NoSpace, DiskFault::Torn] {
        for operation in Operation::ALL {
            let what = format!("{fault:?} at every {operation:?}");
            let disk = FaultyDisk::with(Rule { operation: Some(operation), nth: 0, lasting: true, fault });
            scenario(&world, &files, || open(&world, &disk), &what);
            afterwards(&world, &files, &what);
            assert!(disk.struck() > 0, "{what}: the scenario does that");
        }
    }
}

/// Sources over a store, each on a disk of its own, that stay open as long as their sources are in use.
struct Sources {
    world: World,
    open: Mutex<Vec<(World, Arc<Media>)>>,
    rule: Rule,
}

impl Sources {
    fn make(&self, bytes: Vec<u8>, stall: Option<u64>) -> Arc<dyn ByteSource> {
        let mut open = self.open.lock().unwrap();
        let path = format!("f{}", open.len());
        let size = bytes.len() as u64;
        self.world.server.put(&path, bytes, "\"1\"");
        let dir = World::in_memory();
        let config = MediaConfig { disk: FaultyDisk::with(self.rule), ..dir.config() };
        let media = Media::open(config, self.world.runtime.handle().clone()).unwrap();
        let key = self.world.register(&media, &path, Container::Mp4);
        if let Some(stall) = stall {
            self.world.server.always(&path, Some(Fault::SilentFrom(stall)));
        }
        let source = media.source_of(&key, size);
        open.push((dir, media));
        source
    }
}

/// The faults under which every reader keeps the contract: at one operation of each kind, and from one on.
fn rules() -> Vec<Rule> {
    let faults = [DiskFault::Io, DiskFault::NoSpace, DiskFault::Short, DiskFault::Torn];
    let places =
        [(Operation::Read, 2), (Operation::Write, 1), (Operation::Sync, 0), (Operation::Truncate, 0)];
    let rules = faults.into_iter().flat_map(|fault| places.map(|(operation, nth)| (fault, operation, nth)));
    rules
        .map(|(fault, operation, nth)| Rule { operation: Some(operation), nth, lasting: nth != 2, fault })
        .collect()
}

#[test]
fn sources_keep_the_contract_on_a_disk_that_fails() {
    for rule in rules() {
        let sources = Sources { world: World::in_memory(), open: Mutex::default(), rule };
        byte_source_contract(|bytes| sources.make(bytes, None));
    }
}

#[test]
fn sources_keep_the_waiting_contract_on_a_disk_that_fails() {
    for rule in rules() {
        let sources = Sources { world: World::in_memory(), open: Mutex::default(), rule };
        byte_source_waiting_contract(|bytes, stall| sources.make(bytes, Some(stall)));
    }
}

#[test]
fn a_write_that_lies_at_any_moment() {
    sweep(DiskFault::Lie, false);
    sweep(DiskFault::Lie, true);
}

#[test]
fn torn_operations_at_any_moment() {
    sweep(DiskFault::Torn, false);
}
