//! Reading the closing lines of test runners, to give one sum at the end.

use std::fmt;
use std::ops::AddAssign;

/// How many tests passed, failed and were left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Tests that passed.
    pub(crate) passed: u64,
    /// Tests that failed, or could not run to their end.
    pub(crate) failed: u64,
    /// Tests left out, with or without a reason.
    pub(crate) skipped: u64,
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} passed, {} failed", self.passed, self.failed)
    }
}

/// Whose closing lines are read.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Runner {
    /// `cargo nextest run`: `Summary [ 1.0s] 12 tests run: 11 passed, 1 failed, 0 skipped`.
    Nextest,
    /// `cargo test`: `test result: ok. 3 passed; 0 failed; 1 ignored; …`, once per test program.
    CargoTest,
    /// pytest: `== 2 failed, 10 passed, 1 skipped, 1 error in 3.21s ==`.
    Pytest,
    /// `node --test`: `# pass 3`, `# fail 0`, `# skipped 0`, with `ℹ` for `#` on a terminal.
    Node,
}

impl Counts {
    /// Adds what one line of output says.
    pub(crate) fn read(&mut self, runner: Runner, line: &str) {
        match runner {
            Runner::Nextest => {
                if let Some((before, words)) = line.split_once("run: ")
                    && before.trim_start().starts_with("Summary")
                {
                    self.add_words(words);
                }
            }
            Runner::CargoTest => {
                if let Some(words) = line.strip_prefix("test result: ") {
                    self.add_words(words);
                }
            }
            Runner::Pytest => {
                let words = line.trim_matches(['=', ' ']);
                if words.contains(" in ") && words.starts_with(|first: char| first.is_ascii_digit()) {
                    self.add_words(words);
                }
            }
            Runner::Node => self.add_node(line),
        }
    }

    fn add_words(&mut self, words: &str) {
        let mut number = None;
        for word in words.split([' ', ',', ';', '.', '(', ')']).filter(|word| !word.is_empty()) {
            if let Ok(value) = word.parse::<u64>() {
                number = Some(value);
            } else if let Some(value) = number.take() {
                match word {
                    "passed" => self.passed += value,
                    "failed" | "error" | "errors" | "timed" => self.failed += value,
                    "skipped" | "ignored" | "deselected" => self.skipped += value,
                    _ => {}
                }
            }
        }
    }

    fn add_node(&mut self, line: &str) {
        let Some(rest) = line.strip_prefix("# ").or_else(|| line.strip_prefix("ℹ ")) else { return };
        let Some((word, value)) = rest.split_once(' ') else { return };
        let Ok(value) = value.trim().parse::<u64>() else { return };
        match word {
            "pass" => self.passed += value,
            "fail" | "cancelled" => self.failed += value,
            "skipped" | "todo" => self.skipped += value,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(runner: Runner, lines: &[&str]) -> (u64, u64, u64) {
        let mut counts = Counts::default();
        for line in lines {
            counts.read(runner, line);
        }
        (counts.passed, counts.failed, counts.skipped)
    }

    #[test]
    fn nextest_summary_is_read_and_other_lines_are_not() {
        let lines = [
            "        PASS [   0.005s] hilum-kernel uid::tests::three 3 passed",
            "     Summary [   0.110s] 12 tests run: 10 passed (1 slow), 1 failed, 1 timed out, 2 skipped",
        ];
        assert_eq!(counts(Runner::Nextest, &lines), (10, 2, 2));
    }

    #[test]
    fn cargo_test_adds_up_over_programs() {
        let lines = [
            "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s",
            "test result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.10s",
        ];
        assert_eq!(counts(Runner::CargoTest, &lines), (4, 2, 1));
    }

    #[test]
    fn pytest_closing_line_is_read_with_and_without_rules() {
        assert_eq!(
            counts(Runner::Pytest, &["=== 1 failed, 10 passed, 2 skipped, 1 error in 3.2s ==="]),
            (10, 2, 2)
        );
        assert_eq!(counts(Runner::Pytest, &["7 passed, 3 warnings in 61.20s (0:01:01)"]), (7, 0, 0));
        assert_eq!(counts(Runner::Pytest, &["collected 9 items in all"]), (0, 0, 0));
    }

    #[test]
    fn node_counts_in_both_reporters() {
        assert_eq!(counts(Runner::Node, &["# tests 4", "# pass 3", "# fail 1", "# cancelled 0"]), (3, 1, 0));
        assert_eq!(counts(Runner::Node, &["ℹ pass 2", "ℹ skipped 1"]), (2, 0, 1));
    }
}
