//! What the control process asks on the Unix socket: `/counters` lists the counters of long windows, `/restore` adds counters that were
//! kept, `/restored` says that these were all, `/directory` writes records, `/revoked` names credentials
//! whose calls must end. Lines of fields between tabs.

use core::fmt::Write;

use crate::counters::{add, entries, shard_name, SHARDS};
use crate::shared_data::Shared;
use crate::directory::GENERATION;
use crate::host;

const RESTORED: &[u8] = b"restored";
const TEXT: (&str, &str) = ("content-type", "text/plain; charset=utf-8");

pub fn answer(shared: &impl Shared, path: &[u8], body: &[u8]) {
    match path {
        b"/counters" => host::respond(200, "ledger", counters(shared).as_bytes(), &[TEXT]),
        b"/restore" => restore(shared, body),
        b"/restored" => {
            // Not before all are there: who asks meanwhile must see that it is not done.
            shared.set(RESTORED, b"1", 0);
            host::respond(200, "ledger", b"", &[TEXT]);
        }
        b"/directory" => direct(shared, body),
        b"/revoked" => {
            crate::streams::announce(shared, body);
            host::respond(200, "ledger", b"", &[TEXT]);
        }
        _ => host::respond(404, "ledger", b"", &[TEXT]),
    }
}

/// First line: whether counters were restored, and the directory's generation. Then `unit, window, count, key` of each running window.
fn counters(shared: &impl Shared) -> String {
    let mut text = String::with_capacity(4096);
    text.push(if shared.get(RESTORED).is_some() { '1' } else { '0' });
    text.push('\t');
    text.push_str(crate::directory::in_force(shared).and_then(|value| core::str::from_utf8(value).ok()).unwrap_or(""));
    text.push('\n');
    let now = host::now();
    for number in 0..SHARDS {
        host::begin();
        let Some((shard, _)) = shared.get(&shard_name(true, number)) else { continue };
        for (_, entry) in entries(shard).filter(|(_, entry)| u64::from(entry.window) == now / u64::from(entry.unit.max(1))) {
            // A key with a line end in it would read as two lines.
            if let Some(key) = core::str::from_utf8(entry.key).ok().filter(|key| !key.contains(char::is_control)) {
                let _ = writeln!(text, "{}\t{}\t{}\t{key}", entry.unit, entry.window, entry.count);
            }
        }
    }
    text
}

fn restore(shared: &impl Shared, body: &[u8]) {
    let now = host::now();
    let lines: Vec<String> = String::from_utf8_lossy(body).lines().map(str::to_owned).collect();
    if shared.get(RESTORED).is_some() {
        return host::respond(409, "ledger", b"already restored", &[TEXT]);
    }
    for line in &lines {
        host::begin();
        let mut fields = line.splitn(4, '\t');
        let mut number = || fields.next().and_then(|text| text.parse::<u32>().ok()).filter(|number| *number > 0);
        if let (Some(unit), Some(window), Some(count), Some(key)) = (number(), number(), number(), fields.next()) {
            if u64::from(window) == now / u64::from(unit) {
                add(shared, key.as_bytes(), unit, count, u32::MAX, now);
            }
        }
    }
    host::respond(200, "ledger", b"", &[TEXT]);
}

/// Records between form feeds: name, a line end, value. A record named `g` puts a generation in force.
fn direct(shared: &impl Shared, body: &[u8]) {
    let body = body.to_vec();
    for record in body.split(|byte| *byte == b'\x0c').filter(|record| !record.is_empty()) {
        host::begin();
        let end = record.iter().position(|byte| *byte == b'\n').unwrap_or(record.len());
        let (name, value) = (&record[..end], &record[(end + 1).min(record.len())..]);
        if name == GENERATION {
            shared.set(GENERATION, value, 0);
        } else {
            crate::directory::write(shared, name, value);
        }
    }
    crate::directory::written(shared);
    host::respond(200, "ledger", b"", &[TEXT]);
}
