use std::fs;
use std::path::Path;

use bytes::Bytes;

use super::*;
use crate::model::{Batch, IngestMode, UnixNanos};

fn ids(seed: u64) -> Box<dyn FnMut() -> SegmentId + Send> {
    let mut next = seed;
    Box::new(move || {
        next += 1;
        SegmentId(next)
    })
}

fn batch(records: &[&str]) -> Batch {
    Batch {
        mode: IngestMode::Pop,
        received: UnixNanos::new(1),
        records: records
            .iter()
            .map(|r| Bytes::copy_from_slice(r.as_bytes()))
            .collect(),
    }
}

fn drain(reader: &mut Reader) -> Vec<String> {
    let mut out = Vec::new();
    while let Some(frame) = reader.next_frame().unwrap() {
        let FrameBody::Record(bytes) = frame.body else {
            panic!("not a record")
        };
        out.push(String::from_utf8(bytes.to_vec()).unwrap());
    }
    out
}

fn disk_bytes(dir: &Path) -> u64 {
    fs::read_dir(dir)
        .unwrap()
        .map(|e| e.unwrap().metadata().unwrap().len())
        .sum()
}

fn last_file(dir: &Path) -> PathBuf {
    let mut files: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .map(|e| e.unwrap().path())
        .collect();
    files.sort();
    files.pop().unwrap()
}

#[test]
fn what_was_appended_is_read_in_order_and_shrinks_to_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (mut writer, mut reader) = open(dir.path().into(), 1 << 20, ids(0)).unwrap();
    let empty = disk_bytes(dir.path());
    for round in 0..3 {
        writer.append(&batch(&["a", "b"])).unwrap();
        writer.append(&batch(&["c"])).unwrap();
        assert_eq!(drain(&mut reader), ["a", "b", "c"], "round {round}");
        assert!(writer.pending_bytes() > 0);
        reader.release(reader.position(), round).unwrap();
        assert_eq!(writer.pending_bytes(), 0);
        assert_eq!(disk_bytes(dir.path()), empty);
    }
}

#[test]
fn a_file_that_could_not_be_emptied_takes_no_more_frames() {
    let dir = tempfile::tempdir().unwrap();
    let limit = 1 << 20;
    let segments = segment::Segments::open(dir.path().into(), limit, ids(0)).unwrap();
    let mut writer = Writer::new(segments.clone());
    let mut reader = Reader::new(segments.clone());
    writer.append(&batch(&["a"])).unwrap();
    assert_eq!(drain(&mut reader), ["a"]);
    // Emptying fails on a file that is open for reading only.
    let read_only = fs::File::open(last_file(dir.path())).unwrap();
    segments.lock().tail = Some(read_only);
    let error = reader.release(reader.position(), 1).unwrap_err();
    assert_eq!(error.action, "emptied");

    writer.append(&batch(&["b"])).unwrap();
    assert_eq!(drain(&mut reader), ["b"]);
    drop((writer, reader, segments));
    let (_writer, mut reader) = open(dir.path().into(), limit, ids(100)).unwrap();
    assert_eq!(drain(&mut reader).last().map(String::as_str), Some("b"));
}

#[test]
fn a_restart_replays_what_was_not_released() {
    let dir = tempfile::tempdir().unwrap();
    let (mut writer, mut reader) = open(dir.path().into(), 1 << 20, ids(0)).unwrap();
    writer.append(&batch(&["a"])).unwrap();
    assert_eq!(drain(&mut reader), ["a"]);
    let committed = reader.position();
    writer.append(&batch(&["b", "c"])).unwrap();
    drop((writer, reader));

    let (mut writer, mut reader) = open(dir.path().into(), 1 << 20, ids(100)).unwrap();
    reader.release(committed, 1).unwrap();
    writer.append(&batch(&["d"])).unwrap();
    assert_eq!(drain(&mut reader), ["b", "c", "d"]);
    reader.release(reader.position(), 2).unwrap();
    drop((writer, reader));

    let (_writer, mut reader) = open(dir.path().into(), 1 << 20, ids(200)).unwrap();
    assert_eq!(reader.commit_number(), 2);
    assert!(drain(&mut reader).is_empty());
}

#[test]
fn a_position_of_an_emptied_segment_hides_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (mut writer, mut reader) = open(dir.path().into(), 1 << 20, ids(0)).unwrap();
    writer
        .append(&batch(&["a long one that moves the offset"]))
        .unwrap();
    drain(&mut reader);
    let committed = reader.position();
    reader.release(committed, 1).unwrap();
    writer.append(&batch(&["b"])).unwrap();
    drop((writer, reader));

    let (_writer, mut reader) = open(dir.path().into(), 1 << 20, ids(100)).unwrap();
    reader.release(committed, 1).unwrap();
    assert_eq!(drain(&mut reader), ["b"]);
}

#[test]
fn an_older_database_gets_the_rest_of_the_spool() {
    let dir = tempfile::tempdir().unwrap();
    let (mut writer, mut reader) = open(dir.path().into(), 1 << 20, ids(0)).unwrap();
    writer.append(&batch(&["a"])).unwrap();
    drop((writer, drain(&mut reader)));
    drop(reader);

    let (_writer, mut reader) = open(dir.path().into(), 1 << 20, ids(100)).unwrap();
    let unknown = Position {
        segment: SegmentId(77),
        offset: 1 << 40,
    };
    reader.release(unknown, 1).unwrap();
    assert_eq!(drain(&mut reader), ["a"]);
}

#[test]
fn a_torn_tail_loses_only_the_torn_frame() {
    let dir = tempfile::tempdir().unwrap();
    let (mut writer, _reader) = open(dir.path().into(), 1 << 20, ids(0)).unwrap();
    writer.append(&batch(&["a", "b", "torn"])).unwrap();
    drop(writer);
    let path = last_file(dir.path());
    let bytes = fs::read(&path).unwrap();
    for cut in 1..=18 {
        fs::write(&path, &bytes[..bytes.len() - cut]).unwrap();
        let (mut writer, mut reader) = open(dir.path().into(), 1 << 20, ids(100)).unwrap();
        writer.append(&batch(&["after"])).unwrap();
        assert_eq!(drain(&mut reader), ["a", "b", "after"], "cut {cut}");
        drop((writer, reader));
        fs::remove_file(last_file(dir.path())).unwrap();
    }
}

fn damaged_copies(dir: &Path) -> Vec<Vec<u8>> {
    let files = fs::read_dir(dir).unwrap().map(|e| e.unwrap().path());
    let copies = files.filter(|path| path.extension().is_some_and(|x| x == "damaged"));
    copies.map(|path| fs::read(path).unwrap()).collect()
}

#[test]
fn one_damaged_byte_anywhere_loses_only_its_frame() {
    let dir = tempfile::tempdir().unwrap();
    let (mut writer, _reader) = open(dir.path().into(), 1 << 20, ids(0)).unwrap();
    writer
        .append(&batch(&["first", "second", "third"]))
        .unwrap();
    drop(writer);
    let path = last_file(dir.path());
    let bytes = fs::read(&path).unwrap();
    let header = usize::try_from(segment::HEADER_LEN).unwrap();
    let records = ["first", "second", "third", "after"];
    let mut frame_of = vec![None; header];
    for (number, record) in records[..3].iter().enumerate() {
        frame_of.extend(vec![Some(number); 18 + record.len()]);
    }
    assert_eq!(frame_of.len(), bytes.len());
    for (at, frame) in frame_of.iter().enumerate() {
        for flip in [0x01, 0x80, 0xff] {
            let dir = tempfile::tempdir().unwrap();
            let mut damaged = bytes.clone();
            damaged[at] ^= flip;
            fs::write(dir.path().join(path.file_name().unwrap()), &damaged).unwrap();
            let (mut writer, mut reader) = open(dir.path().into(), 1 << 20, ids(100)).unwrap();
            writer.append(&batch(&["after"])).unwrap();
            let mut expected = records.to_vec();
            let mut lost = Vec::new();
            if let Some(number) = frame {
                let length = 18 + expected.remove(*number).len();
                let from = frame_of.iter().position(|f| f == frame).unwrap();
                lost.push(damaged[from..from + length].to_vec());
            }
            assert_eq!(drain(&mut reader), expected, "{at} {flip:x}");
            let lost_bytes = lost.iter().map(Vec::len).sum::<usize>() as u64;
            assert_eq!(reader.take_damaged_bytes(), lost_bytes, "{at} {flip:x}");
            assert_eq!(damaged_copies(dir.path()), lost, "{at} {flip:x}");
            // After a failed commit the same damage is not counted again.
            reader.rewind();
            assert_eq!(drain(&mut reader), expected, "{at} {flip:x}");
            assert_eq!(reader.take_damaged_bytes(), 0, "{at} {flip:x}");
            reader.release(reader.position(), 1).unwrap();
            assert_eq!(reader.pending_bytes(), 0, "{at} {flip:x}");
        }
    }
}

#[test]
fn damage_in_the_file_being_written_is_skipped_and_later_frames_follow() {
    let dir = tempfile::tempdir().unwrap();
    let (mut writer, mut reader) = open(dir.path().into(), 1 << 20, ids(0)).unwrap();
    writer.append(&batch(&["a", "b"])).unwrap();
    let path = last_file(dir.path());
    let mut bytes = fs::read(&path).unwrap();
    // The length of the last frame becomes larger than the file.
    let last = bytes.len() - 19;
    bytes[last + 2] = 0x7f;
    fs::write(&path, &bytes).unwrap();
    assert_eq!(drain(&mut reader), ["a"]);
    assert_eq!(reader.take_damaged_bytes(), 19);
    writer.append(&batch(&["c"])).unwrap();
    assert_eq!(drain(&mut reader), ["c"]);
    reader.release(reader.position(), 1).unwrap();
    assert_eq!(reader.pending_bytes(), 0);
}

#[test]
fn a_file_that_was_truncated_while_open_is_a_counted_loss() {
    let dir = tempfile::tempdir().unwrap();
    let (mut writer, mut reader) = open(dir.path().into(), 1 << 20, ids(0)).unwrap();
    writer.append(&batch(&["a"])).unwrap();
    fs::File::options()
        .write(true)
        .open(last_file(dir.path()))
        .unwrap()
        .set_len(segment::HEADER_LEN)
        .unwrap();
    assert!(drain(&mut reader).is_empty());
    assert_eq!(reader.take_damaged_bytes(), 19);
    writer.append(&batch(&["b"])).unwrap();
    assert_eq!(drain(&mut reader), ["b"]);
    reader.release(reader.position(), 1).unwrap();
    assert_eq!(reader.pending_bytes(), 0);
}

#[test]
fn deleted_files_are_restored_where_they_are_open_and_counted_where_not() {
    let dir = tempfile::tempdir().unwrap();
    let spool = dir.path().join("spool");
    let (mut writer, mut reader) = open(spool.clone(), 1 << 30, ids(0)).unwrap();
    assert!(!reader.restore_deleted_file().unwrap());
    writer.append(&batch(&["a", "b"])).unwrap();
    assert!(reader.has_frame().unwrap());
    fs::remove_dir_all(&spool).unwrap();
    writer.append(&batch(&["c"])).unwrap();
    assert!(reader.restore_deleted_file().unwrap());
    assert!(!reader.restore_deleted_file().unwrap());
    writer.append(&batch(&["d"])).unwrap();
    assert_eq!(drain(&mut reader), ["a", "b", "c", "d"]);
    assert_eq!(reader.take_damaged_bytes(), 0);
    drop((writer, reader));
    let (mut writer, mut reader) = open(spool.clone(), 1 << 30, ids(100)).unwrap();
    assert_eq!(drain(&mut reader), ["a", "b", "c", "d"], "a restart");
    // A deleted file without an open handle is lost; reading continues with the next file.
    writer.append(&batch(&["e"])).unwrap();
    reader.rewind();
    let first = fs::read_dir(&spool)
        .unwrap()
        .map(|e| e.unwrap().path())
        .min();
    let first = first.unwrap();
    let lost = fs::metadata(&first).unwrap().len() - segment::HEADER_LEN;
    fs::remove_file(first).unwrap();
    assert_eq!(drain(&mut reader), ["e"]);
    assert_eq!(reader.take_damaged_bytes(), lost);
    reader.release(reader.position(), 1).unwrap();
    assert_eq!(reader.pending_bytes(), 0);
}

#[test]
fn rewind_gives_unreleased_frames_again() {
    let dir = tempfile::tempdir().unwrap();
    let (mut writer, mut reader) = open(dir.path().into(), 1 << 20, ids(0)).unwrap();
    writer.append(&batch(&["a"])).unwrap();
    drain(&mut reader);
    reader.release(reader.position(), 1).unwrap();
    writer.append(&batch(&["b", "c"])).unwrap();
    assert_eq!(drain(&mut reader), ["b", "c"]);
    reader.rewind();
    assert_eq!(drain(&mut reader), ["b", "c"]);
    writer.append(&batch(&["d"])).unwrap();
    assert_eq!(drain(&mut reader), ["d"]);
}

#[test]
fn segments_rotate_and_go() {
    let dir = tempfile::tempdir().unwrap();
    let (mut writer, mut reader) = open(dir.path().into(), 1 << 30, ids(0)).unwrap();
    let big = "x".repeat(3 * 1024 * 1024);
    for _ in 0..10 {
        writer.append(&batch(&[&big])).unwrap();
    }
    assert!(fs::read_dir(dir.path()).unwrap().count() > 2);
    assert_eq!(drain(&mut reader).len(), 10);
    reader.release(reader.position(), 1).unwrap();
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    assert_eq!(writer.pending_bytes(), 0);
}

#[test]
fn the_limit_stops_requests_and_never_an_append() {
    let dir = tempfile::tempdir().unwrap();
    let (mut writer, mut reader) = open(dir.path().into(), 100, ids(0)).unwrap();
    assert_eq!(writer.room_for(100), Room::Free);
    writer.append(&batch(&[&"y".repeat(500)])).unwrap();
    assert_eq!(writer.room_for(0), Room::SpoolFull);
    drain(&mut reader);
    reader.release(reader.position(), 1).unwrap();
    assert_eq!(writer.room_for(100), Room::Free);
}

#[test]
fn room_on_the_disk_is_reserved_by_a_file_that_is_not_a_segment() {
    let dir = tempfile::tempdir().unwrap();
    let (mut writer, _reader) = open(dir.path().into(), 1 << 30, ids(0)).unwrap();
    let reserved = || {
        let reserve = dir.path().join("reserve");
        fs::metadata(reserve).map_or(0, |file| file.len())
    };
    assert_eq!(writer.room_for(100_000), Room::Free);
    assert_eq!(reserved(), 100_000);
    assert_eq!(writer.room_for(300_000), Room::Free);
    assert_eq!(reserved(), 300_000);
    writer.append(&batch(&["a"])).unwrap();
    drop(writer);
    let (_writer, mut reader) = open(dir.path().into(), 1 << 30, ids(100)).unwrap();
    assert_eq!(reserved(), 0);
    assert_eq!(drain(&mut reader), ["a"]);
    // A directory in its place: no room can be reserved.
    fs::create_dir(dir.path().join("reserve")).unwrap();
    let (mut writer, _reader) = open(dir.path().into(), 1 << 30, ids(200)).unwrap();
    assert_eq!(writer.room_for(1), Room::DiskFull);
}

#[test]
fn an_emptied_segment_that_fills_up_before_the_next_look_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let (mut writer, mut reader) = open(dir.path().into(), 1 << 30, ids(0)).unwrap();
    writer.append(&batch(&["a"])).unwrap();
    assert_eq!(drain(&mut reader), ["a"]);
    reader.release(reader.position(), 1).unwrap();
    // The same file gets a new content, is closed, and the next one begins.
    let big = "b".repeat(5 * 1024 * 1024);
    for _ in 0..3 {
        writer.append(&batch(&[&big])).unwrap();
    }
    assert_eq!(drain(&mut reader).len(), 3);
    reader.release(reader.position(), 2).unwrap();
    assert_eq!(writer.pending_bytes(), 0);
}

#[test]
fn a_reader_that_races_with_the_writer_misses_nothing() {
    const BATCHES: u64 = 6000;
    let dir = tempfile::tempdir().unwrap();
    let (mut writer, mut reader) = open(dir.path().into(), 1 << 40, ids(0)).unwrap();
    let writing = std::thread::spawn(move || {
        let filler = "x".repeat(16 * 1024);
        for n in 0..BATCHES {
            writer.append(&batch(&[&format!("{n} {filler}")])).unwrap();
        }
    });
    let mut next = 0;
    let mut commit = 0;
    while next < BATCHES {
        for record in drain(&mut reader) {
            let number: u64 = record.split(' ').next().unwrap().parse().unwrap();
            assert_eq!(number, next);
            next += 1;
        }
        commit += 1;
        reader.release(reader.position(), commit).unwrap();
        if writing.is_finished() && reader.pending_bytes() == 0 {
            break;
        }
    }
    assert_eq!(next, BATCHES);
    writing.join().unwrap();
}
