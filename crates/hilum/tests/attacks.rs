//! The page of attacks names tests: each is there, in the file that it is said to be in.
#![expect(clippy::unwrap_used, reason = "a test that cannot read its files has failed")]

use std::{
    fs,
    path::{Path, PathBuf},
};

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The words in backquotes of a cell.
fn quoted(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}

#[test]
fn each_test_that_is_named_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap();
    let page = fs::read_to_string(root.join("docs/src/reference/attacks.md")).unwrap();
    let mut files = Vec::new();
    sources(&root.join("crates"), &mut files);
    let mut names = 0;
    for row in page.lines().filter(|line| line.starts_with("| ")).skip(2) {
        let cell = row.trim_end_matches('|').rsplit('|').next().unwrap();
        let mut source = None;
        for word in quoted(cell) {
            if Path::new(word).extension().is_some() {
                let mut fitting = files.iter().filter(|path| path.ends_with(word));
                let path = fitting.next().unwrap_or_else(|| panic!("no file {word}"));
                assert!(fitting.next().is_none(), "{word} is more than one file: say more of its path");
                source = Some((word, fs::read_to_string(path).unwrap()));
                continue;
            }
            let (file, source) = source.as_ref().unwrap_or_else(|| panic!("{word} is in which file?"));
            assert!(source.contains(&format!("fn {word}(")), "{file} has no test {word}");
            names += 1;
        }
        assert!(source.is_some(), "no test tries: {row}");
    }
    assert!(names > 30, "{names} tests are named");
}
