//! Prints a DICOM file's metadata as DICOM JSON (PS3.18 Annex F): `dcm2json FILE…`, one object per line.
//!
//! `dcm2json --frames FILE…` prints each frame's byte ranges in the file instead.
//! `dcm2json --time N FILE…` repeats the work N times from memory and prints microseconds per file instead.

use std::{
    fs::{self, File},
    io::{Cursor, Write as _, stdout},
    time::Instant,
};

use anyhow::{Context as _, Result};
use hilum_dicom::dataset::{
    json,
    read::{Limits, read_instance},
};

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1).peekable();
    if arguments.next_if(|argument| argument == "--time").is_some() {
        let rounds: u32 = arguments.next().context("--time needs a number")?.parse()?;
        return arguments.try_for_each(|path| time(&path, rounds));
    }
    let wants_frames = arguments.next_if(|argument| argument == "--frames").is_some();
    for path in arguments {
        let file = File::open(&path).with_context(|| format!("cannot open {path}"))?;
        let instance =
            read_instance(file, &Limits::default()).with_context(|| format!("cannot read {path}"))?;
        if wants_frames {
            for number in 1..=instance.frames.number_of_frames() {
                let frame = instance.frames.frame(number)?;
                writeln!(stdout(), "{number} {:?} bit {}", frame.ranges, frame.first_bit)?;
            }
            continue;
        }
        let mut line = json::to_json(&instance.dataset(), &[]);
        line.push(b'\n');
        stdout().write_all(&line)?;
    }
    Ok(())
}

fn time(path: &str, rounds: u32) -> Result<()> {
    let bytes = fs::read(path).with_context(|| format!("cannot read {path}"))?;
    let limits = Limits::default();
    let mut json_bytes = 0;
    let start = Instant::now();
    for _ in 0..rounds {
        read_instance(Cursor::new(bytes.as_slice()), &limits)?;
    }
    let parsed = start.elapsed();
    for _ in 0..rounds {
        let instance = read_instance(Cursor::new(bytes.as_slice()), &limits)?;
        json_bytes = json::to_json(&instance.dataset(), &[]).len();
    }
    let both = start.elapsed().saturating_sub(parsed);
    let micros = |time: std::time::Duration| time.as_secs_f64() * 1e6 / f64::from(rounds.max(1));
    let (parse, all) = (micros(parsed), micros(both));
    writeln!(stdout(), "{path}: read {parse:.1} µs, read and JSON {all:.1} µs, {json_bytes} bytes of JSON")?;
    Ok(())
}
